// Listen: a sound goes in; what is heard in it, how sure that is, and what it hangs on come out.
import { ask, get } from "../api.js";
import { decode } from "../audio.js";
import { useClasses } from "../classes.js";
import { announce, html, useEffect, useRef, useState } from "../dom.js";
import { bytes as inBytes, percent, words } from "../format.js";
import { Answer } from "../answer.js";
import { Intake } from "../intake.js";
import { PageHead, Trouble, Waiting } from "../parts.js";
import { SoundView, usePlayer } from "../sound.js";
import { TooLarge } from "../too-large.js";

// Base64 inside Lambda's 6 MB leaves this much.
const MAX_BYTES = 4_400_000;
const NOTHING = { file: null, sound: null, prediction: null, problem: null, busy: false };
// What was heard last is there again when the reader comes back to the page.
let shown = NOTHING;

export default function Listen({ query }) {
  const classes = useClasses();
  const [state, setState] = useState(shown);
  const latest = useRef(0);
  const top = useRef(null);

  function show(change) {
    shown = { ...shown, ...change };
    setState(shown);
  }

  async function take(file, name = file.name) {
    const mine = ++latest.current;
    const still = (change) => mine === latest.current && show(change);
    show({ ...NOTHING, file, name, busy: file.size <= MAX_BYTES });
    if (file.size > MAX_BYTES) {
      announce(`${name} has ${inBytes(file.size)}, which is too much for one call.`);
      return;
    }
    const content = await file.arrayBuffer();
    const drawn = decode(content).then((sound) => still({ sound }), (error) => still({ unseen: error.message }));
    try {
      const prediction = await predict(content);
      still({ prediction, busy: false });
      if (mine === latest.current) announce(inWords(prediction));
    } catch (problem) {
      still({ problem, busy: false });
    }
    await drawn;
  }

  async function takeSample(label) {
    const mine = ++latest.current;
    try {
      const answer = await ask(`/classes/${encodeURIComponent(label)}/example`);
      const blob = await answer.blob();
      if (mine === latest.current) await take(blob, `our ${words(label)}`);
    } catch (problem) {
      show({ ...NOTHING, problem });
    }
  }

  async function explain() {
    const mine = latest.current;
    show({ explaining: true });
    try {
      const prediction = await predict(await shown.file.arrayBuffer(), true);
      if (mine === latest.current) show({ prediction, explaining: false, isExplained: true });
    } catch (problem) {
      if (mine === latest.current) show({ problem, explaining: false });
    }
  }

  useEffect(() => {
    if (query.sample) takeSample(query.sample);
  }, [query.sample]);

  const { file, name, sound, prediction, problem, busy } = state;
  const isLarge = file && file.size > MAX_BYTES;
  return html`
    <${PageHead} title="Listen">Give it a sound, and see what is heard in it, when, and how surely.<//>
    <${Intake} classes=${classes} take=${take} takeSample=${takeSample} />
    <div ref=${top} class="stack wide" aria-busy=${busy}>
      ${classes.problem && !problem && html`<${Trouble} problem=${classes.problem} again=${classes.again} />`}
      ${isLarge && html`<${TooLarge} key=${name} file=${file} limit=${MAX_BYTES} />`}
      ${!file && !problem && html`<${Hint} />`}
      ${sound && html`<${Heard} key=${name} state=${state} look=${classes.look} show=${show} explain=${explain} />`}
      ${!sound && prediction && html`
        ${state.unseen && html`<p class="soft">${state.unseen} The answer below stands all the same.</p>`}
        <${Answer} prediction=${prediction} look=${classes.look} />`}
      ${busy && html`<${Waiting} what=${`Listening to ${name}`} />`}
      ${problem && html`<${Trouble} problem=${problem} again=${file && (() => take(file, name))} />`}
    </div>`;
}

/** The sound, and the answer beside it once it is there. */
function Heard({ state, look, show, explain }) {
  const { sound, name, prediction, explaining, isExplained } = state;
  const player = usePlayer(sound);
  const explanation = isExplained ? prediction?.explanation : null;
  return html`
    <${SoundView} sound=${sound} name=${name} player=${player} look=${look}
      segments=${prediction?.segments ?? []} explanation=${explanation} />
    ${prediction && html`<${Answer} prediction=${prediction} look=${look} explanation=${explanation}
      play=${(from, to) => player.player.play(from, to)}
      why=${html`
        <button class="quiet" aria-pressed=${Boolean(explanation)} disabled=${explaining}
          onClick=${() => (prediction.explanation ? show({ isExplained: !isExplained }) : explain())}>
          ${explaining ? "Looking for what it hangs on …" : explanation ? "Hide why" : "Show why"}
        </button>`} />`}`;
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

const predict = (content, explained = false) => get(`/predict?top_k=5${explained ? "&explain=true" : ""}`, {
  method: "POST", body: content, headers: { "Content-Type": "audio/*" },
});

const inWords = ({ label, confidence, decision }) => `${words(label)}, ${percent(confidence)}, ${decision}`;
