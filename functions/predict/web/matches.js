// What a search found: how near, what and where, its clip, and the label that a person gives it.
import { ask, get, post } from "./api.js";
import { Clip } from "./clip.js";
import { More } from "./detections.js";
import { announce, html, useState } from "./dom.js";
import { fileName, percent, stretch, words } from "./format.js";
import { Icon } from "./icons.js";
import { Naming } from "./naming.js";
import { Label, Trouble } from "./parts.js";
import { useOnce } from "./poll.js";
import { link } from "./links.js";
import { upload } from "./uploads.js";

const AT_ONCE = 20;
// What was taught in this tab, `{ label, said }`: a later search that finds it again tells so.
let soFar = {};

/** `matches` as POST /search has them; `classes` as classes.js has them. */
export function Matches({ matches, classes }) {
  const [open, setOpen] = useState(null);
  const [most, setMost] = useState(AT_ONCE);
  const [taught, setTaught] = useState(soFar);
  const samples = useOnce((signal) => get("/samples", { signal }), []);
  const teach = (match, what) => {
    soFar = { ...soFar, [keyOf(match)]: what };
    setTaught(soFar);
  };
  return html`
    <ul class="heard found" aria-label="Matches">
      ${matches.slice(0, most).map((match) => html`<${Row} key=${keyOf(match)} match=${match} look=${classes.look} samples=${samples.data}
        isOpen=${open === keyOf(match)} toggle=${setOpen} taught=${taught[keyOf(match)]}
        teach=${(what) => teach(match, what)} />`)}
    </ul>
    ${matches.length > most && html`<${More} hidden=${matches.length - most} step=${AT_ONCE} show=${() => setMost(most + AT_ONCE)} />`}`;
}

const keyOf = ({ recording, sample, start_s: start }) => `${recording ?? sample} ${start}`;

function Row({ match, look, samples, isOpen, toggle, taught, teach }) {
  const { similarity, label, clip, confidence } = match;
  const name = `${words(label)}, ${stretch(match.start_s, match.end_s)}`;
  return html`
    <li class=${isOpen ? "open" : ""}>
      <div class="heard-row">
        <button class="bare" aria-expanded=${isOpen} onClick=${() => toggle(isOpen ? null : keyOf(match))}
          aria-label=${`Listen to ${name} of ${fileName(match.key)}`}><${Icon} name=${isOpen ? "stop" : "play"} size=${16} /></button>
        <span class="surely" title="How near it is; 1 is the very same sound">
          <span class="track" aria-hidden="true" style=${{ "--share": Math.max(0, similarity), "--c": look(label).colour, "--threshold": 1 }}>
            <i class="fill"></i></span>
          <span class="number">${similarity.toFixed(2)}</span></span>
        <span class="what"><${Label} label=${label} look=${look} plain />
          ${" "}<span class="soft small">${match.sample ? "sample" : percent(confidence, 0)}</span>
          ${taught && html` <span class="badge accepted">taught as ${words(taught.label)}</span>`}</span>
        <span class="where small">${match.recording
          ? html`<a href=${link("recordings", [match.recording])}>${fileName(match.key)}</a> of ${match.site}, ${stretch(match.start_s, match.end_s)}`
          : html`<code>${match.key}</code>`}</span>
        <a class="small" href=${more(match)}>More like this</a>
      </div>
      ${isOpen && html`<div class="clip stack tight">
        <${Clip} path=${clip} name=${name} height=${120} look=${look} whole=${match.sample ? match.end_s : 0} />
        ${match.recording && html`<${Say} match=${match} look=${look} samples=${samples} taught=${taught} teach=${teach} />`}</div>`}
    </li>`;
}

/** The address that searches by what was found. */
export const more = ({ recording, sample, start_s: start }) => link("search", [], recording ? { recording, start_s: start } : { sample });

/** What is it? What a person says makes it a sample; what answered a question of review can be taken back. */
function Say({ match, look, samples, taught, teach }) {
  const [state, setState] = useState({});
  const labels = samples?.known_labels ?? [];
  async function settle(done) {
    setState({ busy: true });
    try {
      await done();
      setState({});
    } catch (problem) {
      setState({ problem });
    }
  }
  const say = (label) => settle(async () => {
    teach({ label, said: await tell(match, label) });
    announce(`It is taught as ${words(label)}.`);
  });
  const undo = () => settle(async () => {
    await post(`/review/${match.review}`, { verdict: "undo", reviewed_at: taught.said.reviewed_at });
    teach(null);
    announce("Taken back.");
  });
  const trouble = state.problem && html`<${Trouble} problem=${state.problem} />`;
  if (taught) {
    return html`
      <div class="row"><p role="status">It is taught as <${Label} label=${taught.label} look=${look} plain />.</p>
        ${taught.said && html`<button class="quiet" disabled=${state.busy} onClick=${undo}>Take it back</button>`}</div>
      ${trouble}`;
  }
  return html`
    <div class="row" role="group" aria-label="What is it?"><span class="soft small">What is it?</span>
      ${labels.map((label) => html`<button key=${label} class="chip" disabled=${state.busy} onClick=${() => say(label)}>
        <${Label} label=${label} look=${look} plain /></button>`)}
      <${Naming} rest=${[]} isOpen=${samples?.open_labels} disabled=${state.busy} say=${say} /></div>
    ${trouble}`;
}

/** What is asked about in review is answered there, and how it stands returned; of anything else the clip becomes a sample. */
async function tell(match, label) {
  if (match.review) {
    const isGuess = label === match.label;
    return post(`/review/${match.review}`, isGuess ? { verdict: "confirm" } : { verdict: "correct", label });
  }
  const answer = await ask(match.clip);
  const type = answer.headers.get("content-type");
  const clip = new File([await answer.blob()], fileName(match.clip), { type });
  await upload(clip, { kind: "sample", label, recording: match.recording });
  return null;
}
