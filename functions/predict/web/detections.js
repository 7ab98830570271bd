// Detections as a list: when, what, how surely, and each one's clip to listen to on demand.
import { Clip } from "./clip.js";
import { html, useEffect, useRef, useState } from "./dom.js";
import { percent, seconds, words } from "./format.js";
import { Icon } from "./icons.js";
import { Label } from "./parts.js";
import { link } from "./links.js";

const AT_ONCE = 50;

/**
 * `rows` are `{ key, detection, when, clip, about }`: `when` and `about` as they are shown, `clip` the
 * path of the audio or null. `open` is the key of the row whose clip is shown, `toggle(key)` changes it.
 */
export function DetectionList({ rows, look, open, toggle, name }) {
  const [most, setMost] = useState(AT_ONCE);
  // What was chosen elsewhere, on a timeline, is shown as well.
  const shown = Math.max(most, 1 + rows.findIndex((row) => row.key === open));
  return html`
    <ul class=${rows.some((row) => row.about) ? "heard placed" : "heard"} aria-label=${name}>
      ${rows.slice(0, shown).map((row) => html`<${Row} key=${row.key} row=${row} look=${look}
        isOpen=${row.key === open} toggle=${toggle} />`)}
    </ul>
    ${rows.length > shown && html`<${More} hidden=${rows.length - shown} step=${AT_ONCE} show=${() => setMost(shown + AT_ONCE)} />`}`;
}

/** Shows the next of those that are `hidden`. */
export const More = ({ hidden, step, show }) => html`
  <p><button class="quiet" onClick=${show}>Show ${Math.min(step, hidden).toLocaleString()} more of ${hidden.toLocaleString()}</button></p>`;

function Row({ row, look, isOpen, toggle }) {
  const { detection: one, when, clip, about, key } = row;
  const threshold = look(one.label).threshold ?? 0;
  const line = useRef(null);
  useEffect(() => { if (isOpen) line.current.scrollIntoView({ block: "nearest" }); }, [isOpen]);
  return html`
    <li ref=${line} class=${isOpen ? "open" : ""}>
      <div class="heard-row">
        ${clip ? html`<button class="bare" aria-expanded=${isOpen} onClick=${() => toggle(isOpen ? null : key)}
            aria-label=${`Listen to ${words(one.label)}, ${when}`}><${Icon} name=${isOpen ? "stop" : "play"} size=${16} /></button>`
          : html`<span class="soft small none" title="Only the surest detections have a clip, and clips expire">no clip</span>`}
        <span class="when">${when}</span>
        <span class="what"><${Label} label=${one.label} look=${look} plain /></span>
        <span class="soft small length">${seconds(one.end_s - one.start_s)}</span>
        <span class="surely" title=${`mean over its windows ${percent(one.mean_confidence)}`}>
          <span class="track" aria-hidden="true" style=${{ "--share": one.peak_confidence, "--c": look(one.label).colour, "--threshold": threshold }}>
            <i class="fill"></i></span>
          <span class="number">${percent(one.peak_confidence)}</span></span>
        ${about && html`<span class="about-row small">${about}</span>`}
      </div>
      ${isOpen && clip && html`<div class="clip"><${Clip} path=${clip} name=${`${words(one.label)}, ${when}`} height=${140}
        look=${look} segmentsOf=${(duration) => within(one, clip, duration)} />
        <p class="small"><a href=${like(one, clip)}>Find more like this</a></p></div>`}
    </li>`;
}

/** The address that searches by a detection, whose recording its clip names. */
const like = (one, clip) => link("search", [], { recording: clip.split("/")[2], start_s: one.peak_s ?? one.start_s });

/** Where a detection lies in its clip, whose name tells where that starts: "…-000031.000-000037.000.flac". */
function within(one, path, duration) {
  const start = Number(/-(\d+\.\d+)-\d+\.\d+\.\w+$/.exec(path)?.[1] ?? 0);
  const [from, to] = [one.start_s - start, one.end_s - start].map((at) => Math.max(0, Math.min(duration, at)));
  return [{ start_s: from, end_s: to, label: one.label, confidence: one.peak_confidence }];
}

/** Choose labels and the least confidence; `labels` are those there are, with how many of each. */
export function Filter({ labels, chosen, least, look, change }) {
  const pick = (label) => change({ chosen: chosen.includes(label) ? chosen.filter((one) => one !== label) : [...chosen, label] });
  return html`
    <div class="row filter" role="group" aria-label="Which detections">
      ${Object.entries(labels).map(([label, number]) => html`
        <button key=${label} class="chip" aria-pressed=${chosen.includes(label)} onClick=${() => pick(label)}>
          <${Label} label=${label} look=${look} plain /> <span class="small">${number.toLocaleString()}</span>
        </button>`)}
      <${Least} least=${least} change=${change} />
    </div>`;
}

export function Least({ least, change }) {
  return html`<label class="least"><span class="soft small">Confidence from</span>
    <input type="range" min="0" max="0.99" step="0.01" value=${least} aria-valuetext=${percent(least, 0)}
      onInput=${({ currentTarget }) => change({ least: Number(currentTarget.value) })} />
    <output class="number">${percent(least, 0)}</output></label>`;
}
