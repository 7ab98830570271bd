// Trainings: how far the next one is, one that goes on or is over, and all before it.
import { get, post } from "./api.js";
import { Chart } from "./charts.js";
import { announce, html, useEffect, useState } from "./dom.js";
import { count, moment, percent, seconds } from "./format.js";
import { Outlook, Reviews } from "./lessons.js";
import { Empty, Trouble, Waiting } from "./parts.js";
import { usePoll } from "./poll.js";
import { link } from "./links.js";
import { Fates } from "./shadow.js";

const STAGES = {
  requested: "Asked for", collecting: "Collecting samples", fitting: "Fitting", exporting: "Exporting",
  evaluating: "Hearing held-out clips", judging: "Before the gates",
};
const STATES = {
  requested: "waits for a worker", running: "under way", promoted: "promoted", rejected: "not promoted", failed: "failed",
  shadowing: "proves itself beside the champion",
};
const GATES = {
  not_worse: "Not worse than the champion",
  no_label_collapses: "No label lost",
  better_than_guessing: "Better than guessing",
  exported_as_trained: "Exported as trained",
  fast_enough: "Fast enough",
};

// --- the next one ----------------------------------------------------------------------------

export function NextTraining({ samples, isActive }) {
  const { new_samples: fresh, threshold } = samples;
  const missing = threshold - fresh;
  return html`
    <div class="stack tight">
      <h2 id="next">${count(fresh, "new sample")}</h2>
      <progress class="whole" value=${Math.min(fresh, threshold)} max=${threshold} aria-label="New samples of those that start a training"></progress>
      <p class="small">${isActive ? html`A training is <button class="inline" onClick=${toRun}>under way</button>; what comes in
          now is for the next one.`
        : missing > 0 ? html`<b>${missing.toLocaleString()} more</b> and a training starts by itself, at ${threshold}.`
          : `A training starts by itself at ${threshold}.`}</p>
    </div>`;
}

function toRun() {
  const run = document.getElementById("run");
  run?.scrollIntoView({ behavior: "smooth", block: "center" });
  run?.focus({ preventScroll: true });
}

/** Ask for a training now. */
export function Ask({ samples, asked }) {
  const [state, setState] = useState({});
  async function ask(event) {
    event.preventDefault();
    const { reason, least } = event.currentTarget.elements;
    setState({ busy: true });
    try {
      await post("/retrain", {
        ...(reason.value.trim() ? { reason: reason.value.trim() } : {}), min_new_samples: Number(least.value) || 0,
      });
      announce("A training is asked for.");
      setState({});
      asked();
    } catch (problem) {
      setState({ problem });
    }
  }
  return html`
    <form class="stack tight wide ask" onSubmit=${ask}>
      <h3>Or ask for one now</h3>
      <div class="row bottom">
        <label class="field grow"><span>Why</span><input name="reason" maxlength="500" placeholder="new microphones" /></label>
        <label class="field"><span>If new are at least</span>
          <input name="least" type="number" min="0" max="1000000000" value=${Math.min(1, samples.new_samples)} class="few-digits" /></label>
        <button class="primary" disabled=${state.busy}>Train</button>
      </div>
      ${state.problem && html`<${Trouble} problem=${state.problem} />`}
    </form>`;
}

// --- one run ---------------------------------------------------------------------------------

/** One run, followed while it goes on; `changed` is called when its state changes. */
export function RunView({ run, isLatest, changed }) {
  const { data, problem, again } = usePoll((signal) => get(`/retrain/${encodeURIComponent(run)}`, { signal }), [run],
    { every: 1000, most: 4000 });
  useEffect(() => {
    if (!data) return;
    changed();
    if (isLatest && data.state !== "requested") announce(`The training is ${STATES[data.state]}.`);
  }, [data?.state]);
  return html`
    <section class="card stack wide run" aria-labelledby="run" data-state=${data?.state}>
      ${problem && html`<${Trouble} problem=${problem} again=${again} />`}
      ${!data && !problem && html`<${Waiting} />`}
      ${data && html`<${Found} run=${data} isLatest=${isLatest} />`}
    </section>`;
}

function Found({ run, isLatest }) {
  const isOver = Boolean(run.finished_at);
  const took = isOver && run.started_at ? (Date.parse(run.finished_at) - Date.parse(run.started_at)) / 1000 : null;
  return html`
    <div class="stack tight">
      <p class="row"><${State} state=${run.state} /> <span class="soft small">${run.run}</span></p>
      <h2 id="run" tabindex="-1">${!isOver ? "Under way" : isLatest ? "The latest training" : "An earlier training"}: ${run.reason}</h2>
      <p class="soft">${count(run.samples, "sample")}, asked for ${moment(run.requested_at)}${took != null ? `, took ${lasting(took)}` : ""}${
        run.version && isOver ? html`, made <a href=${link("models", [], { compare: [run.version, run.parent].filter(Boolean).join(",") })}>${run.version}</a>` : ""}.</p>
    </div>
    ${!isOver && html`<${Progress} run=${run} />`}
    ${run.error && html`<p class="trouble">${run.error}</p>`}
    ${run.fates.length > 0 && html`<${Fates} fates=${run.fates} />`}
    ${run.gates.length > 0 && html`<${Gates} run=${run} />`}
    <div class="curves">
      ${run.curve.length > 0 && html`<${Candidates} rows=${run.curve} taken=${run.metrics.cross_validation?.classifier} />`}
      ${run.metrics.learning_curve?.length > 1 && html`<${LearningCurve} rows=${run.metrics.learning_curve} />`}
    </div>
    ${run.metrics.reviews && html`<${Reviews} found=${run.metrics.reviews} />`}
    ${run.metrics.projection && html`<${Outlook} found=${run.metrics.projection} />`}
    ${run.notes.length > 0 && html`<details><summary>${count(run.notes.length, "note")}</summary>
      <ul class="plain small">${run.notes.map((note) => html`<li key=${note}>${note}</li>`)}</ul></details>`}`;
}

/** Seconds as a duration in words: "8 s", "1 min 44 s". */
export const lasting = (s) => (s < 90 ? seconds(s) : `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`);

const State = ({ state }) => html`<span class=${`badge state ${state}`}>${STATES[state]}</span>`;

function Progress({ run }) {
  const at = Object.keys(STAGES).indexOf(run.stage);
  return html`
    <div class="stack tight">
      <ol class="stages">
        ${Object.entries(STAGES).map(([stage, name], n) => html`
          <li key=${stage} class=${n < at ? "done" : n === at ? "now" : ""} aria-current=${n === at ? "step" : null}>${name}</li>`)}
      </ol>
      <progress class="whole" value=${run.progress} max="1" aria-label="Progress"></progress>
      <p class="small soft">${STAGES[run.stage] ?? run.stage}, ${percent(run.progress, 0)} of the whole.
        ${run.state === "requested" && " A worker takes it up within moments; in the cloud it may take a minute to start."}</p>
    </div>`;
}

function Gates({ run }) {
  const refused = run.gates.filter((gate) => !gate.passed);
  return html`
    <section class="stack tight" aria-labelledby="gates">
      <h3 id="gates">${refused.length ? `${refused.length} of ${count(run.gates.length, "gate")} refused it`
        : `All ${run.gates.length} gates passed`}</h3>
      <ul class="gates">
        ${run.gates.map(({ gate, passed, detail }) => html`
          <li key=${gate} class=${passed ? "passed" : "refused"}>
            <span class="verdict-mark" aria-hidden="true">${passed ? "✓" : "✕"}</span>
            <div><b>${GATES[gate] ?? gate}</b> <span class="soft small">${passed ? "passed" : "refused"}</span>
              <p class="small">${detail}</p></div>
          </li>`)}
      </ul>
    </section>`;
}

/** Each way of learning that is tried, by its answers to clips left out: a dot per fold. */
function Candidates({ rows, taken }) {
  const found = new Map();
  for (const { candidate, accuracy, log_loss: loss } of rows) {
    const one = found.get(candidate) ?? { candidate, accuracy: [], loss: [] };
    one.accuracy.push(accuracy);
    one.loss.push(loss);
    found.set(candidate, one);
  }
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const all = [...found.values()].sort((a, b) => mean(a.loss) - mean(b.loss));
  const low = Math.min(0.95, ...rows.map((row) => Math.floor(20 * row.accuracy) / 20));
  const at = (value) => (value - low) / (1 - low);
  return html`
    <section class="stack tight" aria-labelledby="tried">
      <h3 id="tried">${taken ? "Ways of learning that were tried" : "Ways of learning, so far"}</h3>
      <div class="scroll" tabindex="0" role="region" aria-labelledby="tried">
      <table class="tried">
        <thead><tr><th scope="col">Classifier</th><th scope="col">By fold, ${percent(low, 0)}–100%</th>
          <th scope="col" class="number">Right</th><th scope="col" class="number">Log-loss</th></tr></thead>
        <tbody>${all.map((one) => html`
          <tr key=${one.candidate} class=${one.candidate === taken ? "best" : ""}>
            <th scope="row">${one.candidate}${one.candidate === taken && html` <span class="badge accepted">taken</span>`}</th>
            <td><span class="strip" aria-hidden="true">${one.accuracy.map((value, fold) => html`
              <i key=${fold} style=${{ left: `${100 * at(value)}%` }}></i>`)}</span></td>
            <td class="number">${percent(mean(one.accuracy))}</td>
            <td class="number">${mean(one.loss).toFixed(3)}</td>
          </tr>`)}</tbody>
      </table></div>
      <p class="small soft">A dot for each fold: the share of its clips that are answered rightly by what has not learnt from their
        recordings. The least log-loss comes first; the way with the least after calibration is taken.</p>
    </section>`;
}

/** `rows` as a card's `learning_curve` has them. */
export function LearningCurve({ rows, title = "Learning curve" }) {
  const low = rows.map((row) => row.accuracy_interval?.[0] ?? null);
  const high = rows.map((row) => row.accuracy_interval?.[1] ?? null);
  const least = Math.min(...rows.map((row, n) => low[n] ?? row.accuracy));
  const last = rows.at(-1);
  const before = rows.at(-2);
  const gain = 100 * (last.accuracy - before.accuracy);
  const sentence = `From ${before.recordings} to ${last.recordings} recordings it gained ${gain.toFixed(1)} points: ${
    gain >= 1 ? "more recordings may well help further." : "more of the same would hardly help; other places, distances and devices might."}`;
  return html`<${Chart} title=${title} sentence=${sentence} x=${rows.map((row) => row.recordings)} height=${200}
    range=${[Math.floor(10 * least) / 10, 1]} show=${(value) => (value == null ? "–" : percent(value, 0))}
    showX=${(value) => value.toLocaleString()} series=${[
      { label: "Right on held-out clips", values: rows.map((row) => row.accuracy), colour: "--accent" },
      { label: "95% interval, low", values: low, colour: "--edge", dash: [4, 4] },
      { label: "high", values: high, colour: "--edge", dash: [4, 4] },
    ]} />`;
}

// --- all runs --------------------------------------------------------------------------------

export function History({ runs, shown }) {
  if (!runs.length) {
    return html`<${Empty}>There was no training yet. Add clips: at least two labels, five recordings each.<//>`;
  }
  return html`
    <section class="stack tight wide" aria-labelledby="history">
      <h2 id="history">Trainings</h2>
      <div class="scroll" tabindex="0" role="region" aria-labelledby="history">
        <table>
          <thead><tr><th scope="col">Asked for</th><th scope="col">Outcome</th><th scope="col">Why</th><th scope="col">Version</th></tr></thead>
          <tbody>${runs.map((one) => html`
            <tr key=${one.run} aria-current=${one.run === shown ? "true" : null}>
              <td class="moment"><a href=${link("train", [one.run])}>${moment(one.requested_at)}</a></td>
              <td><${State} state=${one.state} /></td>
              <td>${one.reason}</td>
              <td>${one.version && html`<a href=${link("models", [], { compare: one.version })}>${one.version}</a>`}</td>
            </tr>`)}</tbody>
        </table>
      </div>
    </section>`;
}
