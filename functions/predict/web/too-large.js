// A file that is too large for one call: sent to the bucket instead, as a field recording.
import { announce, html, useRef, useState } from "./dom.js";
import { bytes, percent } from "./format.js";
import { Trouble } from "./parts.js";
import { upload } from "./uploads.js";

export function TooLarge({ file, limit }) {
  const [state, setState] = useState({ stage: "asked" });
  const site = useRef(null);
  const giveUp = useRef(null);

  async function send(event) {
    event?.preventDefault();
    giveUp.current = new AbortController();
    const progress = (share) => setState({ stage: "sending", share });
    progress(0);
    try {
      const wish = { kind: "recording", site: site.current.value.trim() };
      const key = await upload(file, wish, { progress, signal: giveUp.current.signal });
      setState({ stage: "sent", key });
      announce("The recording is sent.");
    } catch (problem) {
      setState(problem.name === "AbortError" ? { stage: "asked" } : { stage: "asked", problem });
    }
  }

  const { stage, share, key, problem } = state;
  return html`
    <section class="card stack" aria-labelledby="large">
      <h2 id="large">${file.name} has ${bytes(file.size)}</h2>
      <p>One call takes ${bytes(limit)}. As a field recording it may be of any length: it goes straight to
        the bucket, is heard from end to end, and its detections are kept.</p>
      ${stage !== "sent" && html`
        <form class="row" onSubmit=${send}>
          <label class="field"><span>Site where it was made</span>
            <input ref=${site} required maxlength="64" placeholder="ridge" disabled=${stage === "sending"} /></label>
          ${stage === "asked" && html`<button class="primary">Send as a field recording</button>`}
          ${stage === "sending" && html`<button type="button" onClick=${() => giveUp.current.abort()}>Give up</button>`}
        </form>`}
      ${stage === "sending" && html`
        <label class="stack tight"><span class="small">Sending, ${percent(share, 0)}</span>
          <progress value=${share} max="1"></progress></label>`}
      ${stage === "sent" && html`<p role="status">It is there, as <code>${key}</code>, and will be heard within moments.</p>`}
      ${problem && html`<${Trouble} problem=${problem} again=${send} />`}
    </section>`;
}
