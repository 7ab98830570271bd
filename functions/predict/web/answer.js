// What was heard: label, confidence and decision, the runners-up, stretch by stretch.
import { html } from "./dom.js";
import { hertz, percent, seconds, stretch, words } from "./format.js";
import { Icon } from "./icons.js";
import { Bars, Decision, Label } from "./parts.js";
import { isSure } from "./sound.js";

/** `play(from, to)` plays a stretch, where it can be; `actions` are what can be done next, `children` what came of it. */
export function Answer({ prediction, look, explanation = null, play = null, actions = null, children }) {
  const { label, confidence, decision, top, probabilities, segments } = prediction;
  const { colour, alert, threshold, description } = look(label);
  const isUncertain = decision === "uncertain";
  const all = Object.entries(probabilities).map(([one, value]) => ({ label: one, confidence: value }))
    .sort((one, other) => other.confidence - one.confidence);
  // Of a recording as a whole one label is the likeliest; a shot in the middle of it counts as well.
  const notable = segments.filter((one) => one.label !== label && isSure(one, look)
    && (look(one.label).alert || isUncertain));
  return html`
    <div class="answer">
      <section class="verdict" data-decision=${decision} style=${{ "--c": colour }} aria-labelledby="heard">
        <h2 id="heard"><i class="swatch"></i>${words(label)}</h2>
        <p class="sure"><b>${percent(confidence)}</b> <${Decision} decision=${decision} />
          ${alert && !isUncertain && html`<span class="flag">alert</span>`}</p>
        <p class="soft">
          ${isUncertain ? doubts(prediction, threshold) : description ?? `Accepted from ${percent(threshold)} on.`}
        </p>
        ${notable.length > 0 && html`
          <p class="small">Heard in single stretches:</p>
          <ul class="notable">
            ${notable.slice(0, 5).map((one) => html`
              <li><${Label} label=${one.label} look=${look} /> <span class="soft">
                ${stretch(one.start_s, one.end_s)}, ${percent(one.confidence)}</span></li>`)}
          </ul>`}
        <div class="row">${actions}</div>
        ${children}
        ${explanation && html`<${Why} found=${explanation} />`}
      </section>
      <section class="likely" aria-labelledby="likely">
        <h3 id="likely">${top.length < all.length ? `Top ${top.length}` : "All labels"}</h3>
        <${Bars} items=${top} look=${look} />
        ${top.length < all.length && html`
          <details><summary>All ${all.length} labels</summary><${Bars} items=${all} look=${look} /></details>`}
        <p class="soft small">The mark on each bar is the confidence from which that label is accepted.</p>
      </section>
      <${Stretches} segments=${segments} look=${look} play=${play} />
      <p class="about soft small">
        Model <b>${prediction.model_version}</b> heard ${seconds(prediction.duration_s)} in
        ${" "}${prediction.processing_ms.toFixed(1)} ms · request ${prediction.request_id}
      </p>
    </div>`;
}

/** Why an answer is uncertain: its label's threshold, or a sound that is like nothing learnt. */
function doubts({ label, confidence }, threshold) {
  return confidence < threshold
    ? `Below the ${percent(threshold)} from which ${words(label)} is accepted: listen yourself.`
    : "It sounds unlike what the model has learnt from, so its confidence counts for little: listen yourself.";
}

function Stretches({ segments, look, play }) {
  return html`
    <section class="stretches" aria-labelledby="stretches">
      <h3 id="stretches">When</h3>
      <div class="scroll" tabindex="0" role="region" aria-labelledby="stretches">
        <table>
          <thead><tr><th scope="col"><span class="unseen">Play</span></th><th scope="col">Time</th><th scope="col">Heard</th><th scope="col" class="number">Confidence</th></tr></thead>
          <tbody>
            ${segments.map((one) => html`
              <tr key=${one.start_s} class=${isSure(one, look) ? "" : "unsure"}>
                <td>${play && html`
                  <button class="bare" onClick=${() => play(one.start_s, one.end_s)}
                    aria-label=${`Play ${words(one.label)}, ${stretch(one.start_s, one.end_s)}`}>
                    <${Icon} name="play" size=${16} /></button>`}</td>
                <td>${stretch(one.start_s, one.end_s)}</td>
                <td><${Label} label=${one.label} look=${look} /></td>
                <td class="number">${percent(one.confidence)}</td>
              </tr>`)}
          </tbody>
        </table>
      </div>
    </section>`;
}

function Why({ found }) {
  const { band_importance: bands, frequencies_hz: edges, time_importance: times, times_s: ends } = found;
  const band = bands.indexOf(Math.max(...bands));
  const time = times.indexOf(Math.max(...times));
  return html`
    <p class="why small">
      In ${stretch(found.start_s, found.end_s)}, <b>${words(found.label)}</b> hangs on what is left bright: hide it,
      and the label becomes less likely. Of the pitches
      ${" "}<b>${hertz(edges[band])} to ${hertz(edges[band + 1])}</b> count most, of the times
      ${" "}<b>${stretch(ends[time], ends[time + 1])}</b>.
    </p>`;
}
