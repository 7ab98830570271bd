// How far the reviews are from the next training.
import { html } from "./dom.js";
import { count } from "./format.js";
import { link } from "./links.js";

/** `reviewed` as GET /review has it, `samples` as GET /samples has it; either may not be there yet. */
export function Standing({ reviewed, samples }) {
  if (!reviewed || !samples) return html`<p class="standing" aria-hidden="true">…</p>`;
  const { confirm, correct, reject } = reviewed;
  const all = confirm + correct + reject;
  const { new_samples: fresh, threshold } = samples;
  const short = Math.max(0, threshold - fresh);
  const made = [
    confirm && `${confirm.toLocaleString()} confirmed`, correct && `${correct.toLocaleString()} corrected`,
    reject && `${reject.toLocaleString()} rejected`,
  ].filter(Boolean).join(", ");
  const those = all === 1 ? "review is" : "reviews are";
  return html`
    <div class="standing">
      <p>${all ? html`Your <b>${all.toLocaleString()}</b> ${those} ` : "No review yet: "}
        ${short ? html`<b>${short.toLocaleString()}</b> short of the next <a href=${link("train")}>training</a>.`
          : html`enough: the next <a href=${link("train")}>training</a> is due.`}
        ${made && html` <span class="soft">${made}.</span>`}</p>
      <progress value=${Math.min(fresh, threshold)} max=${threshold} aria-label="New samples until the next training"></progress>
      <p class="soft small">${fresh.toLocaleString()} of ${count(threshold, "new sample")}, those that were put there otherwise among them.</p>
    </div>`;
}
