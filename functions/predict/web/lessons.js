// What a training tells beside its figures: what reviews changed, what more recordings would bring.
import { Chart } from "./charts.js";
import { html, useState } from "./dom.js";
import { count, percent, words } from "./format.js";

/** What reviews changed, as a run's `metrics.reviews` has it. */
export function Reviews({ found }) {
  const rows = [
    ...Object.entries(found.per_label).map(([label, one]) => [words(label), found.by_label[label] ?? 0, one]),
    ...(found.macro_f1 ? [["all labels, macro-F1", found.reviews, found.macro_f1]] : []),
  ];
  return html`
    <section class="stack tight" aria-labelledby="reviews">
      <h3 id="reviews">What reviews changed</h3>
      <p>${found.sentence}</p>
      ${rows.length > 0 && html`
        <div class="scroll" tabindex="0" role="region" aria-labelledby="reviews">
          <table>
            <thead><tr><th scope="col">Label</th><th scope="col" class="number">Reviews</th><th scope="col" class="number">F1 without</th>
              <th scope="col" class="number">F1 with</th><th scope="col" class="number">Points gained</th></tr></thead>
            <tbody>${rows.map(([name, reviews, one]) => html`
              <tr key=${name}><th scope="row">${name}</th><td class="number">${reviews.toLocaleString()}</td>
                <td class="number">${percent(one.without_reviews)}</td><td class="number">${percent(one.with_reviews)}</td>
                <td class="number">${points(one.difference)}${one.interval && html` <span class="soft">${between(one.interval)}</span>`}</td></tr>`)}</tbody>
          </table>
        </div>
        <p class="small soft">The same training without its reviews, asked about the same ${count(found.clips, "held-out clip")}. In
          brackets, 95% intervals by recording.</p>`}
    </section>`;
}

/** What more recordings of each label would bring, as a run's `metrics.projection` has it. */
export function Outlook({ found }) {
  const labels = [...found.collect, ...Object.keys(found.labels).filter((label) => !found.collect.includes(label))];
  const [chosen, choose] = useState(labels[0]);
  const one = found.labels[chosen] ?? found.labels[labels[0]];
  return html`
    <section class="stack tight" aria-labelledby="outlook">
      <h3 id="outlook">What more recordings would bring</h3>
      <p>${found.sentence}</p>
      <fieldset class="chips"><legend class="small soft">In the order in which to collect</legend>${labels.map((label) => html`
        <label key=${label} class="chip"><input type="radio" name="outlook" class="unseen" checked=${label === chosen}
          onChange=${() => choose(label)} />${words(label)}</label>`)}</fieldset>
      <${Curve} one=${one} />
    </section>`;
}

/** F1 by recordings learnt from, and from today's on what is expected, with its band. */
function Curve({ one }) {
  const known = one.curve.slice(0, -1).map((row) => ({ at: row.recordings, f1: row.f1 }));
  const today = { at: one.recordings, f1: one.f1, expected: one.f1, low: one.f1, high: one.f1 };
  const ahead = one.more.map(({ recordings, gain, interval: [low, high] }) => ({
    at: one.recordings + recordings, expected: one.f1 + gain, low: one.f1 + low, high: one.f1 + high,
  }));
  const rows = [...known, today, ...ahead];
  const values = (name) => rows.map((row) => row[name] ?? null);
  const least = Math.min(...rows.map((row) => Math.min(row.f1 ?? 1, row.low ?? 1)));
  const series = [
    { label: "F1 by cross-validation", values: values("f1"), colour: "--accent" },
    { label: "80% interval, low", values: values("low"), colour: "--edge", dash: [2, 3] },
    { label: "high", values: values("high"), colour: "--edge", dash: [2, 3] },
    // Last, for the band is painted over what comes before it.
    { label: "expected", values: values("expected"), colour: "--accent", dash: [6, 4] },
  ];
  return html`<${Chart} title="F1 by recordings learnt from" sentence=${one.sentence} x=${rows.map((row) => row.at)}
    range=${[Math.floor(10 * least) / 10, 1]} show=${(value) => (value == null ? "–" : percent(value, 0))}
    showX=${(value) => Math.round(value).toLocaleString()} series=${ahead.length ? series : series.slice(0, 1)}
    band=${ahead.length ? [2, 1] : null} />`;
}

const points = (share) => (share == null ? "–" : `${share > 0 ? "+" : ""}${(100 * share).toFixed(1)}`);
const between = ([low, high]) => `(${points(low)} to ${points(high)})`;
