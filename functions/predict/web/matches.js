// What a search found: how near, what and where, its clip, and the label that a person gives it.
import { ask, get, post } from "./api.js";
import { Clip } from "./clip.js";
import { announce, html, useState } from "./dom.js";
import { fileName, percent, stretch, words } from "./format.js";
import { Icon } from "./icons.js";
import { Label, Trouble } from "./parts.js";
import { useOnce } from "./poll.js";
import { link } from "./router.js";
import { send } from "./sending.js";

/** `matches` as POST /search has them; `classes` as classes.js has them. */
export function Matches({ matches, classes }) {
  const [open, setOpen] = useState(null);
  const samples = useOnce((signal) => get("/samples", { signal }), []);
  const labels = samples.data?.known_labels ?? [];
  return html`
    <ul class="heard found" aria-label="Matches">
      ${matches.map((match) => html`<${Row} key=${keyOf(match)} match=${match} look=${classes.look} labels=${labels}
        isOpen=${open === keyOf(match)} toggle=${setOpen} />`)}
    </ul>`;
}

const keyOf = ({ recording, sample, start_s: start }) => `${recording ?? sample} ${start}`;

function Row({ match, look, labels, isOpen, toggle }) {
  const { similarity, label, clip, confidence } = match;
  const name = `${words(label)}, ${stretch(match.start_s, match.end_s)}`;
  return html`
    <li class=${isOpen ? "open" : ""}>
      <div class="heard-row">
        ${clip ? html`<button class="bare" aria-expanded=${isOpen} onClick=${() => toggle(isOpen ? null : keyOf(match))}
            aria-label=${`Listen to ${name} of ${fileName(match.key)}`}><${Icon} name=${isOpen ? "stop" : "play"} size=${16} /></button>`
          : html`<span class="soft small none">sample</span>`}
        <span class="surely" title="How near it is; 1 is the very same sound">
          <span class="track" aria-hidden="true" style=${{ "--share": Math.max(0, similarity), "--c": look(label).colour, "--threshold": 1 }}>
            <i class="fill"></i></span>
          <span class="number">${similarity.toFixed(2)}</span></span>
        <span class="what"><${Label} label=${label} look=${look} plain />
          ${confidence != null && html` <span class="soft small">${percent(confidence, 0)}</span>`}</span>
        <span class="where small">${match.recording
          ? html`<a href=${link("recordings", [match.recording])}>${fileName(match.key)}</a> of ${match.site}, ${stretch(match.start_s, match.end_s)}`
          : html`<code>${match.key}</code>`}</span>
        <a class="small" href=${more(match)}>More like this</a>
      </div>
      ${isOpen && clip && html`<div class="clip stack tight">
        <${Clip} path=${clip} name=${name} height=${120} look=${look} />
        <${Say} match=${match} look=${look} labels=${labels} /></div>`}
    </li>`;
}

/** The address that searches by what was found. */
export const more = ({ recording, sample, start_s: start }) => link("search", [], recording ? { recording, start_s: start } : { sample });

/** What is it? What a person says makes it a sample. */
function Say({ match, look, labels }) {
  const [said, setSaid] = useState(null);
  const [problem, setProblem] = useState(null);
  async function say(label) {
    setProblem(null);
    try {
      await teach(match, label);
      setSaid(label);
      announce(`It is taught as ${words(label)}.`);
    } catch (failure) {
      setProblem(failure);
    }
  }
  if (said) return html`<p role="status">It is taught as <${Label} label=${said} look=${look} plain />.</p>`;
  return html`
    <div class="row" role="group" aria-label="What is it?"><span class="soft small">What is it?</span>
      ${labels.map((label) => html`<button key=${label} class="chip" onClick=${() => say(label)}>
        <${Label} label=${label} look=${look} plain /></button>`)}</div>
    ${problem && html`<${Trouble} problem=${problem} />`}`;
}

/** What is asked about in review is answered there; of anything else the clip becomes a sample. */
async function teach(match, label) {
  if (match.review) {
    const isGuess = label === match.label;
    await post(`/review/${match.review}`, isGuess ? { verdict: "confirm" } : { verdict: "correct", label });
    return;
  }
  const answer = await ask(match.clip);
  const type = answer.headers.get("content-type");
  send([new File([await answer.blob()], fileName(match.clip), { type })], { label, recording: match.recording });
}
