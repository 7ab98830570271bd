// Listen: a sound goes in; what is heard in it, how sure that is, and what it hangs on come out.
import { ask, get } from "../api.js";
import { decode } from "../audio.js";
import { useClasses } from "../classes.js";
import { announce, html, useEffect, useState } from "../dom.js";
import { bytes as inBytes, percent, words } from "../format.js";
import { Answer } from "../answer.js";
import { AskPeople, Asked, standing } from "../asking.js";
import { handOver } from "../handover.js";
import { Intake } from "../intake.js";
import { PageHead, Trouble, Waiting } from "../parts.js";
import { SoundView, usePlayer } from "../sound.js";
import { TooLarge } from "../too-large.js";

// Base64 inside Lambda's 6 MB leaves this much.
const MAX_BYTES = 4_400_000;
const NOTHING = {
  file: null, name: null, sound: null, unseen: null, prediction: null, problem: null, busy: false, explaining: false,
  isExplained: false, isOurs: false, reviews: null, refusal: null, isAsking: false,
};
// What was heard last, or is being heard, is there again when the reader comes back to the page.
let shown = NOTHING;
let tell = () => {};
let latest = 0;

function show(change) {
  shown = { ...shown, ...change };
  tell(shown);
}

/** Shows changes for as long as nothing later is asked for, and says whether it did. */
function showing() {
  const mine = ++latest;
  return (change) => {
    if (mine !== latest) return false;
    show(change);
    return true;
  };
}

async function take(file, name = file.name, isOurs = false) {
  const showMine = showing();
  show({ ...NOTHING, file, name, isOurs, busy: file.size <= MAX_BYTES });
  if (file.size > MAX_BYTES) {
    announce(`${name} has ${inBytes(file.size)}, which is too much for one call.`);
    return;
  }
  try {
    const content = await file.arrayBuffer();
    decode(content).then((sound) => showMine({ sound }), (error) => showMine({ unseen: error.message }));
    const prediction = await predict(content);
    if (showMine({ prediction, busy: false })) announce(inWords(prediction));
  } catch (problem) {
    showMine({ problem, busy: false });
  }
}

async function takeSample(label) {
  const showMine = showing();
  try {
    const answer = await ask(`/classes/${encodeURIComponent(label)}/example`);
    const file = await answer.blob();
    if (showMine({})) await take(file, `our ${words(label)}`, true);
  } catch (problem) {
    showMine({ ...NOTHING, problem });
  }
}

async function explain() {
  const showMine = showing();
  show({ explaining: true });
  try {
    const prediction = await predict(await shown.file.arrayBuffer(), true);
    showMine({ prediction, explaining: false, isExplained: true });
  } catch (problem) {
    showMine({ problem, explaining: false });
  }
}

async function askPeople() {
  const { file } = shown;
  // Unlike what is heard anew, this leaves alone what is still being explained.
  const showMine = (change) => {
    if (shown.file !== file) return false;
    show(change);
    return true;
  };
  show({ isAsking: true, refusal: null });
  try {
    const { reviews } = await send("/review", await file.arrayBuffer());
    if (showMine({ reviews, isAsking: false })) announce(standing(reviews));
  } catch (refusal) {
    showMine({ refusal, isAsking: false });
  }
}

export default function Listen({ query }) {
  const classes = useClasses();
  const [state, setState] = useState(shown);
  useEffect(() => {
    tell = setState;
    setState(shown);
    return () => { tell = () => {}; };
  }, []);
  useEffect(() => {
    if (query.sample) takeSample(query.sample);
  }, [query.sample]);

  const { file, name, isOurs, sound, prediction, problem, busy } = state;
  const isLarge = file && file.size > MAX_BYTES;
  return html`
    <${PageHead} title="Listen">Give it a sound, and see what is heard in it, when, and how surely.<//>
    <${Intake} classes=${classes} take=${take} takeSample=${takeSample} />
    <div class="stack wide" aria-busy=${busy}>
      ${classes.problem && !problem && html`<${Trouble} problem=${classes.problem} again=${classes.again} />`}
      ${isLarge && html`<${TooLarge} key=${name} file=${file} limit=${MAX_BYTES} />`}
      ${!file && !problem && html`<${Hint} />`}
      ${sound && html`<${Heard} key=${name} state=${state} look=${classes.look} />`}
      ${!sound && prediction && html`
        ${state.unseen && html`<p class="soft">${state.unseen} The answer below stands all the same.</p>`}
        <${Answer} prediction=${prediction} look=${classes.look} actions=${html`<${GoOn} ...${state} />`}>
          <${Asked} ...${state} again=${askPeople} /><//>`}
      ${busy && html`<${Waiting} what=${`Listening to ${name}`} />`}
      ${problem && html`<${Trouble} problem=${problem} about=${name} again=${file && (() => take(file, name, isOurs))} />`}
    </div>`;
}

/** The sound, and the answer beside it once it is there. */
function Heard({ state, look }) {
  const { sound, name, prediction, explaining, isExplained } = state;
  const player = usePlayer(sound);
  const explanation = isExplained ? prediction?.explanation : null;
  return html`
    <${SoundView} sound=${sound} name=${name} player=${player} look=${look}
      segments=${prediction?.segments ?? []} explanation=${explanation} />
    ${prediction && html`<${Answer} prediction=${prediction} look=${look} explanation=${explanation}
      play=${(from, to) => player.player.play(from, to)}
      actions=${html`
        <button class="quiet" aria-pressed=${Boolean(explanation)} disabled=${explaining}
          onClick=${() => (prediction.explanation ? show({ isExplained: !isExplained }) : explain())}>
          ${explaining ? "Looking for what it hangs on …" : explanation ? "Hide why" : "Show why"}
        </button>
        <${GoOn} ...${state} />`}><${Asked} ...${state} again=${askPeople} /><//>`}`;
}

/** What else can be done with the sound; our own sketches are nothing to learn from. */
function GoOn({ file, name, isOurs, prediction, reviews, isAsking }) {
  const isUncertain = prediction.decision === "uncertain";
  const ask = !isOurs && !reviews && html`<${AskPeople} isUncertain=${isUncertain} isAsking=${isAsking} ask=${askPeople} />`;
  const named = () => [file instanceof File ? file : new File([file], `${name}.wav`, { type: file.type })];
  return html`
    ${isUncertain && ask}
    <button class="quiet" onClick=${() => handOver("search", named())}>Find more like this</button>
    ${!isOurs && html`<button class="quiet" onClick=${() => handOver("train", named())}>Teach what it is</button>`}
    ${!isUncertain && ask}`;
}

function Hint() {
  return html`
    <div class="hint">
      <dl>
        <div><dt>The picture</dt><dd>Time runs across, pitch upwards; louder is stronger. Click anywhere to
          hear it from there.</dd></div>
        <div><dt>The bands</dt><dd>Each stretch bears the label that is heard in it. A hatched one is below its
          label's threshold.</dd></div>
        <div><dt>The answer</dt><dd>A confidence is calibrated: of a hundred answers at 80%, about eighty
          are right.</dd></div>
      </dl>
    </div>`;
}

const predict = (content, explained = false) => send(`/predict?top_k=5${explained ? "&explain=true" : ""}`, content);

const send = (path, body) => get(path, { method: "POST", body, headers: { "Content-Type": "audio/*" } });

const inWords = ({ label, confidence, decision }) => `${words(label)}, ${percent(confidence)}, ${decision}`;
