// Review: what the model learns most from, one stretch after the other, a key for each label.
import { get } from "../api.js";
import { useClasses } from "../classes.js";
import { announce, html, useEffect, useRef, useState } from "../dom.js";
import { count, fileName, stretch, words } from "../format.js";
import { useJudging } from "../judging.js";
import { Naming } from "../naming.js";
import { Bars, Empty, Label, PageHead, Trouble, Waiting } from "../parts.js";
import { usePoll } from "../poll.js";
import { link } from "../links.js";
import { ASKED, placed } from "../sites.js";
import { SoundView, usePlayer } from "../sound.js";
import { Standing } from "../standing.js";

const SETTING = "earshot-plays-at-once";
const KEYS = 9;
const TOP = 4;
// From this margin on one label leads clearly; above this share of what is accepted, few samples are as novel.
const CLOSE = 0.2;
const FAR = 0.8;

export default function Review({ query: { site, label } }) {
  return html`<${Queue} key=${`${site} ${label}`} site=${site} label=${label} />`;
}

function Queue({ site, label }) {
  const classes = useClasses();
  const samples = usePoll((signal) => get("/samples", { signal }), [], { every: 3000 });
  const judging = useJudging({ site, label });
  const [playsAtOnce, setPlaysAtOnce] = useState(localStorage.getItem(SETTING) !== "no");
  const { current, done, problem, isLost } = judging;
  const labels = choices(samples.data, classes.data, current);

  function settle(verdict, label = null) {
    if (!current) return;
    const isGuess = label === current.doubt.label;
    judging.say(isGuess ? "confirm" : verdict, isGuess ? null : label);
    announce(`${label ? words(label) : "Rejected"}.`);
  }
  function undo() {
    if (!done.length) return;
    judging.undo();
    announce("Taken back.");
  }
  const toggle = (wanted) => {
    localStorage.setItem(SETTING, wanted ? "yes" : "no");
    setPlaysAtOnce(wanted);
  };

  // What is reviewed is counted within seconds.
  useEffect(() => samples.again(), [judging.reviewed && JSON.stringify(judging.reviewed)]);
  const isEmpty = judging.reviewed && !current;
  return html`
    <${PageHead} title="Review">What the model is least sure of, and what it never heard the like of, comes first. Say what it is: it learns most from this.<//>
    ${(site || label) && html`<p class="row small"><span>Only what ${label && html`was guessed to be <b>${words(label)}</b>`}
      ${label && site && " and "}${site && (site === ASKED ? "was sent to the API" : html`comes from <b>${site}</b>`)}.</span>
      ${" "}<a href=${link("review")}>All that waits</a></p>`}
    <${Standing} reviewed=${judging.reviewed} samples=${samples.data} />
    ${problem && html`<${Trouble} problem=${problem} again=${isLost ? judging.again : null} />`}
    ${!judging.reviewed && !problem && html`<${Waiting} />`}
    ${isEmpty && html`<${Empty}>Nothing waits for you${site || label ? " of this kind" : ""}. When <a href=${link("recordings")}>recordings</a>
      ${" "}are heard, what is doubtful in them comes here; so does a sound that you ask people about on <a href=${link("listen")}>Listen</a>.
      ${done.length > 0 && html` <button class="quiet" onClick=${undo}>Take the last one back</button>`}<//>`}
    ${current && html`
      <${Stage} key=${current.review} asked=${current} sound=${judging.sound} labels=${labels} samples=${samples.data}
        look=${classes.look} settle=${settle} undo=${undo} hasDone=${done.length > 0} playsAtOnce=${playsAtOnce} />`}
    <div class="row small after">
      ${current && html`<span class="soft">${judging.isAll ? `${count(judging.waits, "stretch waits", "stretches wait")}`
        : `More than ${judging.waits - 1} wait`}</span>`}
      <${Guessed} site=${site} label=${label} labels=${classes.data?.classes.map((one) => one.label) ?? []} />
      <label class="row grow-left"><input type="checkbox" checked=${playsAtOnce}
        onChange=${({ currentTarget }) => toggle(currentTarget.checked)} /> Play each at once</label></div>`;
}

/** Has one look at what was guessed to be a label only. */
function Guessed({ site, label = "", labels }) {
  const known = label && !labels.includes(label) ? [...labels, label] : labels;
  return html`<label class="row"><span class="soft">Guessed to be</span>
    <select value=${label} onChange=${({ currentTarget }) => { location.hash = link("review", [], { site, label: currentTarget.value }); }}>
      <option value="">anything</option>${known.map((one) => html`<option key=${one} value=${one}>${words(one)}</option>`)}
    </select></label>`;
}

/** The labels to choose from: as they stand while there are keys for all, else the likeliest first. */
function choices(samples, classes, current) {
  const known = samples?.known_labels ?? classes?.classes.map((one) => one.label) ?? [];
  if (known.length <= KEYS || !current) return known;
  const likely = current.doubt.probabilities;
  return known.toSorted((a, b) => (likely[b] ?? 0) - (likely[a] ?? 0));
}

/** One stretch: its sound, the guess, and what can be said of it. */
function Stage({ asked, sound, labels, samples, look, settle, undo, hasDone, playsAtOnce }) {
  const [heard, setHeard] = useState(null);
  const [problem, setProblem] = useState(null);
  const { doubt } = asked;
  const player = usePlayer(heard);
  const whole = asked.site === ASKED ? "a sound sent to the API" : fileName(asked.key);
  const name = `${whole}, ${stretch(doubt.start_s, doubt.end_s)}`;

  useEffect(() => {
    let isHere = true;
    sound.then((found) => isHere && setHeard(found), (failure) => isHere && setProblem(failure));
    return () => { isHere = false; };
  }, []);
  useEffect(() => {
    // Before the first click or key browsers let no page sound.
    if (player.player && playsAtOnce && navigator.userActivation?.hasBeenActive) player.player.play(0);
  }, [player.player]);

  const isGone = problem?.code === "clip_not_found";
  const play = () => (player.player?.isPlaying ? player.player.pause() : player.player?.play(0));
  useKeys({
    " ": play, r: () => settle("reject"), u: undo,
    ...(isGone ? {} : Object.fromEntries(labels.slice(0, KEYS).map((label, n) => [String(n + 1), () => settle("correct", label)]))),
  });

  return html`
    <section class="card stage-card" aria-label=${`A stretch of ${whole}`}>
      ${heard && html`<${SoundView} sound=${heard} name=${name} player=${player} look=${look} />`}
      ${!heard && !problem && html`<div class="placeholder"></div>`}
      ${problem && html`<${Trouble} problem=${problem} />`}
      ${isGone && html`<p class="soft small">Without its sound there is nothing to learn from it: reject it.</p>`}
      ${asked.verdict && html`<p class="interrupted small">${asked.reviewed_by} said ${asked.reviewed_label ? words(asked.reviewed_label)
        : "to reject it"}, and was interrupted. Say the same, and it is done.</p>`}
      ${asked.history.length > 0 && html`<p class="soft small">${asked.history.at(-1).undone_by} took
        ${" "}${asked.history.at(-1).reviewed_label ? `“${words(asked.history.at(-1).reviewed_label)}”` : "a rejection"} back.</p>`}
      <div class="judge">
        <div class="stack tight guess">
          <h2>The model’s guess: <${Label} label=${doubt.label} look=${look} plain /></h2>
          <${Bars} items=${likeliest(doubt)} look=${look} />
          <p class="small">${reason(asked)}${doubt.novelty > 0 && html` <span class="soft">${novelty(doubt)}</span>`}</p>
          <${Origin} asked=${asked} />
        </div>
        <div class="stack tight" role="group" aria-labelledby="say">
          <h2 id="say">What is it?</h2>
          <div class="choices">${labels.slice(0, KEYS).map((label, n) => html`
            <button key=${label} class=${label === doubt.label ? "choice guessed" : "choice"} disabled=${isGone}
              aria-keyshortcuts=${n + 1} onClick=${() => settle("correct", label)} style=${{ "--c": look(label).colour }}>
              <kbd>${n + 1}</kbd><span>${words(label)}</span>${label === doubt.label && html`<span class="small soft">as guessed</span>`}</button>`)}
          </div>
          <${Naming} rest=${labels.slice(KEYS)} isOpen=${samples?.open_labels} disabled=${isGone} say=${(label) => settle("correct", label)} />
          <p class="row">
            <button class="quiet" aria-keyshortcuts="r" onClick=${() => settle("reject")}><kbd>r</kbd> Reject: nothing to learn</button>
            <button class="quiet" aria-keyshortcuts="u Control+Z" disabled=${!hasDone} onClick=${undo}><kbd>u</kbd> Take the last one back</button>
          </p>
          <p class="soft small">Space plays it again.</p>
        </div>
      </div>
    </section>`;
}

/** Where it comes from; of what was sent to the API no recording was kept, nor anything to search by. */
function Origin({ asked: { key, site, recording, doubt, model_version: model } }) {
  const part = `${stretch(doubt.start_s, doubt.end_s)}; model ${model}.`;
  if (site === ASKED) return html`<p class="soft small">From a sound that was sent to the API, ${part}</p>`;
  return html`
    <p class="soft small">From <a href=${link("recordings", [recording])}>${fileName(key)}</a> of ${site}, ${part}
      ${" "}<a href=${link("search", [], { recording, start_s: doubt.start_s })}>Find more like this</a></p>`;
}

/** Why this stretch is asked about, in a sentence. */
function reason({ doubt, site }) {
  const [, second] = likeliest(doubt);
  const rival = second && `${words(second.label)} is nearly as likely`;
  return {
    disagreement: "Two models hear different things here.",
    drift: `${placed(site)} does not sound as what the model was judged by.`,
    novel: "The model never heard the like: its answer says little.",
    uncertain: doubt.margin < CLOSE && rival ? `The model is torn: ${rival}.` : "The model is not sure enough of its answer.",
  }[doubt.reason];
}

/** How novel it is, in a sentence. */
function novelty({ novelty: far }) {
  if (far > 1) return "It is like nothing the model learnt from.";
  return far > FAR ? "It is at the edge of what the model learnt from." : "It sounds like what the model learnt from.";
}

const likeliest = ({ probabilities }) => Object.entries(probabilities).sort(([, a], [, b]) => b - a).slice(0, TOP)
  .map(([label, confidence]) => ({ label, confidence }));

/** Keys do what `actions` says, unless they go to a field or a control that wants them. */
function useKeys(actions) {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    const press = (event) => {
      const isUndo = event.key === "z" && (event.ctrlKey || event.metaKey);
      if (!isUndo && (event.ctrlKey || event.metaKey || event.altKey || event.repeat)) return;
      if (event.target.closest("dialog, select, textarea, input:not([type=checkbox])")) return;
      if (event.key === " " && event.target.closest("button, a, summary, input, [role=slider]")) return;
      const act = latest.current[isUndo ? "u" : event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}
