// Charts over uPlot: each with its sentence, and with its numbers for those who do not see it.
import { html, useEffect, useRef } from "./dom.js";
import { useWidth } from "./sound.js";
import { ink, useTheme } from "./theme.js";
import uPlot from "./vendor/uplot.js";

const FIRST = "--tone-0";
const PATHS = {
  line: undefined,
  bars: uPlot.paths.bars({ size: [0.8, 64] }),
  points: () => null,
};

/**
 * `x` are numbers, or `categories` are words. `series` are
 * `{ label, values, colour, kind, dash }`: null among `values` is a gap, `colour` a custom property
 * as "--tone-0", `kind` one of "line", "bars", "points". `show` writes a y value, `showX` an
 * x value, `showTick` one on the axis, where it is shorter. `range` fixes the y axis, for example
 * [0, 1]. `band` are the numbers of two series, the upper first, between which is shaded.
 * `sentence` says what the chart tells.
 */
export function Chart({
  title, sentence, x, categories = null, series, range = null, band = null, height = 200,
  show = (value) => (value == null ? "–" : value.toLocaleString()), showX = null, showTick = null,
}) {
  const frame = useRef(null);
  const chart = useRef(null);
  const width = useWidth(frame);
  const now = useTheme();
  const across = categories ? categories.map((_, n) => n) : x;
  const nameX = showX ?? (categories ? (n) => categories[n] ?? "" : String);
  const shape = JSON.stringify([categories, range, height, series.map(({ values, ...rest }) => rest)]);

  useEffect(() => {
    if (!width) return undefined;
    chart.current = new uPlot(
      options({ width, height, across, series, categories, range, band, show, nameX: showTick ?? nameX }),
      [across, ...series.map((one) => one.values)], frame.current,
    );
    return () => chart.current.destroy();
  }, [width, now, shape]);
  useEffect(() => {
    chart.current?.setData([across, ...series.map((one) => one.values)]);
  }, [JSON.stringify([across, series.map((one) => one.values)])]);

  return html`
    <figure class="chart">
      ${title && html`<h3>${title}</h3>`}
      ${series.length > 1 && html`
        <ul class="legend" aria-hidden="true">${series.map(({ label, colour = FIRST, kind = "line" }) => html`
          <li key=${label}><i class=${`key ${kind}`} style=${{ "--c": `var(${colour})` }}></i>${label}</li>`)}</ul>`}
      <div ref=${frame} role="img" aria-label=${`${title ?? "Chart"}. ${sentence ?? ""}`}></div>
      ${sentence && html`<figcaption class="soft small">${sentence}</figcaption>`}
      <details class="small"><summary>The numbers</summary>
        <div class="scroll" tabindex="0" role="region" aria-label=${`Numbers of ${title ?? "the chart"}`}>
          <table>
            <thead><tr><th scope="col"></th>${series.map((one) => html`<th scope="col" class="number">${one.label}</th>`)}</tr></thead>
            <tbody>${across.map((at, n) => html`
              <tr key=${n}><th scope="row">${nameX(at)}</th>
                ${series.map((one) => html`<td class="number">${show(one.values[n])}</td>`)}</tr>`)}</tbody>
          </table>
        </div>
      </details>
    </figure>`;
}

function options({ width, height, across, series, categories, range, band, show, nameX }) {
  const soft = ink("--soft");
  const axis = {
    stroke: soft, font: "12px Atkinson, sans-serif", ticks: { stroke: ink("--line"), width: 1, size: 4 },
    grid: { stroke: ink("--line"), width: 1 },
  };
  const some = categories
    ? { splits: () => every(categories.length, Math.ceil(categories.length / Math.max(2, width / 80))) } : {};
  return {
    width, height, padding: [8, 16, 0, 0], cursor: { y: false }, legend: { show: false },
    scales: {
      x: { time: false, range: (_, low, high) => roomy(low, high, categories?.length ?? across.length, series) },
      y: { range: range ?? ((_, low, high) => [Math.min(0, low), high > 0 ? 1.08 * high : 1]) },
    },
    axes: [
      { ...axis, ...some, values: (_, splits) => splits.map((at) => nameX(at)), size: 28, grid: { show: false } },
      { ...axis, size: 52, values: (_, splits) => splits.map(show) },
    ],
    // uPlot counts the x axis as its first series.
    bands: band ? [{ series: band.map((n) => n + 1), fill: ink("--accent-soft") }] : [],
    series: [{}, ...series.map(({ label, colour = FIRST, kind = "line", dash }) => ({
      label, dash, stroke: ink(colour), width: kind === "bars" ? 0 : 2, paths: PATHS[kind],
      fill: kind === "bars" ? ink(colour) : undefined,
      // A line of one point is none.
      points: { show: kind === "points" || across.length === 1, size: 7, fill: ink(colour) },
    }))],
  };
}

/** The x axis with room for half a bar, or for half a point. */
function roomy(low, high, steps, series) {
  const step = (high - low) / Math.max(1, steps - 1) || 1;
  if (series.some((one) => one.kind === "bars")) return [low - 0.5 * step, high + 0.5 * step];
  const edge = high > low ? 0.02 * (high - low) : 0.5;
  return [low - edge, high + edge];
}

const every = (length, step) => Array.from({ length: Math.ceil(length / step) }, (_, n) => n * step);
