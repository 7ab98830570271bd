// Teach: clips are dropped or chosen, get their label, and go to the bucket.
import { html, useState } from "./dom.js";
import { bytes, count, percent, words } from "./format.js";
import { handed } from "./handover.js";
import { Icon } from "./icons.js";
import { KINDS, useDropping } from "./intake.js";
import { Label } from "./parts.js";
import { forgetSent, isArchive, isGoing, isLost, send, SENDING, sendAgain, stopSending, useSending } from "./sending.js";

/** `samples` as GET /samples has it; `look` as classes.js has it. */
export function Teach({ samples, look }) {
  const [files, setFiles] = useState(() => handed("train"));
  const [label, setLabel] = useState("");
  const [named, setNamed] = useState("");
  const [recording, setRecording] = useState("");
  const add = (more) => setFiles((before) => [...before, ...more]);
  const isOver = useDropping(add);

  const clips = files.filter((file) => !isArchive(file));
  const chosen = label === OTHER ? named.trim() : label;
  const isReady = files.length > 0 && (!clips.length || chosen);

  function teach(event) {
    event.preventDefault();
    if (!isReady) return;
    send(files, { label: chosen, ...(recording.trim() ? { recording: recording.trim() } : {}) });
    setFiles([]);
  }

  return html`
    <section class=${isOver ? "card stack teach over" : "card stack teach"} aria-labelledby="teach">
      <h2 id="teach">Teach it</h2>
      <form class="stack wide tight" onSubmit=${teach}>
        <label class="choose">
          <${Icon} name="file" size=${24} />
          <span><b>Drop clips here</b>, or <u>choose files</u><br />
            <span class="soft small">Many at once, up to 200 MB each; or a zip with a folder for each label, up to
              1 GB</span></span>
          <input type="file" multiple class="unseen" accept=${`${KINDS},.zip,application/zip`}
            onChange=${({ currentTarget: field }) => { add([...field.files]); field.value = ""; }} />
        </label>
        ${files.length > 0 && html`<${Staged} files=${files} clear=${() => setFiles([])} />`}
        ${(clips.length > 0 || !files.length) && html`
          <fieldset class="chips">
            <legend class="small soft">${clips.length ? `What is heard in ${clips.length === 1 ? "it" : "them"}` : "Label"}</legend>
            ${samples.known_labels.map((one) => html`
              <${Choice} key=${one} value=${one} label=${label} choose=${setLabel}>
                <${Label} label=${one} look=${look} plain /><//>`)}
            ${samples.open_labels && html`
              <${Choice} value=${OTHER} label=${label} choose=${setLabel}>a new label<//>`}
          </fieldset>`}
        ${label === OTHER && html`
          <label class="field"><span>New label</span>
            <input required maxlength="64" value=${named} placeholder="barn owl"
              onInput=${({ currentTarget }) => setNamed(currentTarget.value)} /></label>`}
        ${clips.length > 0 && html`
          <label class="field"><span>Recording that all were cut from, if they were: it is never both learnt from and
            tested on</span>
            <input maxlength="200" value=${recording} placeholder="tape-7"
              onInput=${({ currentTarget }) => setRecording(currentTarget.value)} /></label>`}
        ${files.length > 0 && html`
          <p class="row"><button class="primary" disabled=${!isReady}>
            ${!isReady ? "Choose their label" : clips.length
              ? `Teach ${count(clips.length, "clip")} as ${words(chosen)}` : `Send ${count(files.length, "archive")}`}
          </button></p>`}
      </form>
      <${OnTheWay} samples=${samples} look=${look} />
    </section>`;
}

// No label begins so.
const OTHER = "/";

function Choice({ value, label, choose, children }) {
  return html`<label class="chip"><input type="radio" name="label" class="unseen" value=${value} checked=${label === value}
    onChange=${() => choose(value)} />${children}</label>`;
}

function Staged({ files, clear }) {
  const archives = files.filter(isArchive).length;
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const what = [
    files.length > archives && count(files.length - archives, "clip"), archives > 0 && count(archives, "archive"),
  ].filter(Boolean).join(" and ");
  return html`<p class="row staged"><b>${what}</b> <span class="soft">${bytes(total)}</span>
    <button type="button" class="quiet grow-left" onClick=${clear}>Take back</button></p>`;
}

// --- what is sent ----------------------------------------------------------------------------

function OnTheWay({ samples, look }) {
  const items = useSending();
  if (!items.length) return null;
  const all = items.reduce((sum, item) => sum + item.size, 0);
  const done = items.reduce((sum, item) => sum + item.share * item.size, 0);
  const areGoing = items.some(isGoing);
  const over = items.filter((item) => item.state === "sent" || item.state === "known").length;
  return html`
    <section class="stack tight sending" aria-labelledby="sending">
      <div class="row"><h3 id="sending">${over} of ${count(items.length, "file")} sent</h3>
        <span class="grow-left row">
          ${areGoing && html`<button class="quiet" onClick=${() => stopSending(items)}>Stop</button>`}
          ${!areGoing && items.some(isLost) && html`<button class="quiet" onClick=${() => sendAgain(items)}>Try again</button>`}
          ${!areGoing && html`<button class="quiet" onClick=${() => forgetSent(items)}>Clear the list</button>`}
        </span></div>
      <progress class="whole" value=${all ? done / all : 1} max="1" aria-label="All files"></progress>
      <div class="scroll few" tabindex="0" role="region" aria-labelledby="sending">
        <table>
          <thead class="unseen"><tr><th scope="col">File</th><th scope="col">Label</th><th scope="col">State</th></tr></thead>
          <tbody>${items.map((item) => html`<${Item} key=${item.id} item=${item} samples=${samples} look=${look} />`)}</tbody>
        </table>
      </div>
    </section>`;
}

function Item({ item, samples, look }) {
  const { name, size, wish, state, share, key, problem } = item;
  const refused = key && samples.refused.find((one) => one.key === key);
  const unpacked = key && samples.imports.find((one) => one.key === key);
  return html`
    <tr class="item">
      <td><span class="file">${name}</span> <span class="soft small">${bytes(size)}</span>
        ${refused && html`<p class="small bad">${refused.reason}</p>`}
        ${problem && html`<p class="small bad">${problem.message}</p>`}
        ${unpacked && html`<p class="small soft">${count(unpacked.clips, "clip")} ${unpacked.state === "unpacked" ? "unpacked" : "so far"}${
          unpacked.ignored_total ? `, ${count(unpacked.ignored_total, "other file")} ignored` : ""}</p>`}</td>
      <td>${wish.label ? html`<${Label} label=${wish.label} look=${look} plain />`
        : html`<span class="soft">by folder</span>`}</td>
      <td class="number">${refused ? html`<span class="bad">refused</span>` : state === "sending"
        ? html`<label class="going"><span class="small">${percent(share, 0)}</span>
            <progress value=${share} max="1" aria-label=${name}></progress></label>`
        : html`<span class=${state === "failed" ? "bad" : state === "sent" ? "good" : "soft"}>${SENDING[state]}</span>`}</td>
    </tr>`;
}
