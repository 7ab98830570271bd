// What a model's figures look like: intervals, confusion, calibration.
import { html } from "./dom.js";
import { count, percent, words } from "./format.js";

/** A share with its 95% interval, on a line from `floor` to 100%. */
export function Interval({ value, interval, floor = 0 }) {
  if (value == null) return html`<span class="soft">not known</span>`;
  const at = (share) => `${(100 * (share - floor)) / (1 - floor)}%`;
  const [low, high] = interval ?? [value, value];
  return html`
    <span class="interval">
      <b>${percent(value)}</b>
      <span class="whisker" aria-hidden="true" title=${`from ${percent(floor, 0)} to 100%`}>
        <i class="spanned" style=${{ left: at(low), width: `calc(${at(high)} - ${at(low)})` }}></i><i class="point" style=${{ left: at(value) }}></i>
      </span>
      ${interval && html`<span class="small soft">${percent(low, 0)} to ${percent(high, 0)}</span>`}
    </span>`;
}

/** Where such lines begin that are beside each other: at the tenth below all of `measured`. */
export const floorOf = (measured) => Math.max(0, Math.floor(
  10 * Math.min(...measured.map((one) => one.accuracy_interval?.[0] ?? one.accuracy ?? 1)),
) / 10);

/** `counts[true][answered]` as a table, shaded by the share of each row. */
export function Confusion({ labels, counts }) {
  if (!counts.length) return html`<p class="soft small">Its card has no confusion matrix.</p>`;
  const sums = counts.map((row) => row.reduce((sum, n) => sum + n, 0));
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix">
      <table class="confusion">
        <thead>
          <tr><td></td><th scope="colgroup" colspan=${labels.length} class="over">was called</th></tr>
          <tr><th scope="col">What it is</th>${labels.map((label) => html`<th key=${label} scope="col">${words(label)}</th>`)}</tr>
        </thead>
        <tbody>${labels.map((label, is) => html`
          <tr key=${label}><th scope="row">${words(label)}</th>
            ${labels.map((answer, called) => {
              const n = counts[is][called];
              return html`<td key=${answer} class=${is === called ? "hit" : n ? "miss" : "none"}
                style=${{ "--share": sums[is] ? n / sums[is] : 0 }}
                title=${`${n} of ${sums[is]} ${words(label)} called ${words(answer)}`}>${n || "·"}</td>`;
            })}</tr>`)}</tbody>
      </table>
    </div>
    <p class="small soft">${worst(labels, counts, sums)}</p>`;
}

function worst(labels, counts, sums) {
  let most = null;
  counts.forEach((row, is) => row.forEach((n, called) => {
    if (is !== called && n && (!most || n / sums[is] > most.share)) most = { is, called, n, share: n / sums[is] };
  }));
  if (!most) return "None of the held-out clips was called by a wrong label.";
  return `Most often mistaken: ${words(labels[most.is])} for ${words(labels[most.called])}, ${most.n} of ${sums[most.is]}.`;
}

const [SIDE, FOOT, EDGE] = [200, 40, 26];

/** Bins as GET /models/{version}/evaluation has them: how often answers of each confidence are right. */
export function Reliability({ bins, ece }) {
  if (!bins.length) return html`<p class="soft small">There are no held-out clips to tell by.</p>`;
  const most = Math.max(...bins.map((bin) => bin.clips));
  const sentence = inWords(bins, ece);
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const bottom = SIDE + 10;
  return html`
    <figure class="reliability">
      <svg viewBox=${`-${EDGE} -6 ${SIDE + EDGE + 10} ${bottom + FOOT + 26}`} role="img" aria-label=${`Reliability diagram. ${sentence}`}>
        ${ticks.map((tick) => html`
          <g key=${tick}><line class="grid" x1="0" x2=${SIDE} y1=${SIDE * (1 - tick)} y2=${SIDE * (1 - tick)} />
            <text x="-5" y=${SIDE * (1 - tick) + 3} text-anchor="end">${100 * tick}%</text>
            <text x=${SIDE * tick} y=${bottom + FOOT + 12} text-anchor="middle">${100 * tick}%</text></g>`)}
        ${bins.map(({ low, high, clips, accuracy }) => html`
          <g key=${low}>
            <rect class="right" x=${SIDE * low + 1.5} width=${SIDE * (high - low) - 3} y=${SIDE * (1 - accuracy)} height=${Math.max(1, SIDE * accuracy)} />
            <rect class="many" x=${SIDE * low + 1.5} width=${SIDE * (high - low) - 3} y=${bottom} height=${Math.max(1, (FOOT - 4) * clips / most)} />
          </g>`)}
        <line class="ideal" x1="0" y1=${SIDE} x2=${SIDE} y2="0" />
        ${bins.map(({ low, confidence, accuracy }) => html`<circle key=${low} cx=${SIDE * confidence} cy=${SIDE * (1 - accuracy)} r="3.2" />`)}
        <text x=${SIDE / 2} y=${bottom + FOOT + 19.5} text-anchor="middle">confidence</text>
      </svg>
      <figcaption class="small soft">${sentence} Bars: how often answers of a confidence are right; on the line both agree. Below: how
        many answers.</figcaption>
      <details class="small"><summary>The numbers</summary>
        <div class="scroll" tabindex="0" role="region" aria-label="Numbers of the reliability diagram"><table>
          <thead><tr><th scope="col">Confidence</th><th scope="col" class="number">Clips</th><th scope="col" class="number">Mean</th><th scope="col" class="number">Right</th></tr></thead>
          <tbody>${bins.map((bin) => html`<tr key=${bin.low}><th scope="row">${percent(bin.low, 0)}–${percent(bin.high, 0)}</th>
            <td class="number">${bin.clips}</td><td class="number">${percent(bin.confidence)}</td><td class="number">${percent(bin.accuracy)}</td></tr>`)}</tbody>
        </table></div></details>
    </figure>`;
}

function inWords(bins, ece) {
  const all = bins.reduce((sum, bin) => sum + bin.clips, 0);
  const tends = bins.reduce((sum, bin) => sum + bin.clips * (bin.confidence - bin.accuracy), 0) / all;
  const how = Math.abs(tends) < 0.005 ? "neither too sure nor too modest" : tends > 0 ? "a little too sure on the whole" : "a little too modest on the whole";
  return `Over ${count(all, "clip")} confidence is off by ${percent(ece)} on average (ECE): ${how}.`;
}
