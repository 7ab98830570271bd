// Field recordings: all of them by site, and how more come in.
import { withQuery } from "./api.js";
import { html, useEffect, useState } from "./dom.js";
import { bytes, count, fileName, moment, percent, seconds } from "./format.js";
import { Icon } from "./icons.js";
import { KINDS, useDropping } from "./intake.js";
import { usePaged } from "./paged.js";
import { Empty, Label, Trouble, Waiting } from "./parts.js";
import { link } from "./links.js";
import { forgetSent, isGoing, isLost, send, SENDING, sendAgain, stopSending, useSending } from "./sending.js";

const AT_ONCE = 50;
const SHOWN = 4;
const STATES = { received: "waits", analysing: "is heard", analysed: "heard", refused: "refused" };

/** `site` is the only one to show, if any. */
export function List({ site, look }) {
  const path = (cursor) => withQuery("/recordings", { site, limit: AT_ONCE, cursor });
  const { all, first, next, problem, trouble, isAsking, again, more } = usePaged(path, "recordings", "recording");
  const sites = Map.groupBy(all, (one) => one.site);
  return html`
    <${Intake} sites=${[...sites.keys()]} site=${site} arrived=${again} />
    ${problem && html`<${Trouble} problem=${problem} again=${again} />`}
    ${!first && !problem && html`<${Waiting} />`}
    ${site && html`<p class="row"><span>Only <b>${site}</b></span> <a href=${link("recordings")}>All sites</a></p>`}
    ${first && !all.length && html`<${Empty}>There is no recording ${site ? `of ${site}` : "yet"}. Choose files above, or have
      recorders put theirs into the recordings bucket, below <code>recordings/<i>site</i>/</code>.<//>`}
    ${[...sites].map(([name, those]) => html`<${Site} key=${name} name=${name} those=${those} look=${look} isOnly=${Boolean(site)} />`)}
    ${trouble && html`<${Trouble} problem=${trouble} again=${more} />`}
    ${next && !trouble && html`<p><button disabled=${isAsking} onClick=${more}>Earlier ones</button></p>`}`;
}

function Site({ name, those, look, isOnly }) {
  const heard = those.filter((one) => one.state === "analysed").length;
  const length = those.reduce((sum, one) => sum + (one.duration_s ?? 0), 0);
  return html`
    <section class="site" aria-label=${`Site ${name}`}>
      <div class="row"><h2>${isOnly ? name : html`<a href=${link("recordings", [], { site: name })}>${name}</a>`}</h2>
        <span class="soft small">${count(those.length, "recording")}${heard < those.length ? `, ${heard} heard` : ""}${
          length ? `, ${seconds(length)} in all` : ""}</span>
        <span class="row small grow-left"><a href=${link("recordings", ["detections"], { site: name })}>Detections here</a>
          <a href=${link("review", [], { site: name })}>Review here</a></span></div>
      <ul class="plain">${those.map((one) => html`<${Line} key=${one.recording} one=${one} look=${look} />`)}</ul>
    </section>`;
}

function Line({ one, look }) {
  const found = Object.entries(one.detections).sort().sort(([, a], [, b]) => b - a);
  return html`
    <li class="recording">
      <div class="which"><a href=${link("recordings", [one.recording])}>${fileName(one.key)}</a>
        <span class="soft small">${one.notes?.started_at ? moment(one.notes.started_at) : `received ${moment(one.received_at)}`} · ${
          one.duration_s ? seconds(one.duration_s) : bytes(one.size)}</span></div>
      <div class="outcome">
        ${one.state !== "analysed" && html`<${Progress} one=${one} />`}
        ${one.state === "analysed" && !found.length && html`<span class="soft small">nothing detected</span>`}
        ${found.slice(0, SHOWN).map(([label, number]) => html`
          <a key=${label} class="tally" href=${link("recordings", [one.recording], { label })}>
            <${Label} label=${label} look=${look} plain /> <b>${number.toLocaleString()}</b></a>`)}
        ${found.length > SHOWN && html`<span class="soft small">and ${count(found.length - SHOWN, "other label")}</span>`}
      </div>
    </li>`;
}

/** How far a recording is that is not analysed. */
export function Progress({ one }) {
  const { state, progress, reason } = one;
  if (state === "refused") return html`<p class="small"><span class="badge refused">refused</span> ${reason}</p>`;
  if (state === "analysing" && !reason) {
    return html`<label class="row small"><span>${progress ? `${percent(progress, 0)} is heard` : "begins to listen"}</span>
      <progress value=${progress ?? 0} max="1" aria-label=${`${fileName(one.key)}: share that is heard`}></progress></label>`;
  }
  return html`<p class="small"><span class="badge waits">${STATES[state]}</span> <span class="soft">${reason ?? "It will be heard within moments."}</span></p>`;
}

// --- how more come in -------------------------------------------------------------------------

function Intake({ sites, site, arrived }) {
  const [files, setFiles] = useState([]);
  const [place, setPlace] = useState(site ?? "");
  const add = (more) => setFiles((before) => [...before, ...more]);
  const isOver = useDropping(add);
  const sent = useSending(["recording"]).filter((item) => item.key).length;
  useEffect(() => { if (sent) arrived(); }, [sent]);

  function begin(event) {
    event.preventDefault();
    if (!files.length || !place.trim()) return;
    send(files, { kind: "recording", site: place.trim() });
    setFiles([]);
  }

  return html`
    <form class=${isOver ? "intake over" : "intake"} onSubmit=${begin} aria-label="Recordings to send">
      <label class="choose">
        <${Icon} name="file" size=${24} />
        <span><b>Drop field recordings here</b>, or <u>choose files</u><br />
          <span class="soft small">of any length; what AudioMoth and other recorders write into them is read, too</span></span>
        <input type="file" class="unseen" accept=${KINDS} multiple
          onChange=${({ currentTarget: field }) => { add([...field.files]); field.value = ""; }} />
      </label>
      <label class="field place"><span>Site where they were made</span>
        <input value=${place} required maxlength="64" list="sites" placeholder="ridge" onInput=${(event) => setPlace(event.currentTarget.value)} /></label>
      <datalist id="sites">${sites.map((one) => html`<option key=${one} value=${one} />`)}</datalist>
      <button class="primary" disabled=${!files.length || !place.trim()}>Send${files.length ? ` ${count(files.length, "file")}, ${bytes(files.reduce((sum, one) => sum + one.size, 0))}` : ""}</button>
      ${files.length > 0 && html`<button type="button" class="quiet" onClick=${() => setFiles([])}>Take back</button>`}
      <${OnTheWay} />
    </form>`;
}

function OnTheWay() {
  const items = useSending(["recording"]);
  if (!items.length) return null;
  const areGoing = items.some(isGoing);
  return html`
    <div class="on-the-way">
      <ul class="plain">${items.map((item) => html`
        <li key=${item.id} class="row small"><span class="which">${item.name} <span class="soft">to ${item.wish.site}</span></span>
          ${item.state === "sending" ? html`<progress value=${item.share} max="1" aria-label=${`${item.name} sent`}></progress>
            <span class="number">${percent(item.share, 0)}</span>`
            : html`<span class=${item.state === "failed" ? "bad" : "soft"}>${item.problem?.message ?? SENDING[item.state]}</span>`}</li>`)}</ul>
      <p class="row">
        ${areGoing ? html`<button type="button" class="quiet" onClick=${() => stopSending(items)}>Stop</button>`
          : html`<button type="button" class="quiet" onClick=${() => forgetSent(items)}>Clear the list</button>`}
        ${!areGoing && items.some(isLost) && html`
          <button type="button" class="quiet" onClick=${() => sendAgain(items)}>Try again</button>`}
      </p>
    </div>`;
}
