// Where sounds come from: a file that is dropped or chosen, the microphone, a sample of our own.
import { record } from "./audio.js";
import { announce, html, useEffect, useRef, useState } from "./dom.js";
import { seconds } from "./format.js";
import { Icon } from "./icons.js";
import { Label } from "./parts.js";

export const KINDS = "audio/*,.wav,.flac,.ogg,.opus,.mp3,.m4a,.mp4,.3gp,.aac,.webm";
// As a WAV file of 48 kHz this is what one call takes.
const MAX_RECORDED_S = 45;

export function Intake({ classes, take, takeSample }) {
  const isOver = useDropping(([file]) => take(file));
  const samples = (classes.data?.classes ?? []).filter((one) => one.example);
  return html`
    <section class=${isOver ? "intake over" : "intake"} aria-label="A sound to listen to">
      <label class="choose">
        <${Icon} name="file" size=${24} />
        <span><b>Drop a recording here</b>, or <u>choose a file</u><br />
          <span class="soft small">WAV, FLAC, OGG, MP3, M4A, AAC, Opus, WebM; up to 10 minutes and 4.4 MB</span></span>
        <input type="file" class="unseen" accept=${KINDS}
          onChange=${({ currentTarget: field }) => { if (field.files[0]) take(field.files[0]); field.value = ""; }} />
      </label>
      <${Microphone} take=${take} />
      ${samples.length > 0 && html`
        <div class="samples row" role="group" aria-label="Sounds made by us">
          <span class="soft small">or try</span>
          ${samples.map(({ label }) => html`
            <button key=${label} class="chip" onClick=${() => takeSample(label)}>
              <${Label} label=${label} look=${classes.look} plain />
            </button>`)}
        </div>`}
    </section>`;
}

/** Files that are dropped anywhere on the page are taken, as an array; whether one hovers over it. */
export function useDropping(take) {
  const [isOver, setIsOver] = useState(false);
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    const over = (event) => { event.preventDefault(); setIsOver(true); };
    const leave = (event) => { if (!event.relatedTarget) setIsOver(false); };
    const drop = (event) => {
      event.preventDefault();
      setIsOver(false);
      const files = [...event.dataTransfer.files];
      if (files.length) latest.current(files);
    };
    const heard = { dragover: over, dragleave: leave, drop };
    for (const [name, listener] of Object.entries(heard)) document.addEventListener(name, listener);
    return () => {
      for (const [name, listener] of Object.entries(heard)) document.removeEventListener(name, listener);
    };
  }, []);
  return isOver;
}

function Microphone({ take }) {
  const [state, setState] = useState("idle");
  const [trouble, setTrouble] = useState("");
  const [heard, setHeard] = useState({ level: 0, length: 0 });
  const stop = useRef(null);
  const isGone = useRef(false);

  useEffect(() => () => { isGone.current = true; stop.current?.(); }, []);

  async function begin() {
    setTrouble("");
    setState("asking");
    try {
      stop.current = await record((level, length) => {
        setHeard({ level, length });
        if (length >= MAX_RECORDED_S) end();
      });
      // Who was asked for the microphone may have left the page before saying yes.
      if (isGone.current) stop.current();
      setState("recording");
      announce("Recording");
    } catch (error) {
      setState("idle");
      setTrouble(reasons(error));
    }
  }

  async function end() {
    const finish = stop.current;
    if (!finish) return;
    stop.current = null;
    setState("idle");
    const file = await finish();
    take(file, `recorded ${new Date().toLocaleTimeString()}`);
  }

  const isOn = state === "recording";
  return html`
    <div class="microphone">
      <button class=${isOn ? "record on" : "record"} disabled=${state === "asking"} onClick=${isOn ? end : begin}
        style=${{ "--level": isOn ? heard.level : 0 }}>
        <${Icon} name=${isOn ? "stop" : "microphone"} />
        ${isOn ? `Stop and listen · ${seconds(heard.length)}` : "Record"}
      </button>
      ${trouble && html`<p class="small bad" role="alert">${trouble}</p>`}
    </div>`;
}

function reasons(error) {
  if (!navigator.mediaDevices) return "Browsers give the microphone to https pages and to this machine's own only.";
  if (error.name === "NotAllowedError") return "The microphone was refused. Allow it for this page, then try again.";
  if (error.name === "NotFoundError") return "There is no microphone here.";
  return `The microphone does not work: ${error.message}`;
}
