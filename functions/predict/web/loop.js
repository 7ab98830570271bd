// The state of the loop: what serves, how far the next training is, and what was put right.
import { html } from "./dom.js";
import { count, moment, percent } from "./format.js";
import { link } from "./links.js";

// Sweeps come every five minutes: after six nobody looks after what crashes leave behind.
const LATE_MS = 30 * 60_000;

export function Loop({ status, now = Date.now() }) {
  const { model, training, refused_bundles: bundles, last_sweep: sweep } = status;
  const refused = Object.entries(bundles);
  const missing = training.threshold - training.new_samples;
  const isLate = sweep && now - Date.parse(sweep.at) > LATE_MS;
  const rows = [
    ["In service", model ? html`<a href=${link("models")}>${model.version}</a>, ${model.accuracy == null ? "never measured"
      : `${percent(model.accuracy)} right on held-out clips`}` : html`no model yet: <a href=${link("train")}>teach one</a>`],
    ["Next training", training.active_run ? html`<a href=${link("train", [training.active_run])}>under way</a>`
      : `${count(training.new_samples, "new sample")} of ${training.threshold.toLocaleString()}${missing > 0 ? "" : ": it is due"}`],
    ["Last training", training.last_run ? html`<a href=${link("train", [training.last_run])}>${training.last_run}</a>, ${training.last_state}` : "none yet"],
    ["Last sweep", !sweep ? "none yet" : `${moment(sweep.at)}${isLate ? ": later than it should be" : ""}; ${
      sweep.repaired ? `${count(sweep.repaired, "thing")} put right` : "nothing to put right"}`],
    ["Refused bundles", refused.length ? count(refused.length, "version") : "none"],
  ];
  return html`
    <section class="stack tight wide" aria-labelledby="loop">
      <h2 id="loop">The loop</h2>
      <div class="card stack wide">
        <p>${inWords(status, isLate)}</p>
        <dl class="facts">${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
        ${refused.length > 0 && html`<ul class="plain small bad">${refused.map(([version, why]) => html`<li key=${version}><b>${version}</b>: ${why}</li>`)}</ul>`}
        ${sweep?.failed.length > 0 && html`<ul class="plain small bad">${sweep.failed.map((what) => html`<li key=${what}>${what}</li>`)}</ul>`}
        ${sweep?.done.length > 0 && html`<details class="small"><summary>What the sweep put right</summary>
          <ul class="plain">${sweep.done.map((what) => html`<li key=${what}>${what}</li>`)}</ul></details>`}
        <p class="small soft">What failed again and again waits among the dead letters, which only who operates this Earshot can see and
          send again: <code>earshot dlq list</code>.</p>
      </div>
    </section>`;
}

function inWords({ model, training, refused_bundles: bundles, last_sweep: sweep }, isLate) {
  const troubles = [
    !model && "there is no model to answer with",
    training.last_state === "failed" && "the last training failed",
    Object.keys(bundles).length > 0 && "a bundle does not verify and does not serve",
    sweep?.failed.length > 0 && "the last sweep could not look after everything",
    isLate && "the sweep has not come for half an hour",
  ].filter(Boolean);
  return troubles.length ? `Somebody should look: ${troubles.join("; ")}.` : "It turns by itself: nothing is stuck.";
}
