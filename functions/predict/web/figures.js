// The charts of Monitor: how much, how sure, how quick, of what, and what went wrong.
import { Chart } from "./charts.js";
import { html, useState } from "./dom.js";
import { count, percent, words } from "./format.js";
import { Label } from "./parts.js";
import { compared, days, forHowLong, ms, ofConfidence, ofDays, ofFaults, ofHours, ofLabels, ofLabelsByDay, ofLatency, ofTrend, ranked } from "./told.js";

// More are no picture any more.
const MOST_LINES = 6;
const [HIGH, MEDIUM, LOW] = ["--tone-0", "--warn", "--bad"];
const whole = (value) => (value == null ? "–" : Number.isInteger(value) ? value.toLocaleString() : "");
const share = (value) => percent(value, 0);

/** The figures that matter at a glance. */
export function Glance({ metrics, alerts }) {
  const { totals, latency_ms: latency, by_hour: hours, process } = metrics;
  const [now, before] = days(hours);
  const part = (n, all) => (all ? percent(n / all) : "–");
  const tiles = [
    ["Predictions in 24 h", now.predictions.toLocaleString(), before.predictions
      ? `${now.predictions ? compared(now.predictions, before.predictions) : before.predictions.toLocaleString()} in the 24 h before`
      : "none in the 24 h before"],
    ["Uncertain", part(totals.uncertain, totals.predictions), `${totals.uncertain.toLocaleString()} of ${totals.predictions.toLocaleString()} answers`],
    ["Refused or failed", part(totals.refused + totals.failed, totals.requests), `${totals.refused.toLocaleString()} refused, ${totals.failed.toLocaleString()} failed`],
    ["95 of 100 within", ms(latency.p95), `half of them within ${ms(latency.p50)}`],
    ["Alerts in 24 h", alerts == null ? "–" : alerts, "one for each incident"],
    ["Up for", forHowLong(process.uptime_s), "the process that answers here"],
  ];
  return html`
    <dl class="glance">${tiles.map(([name, figure, about]) => html`
      <div key=${name}><dt>${name}</dt><dd><b>${figure}</b><span class="soft small">${about}</span></dd></div>`)}</dl>`;
}

/** Predictions and how sure they were, by hour or by day. */
export function OverTime({ metrics }) {
  const [isDaily, setIsDaily] = useState(false);
  const listed = isDaily ? metrics.by_day : metrics.by_hour;
  const inOrder = listed.toReversed();
  const nameOf = isDaily ? (one) => dayName(one.date) : (one) => hourName(one.since);
  const categories = inOrder.map(nameOf);
  const [now, before] = days(metrics.by_hour);
  const [today, ...others] = metrics.by_day;
  const elsewhen = mean(others);
  return html`
    <section class="stack tight wide" aria-labelledby="over-time">
      <div class="row"><h2 id="over-time">Over time</h2>
        <span class="row grow-left" role="group" aria-label="Span">
          <button class="chip" aria-pressed=${!isDaily} onClick=${() => setIsDaily(false)}>48 hours</button>
          <button class="chip" aria-pressed=${isDaily} onClick=${() => setIsDaily(true)}>30 days</button>
        </span></div>
      <div class="figures">
        <div class="card"><${Chart} title=${isDaily ? "Predictions by day (UTC)" : "Predictions by hour"} categories=${categories} show=${whole}
          series=${[{ label: "Predictions", values: inOrder.map((one) => one.predictions), kind: "bars" }]}
          sentence=${isDaily ? ofDays(listed, nameOf) : ofHours(listed, nameOf)} /></div>
        <div class="card"><${Chart} title="Mean confidence" categories=${categories} range=${[0, 1]} show=${share}
          series=${[{ label: "Mean confidence", values: inOrder.map((one) => one.mean_confidence), kind: "points", colour: "--tone-3" }]}
          sentence=${isDaily ? ofTrend(today?.mean_confidence, elsewhen, `on ${today ? nameOf(today) : "these days"}`, "on the days before")
            : ofTrend(now.confidence, before.confidence, "in the last 24 hours", "in the 24 before")} /></div>
      </div>
    </section>`;
}

function mean(listed) {
  const all = listed.reduce((sum, day) => sum + day.predictions, 0);
  return all ? listed.reduce((sum, day) => sum + day.predictions * (day.mean_confidence ?? 0), 0) / all : null;
}

/** How the confidences and the processing times of all answers are spread. */
export function Spreads({ metrics }) {
  const { confidence, latency_ms: latency } = metrics;
  const { edges, counts } = confidence.histogram;
  const total = counts.reduce((sum, n) => sum + n, 0);
  const within = (from, to) => counts.map((n, bin) => (edges[bin] >= from - 1e-9 && edges[bin] < to - 1e-9 ? n : null));
  const [first, last] = filled(latency.histogram.counts);
  const bins = latency.histogram.counts.slice(first, last + 1);
  return html`
    <section class="stack tight wide" aria-labelledby="spreads">
      <h2 id="spreads">How sure, how quick</h2>
      <div class="figures">
        <div class="card stack tight wide">
          <${Chart} title="Confidence of all answers" categories=${counts.map((_, bin) => share(edges[bin]))} show=${whole}
            showX=${(bin) => (edges[bin + 1] == null ? "" : `${share(edges[bin])}–${share(edges[bin + 1])}`)} showTick=${(bin) => share(edges[bin])}
            series=${[
              { label: "low", values: within(0, 0.5), kind: "bars", colour: LOW },
              { label: "medium", values: within(0.5, 0.8), kind: "bars", colour: MEDIUM },
              { label: "high", values: within(0.8, 1.01), kind: "bars", colour: HIGH }]}
            sentence=${ofConfidence(confidence, total)} />
          <${Split} confidence=${confidence} total=${total} />
        </div>
        <div class="card stack tight wide">
          <${Chart} title="Processing time of all answers" categories=${bins.map((_, bin) => span(latency.histogram.edges, first + bin))} show=${whole}
            showTick=${(bin) => (Number.isInteger(bin) ? ms(latency.histogram.edges[first + bin]) : "")}
            series=${[{ label: "Answers", values: bins, kind: "bars", colour: "--tone-5" }]} sentence=${ofLatency(latency)} />
          <dl class="split">${[["mean", latency.mean], ["p50", latency.p50], ["p95", latency.p95], ["p99", latency.p99]].map(([name, value]) => html`
            <div key=${name}><dt>${name}</dt><dd>${ms(value)}</dd></div>`)}</dl>
        </div>
      </div>
    </section>`;
}

function Split({ confidence, total }) {
  const parts = [["high", "80% or more", HIGH], ["medium", "50 to 80%", MEDIUM], ["low", "below 50%", LOW]];
  return html`
    ${total > 0 && html`<div class="whole-bar" aria-hidden="true">${parts.map(([name, , colour]) => html`
      <i key=${name} style=${{ width: `${100 * confidence[name]}%`, "--c": `var(${colour})` }}></i>`)}</div>`}
    <dl class="split">${parts.map(([name, what, colour]) => html`
      <div key=${name} style=${{ "--c": `var(${colour})` }}><dt><i class="swatch"></i> ${name} <span class="soft small">${what}</span></dt>
        <dd>${percent(confidence[name])}</dd></div>`)}</dl>`;
}

/** What was heard, and what was not answered with a sure label. */
export function WhatCame({ metrics, look }) {
  const { by_label: byLabel, by_day: listed, totals, errors } = metrics;
  const all = Math.max(1, totals.predictions);
  const inOrder = listed.toReversed();
  return html`
    <section class="stack tight wide" aria-labelledby="what-came">
      <h2 id="what-came">What came</h2>
      <div class="figures">
        <div class="card stack wide">
          <h3>Labels of all answers</h3>
          ${totals.predictions > 0 && html`<ol class="bars">${ranked(byLabel).map(([label, n]) => html`
            <li key=${label} style=${{ "--c": look(label).colour, "--share": n / all }}>
              <span class="what"><${Label} label=${label} look=${look} /></span>
              <span class="track" aria-hidden="true"><i class="fill"></i></span>
              <span class="figure">${n.toLocaleString()}</span>
            </li>`)}</ol>`}
          <p class="soft small">${ofLabels(byLabel, look)}</p>
          ${listed.length > 1 && html`<${Chart} title="By day (UTC)" categories=${inOrder.map((day) => dayName(day.date))} show=${whole} height=${140}
            series=${ranked(byLabel).slice(0, MOST_LINES).map(([label]) => ({
              label: words(label), values: inOrder.map((day) => day.by_label[label] ?? 0), colour: property(look(label).colour) }))}
            sentence=${ofLabelsByDay(listed)} />`}
        </div>
        <div class="card stack tight wide">
          <${Chart} title="Without a sure answer, by day (UTC)" categories=${inOrder.map((day) => dayName(day.date))} show=${whole}
            series=${[
              { label: "uncertain", values: inOrder.map((day) => day.uncertain), kind: "line", colour: MEDIUM },
              { label: "refused", values: inOrder.map((day) => day.refused), kind: "line", colour: "--tone-5", dash: [6, 4] },
              { label: "failed", values: inOrder.map((day) => day.failed), kind: "line", colour: LOW, dash: [2, 3] }]}
            sentence=${ofFaults(totals, errors)} />
          ${Object.keys(errors).length > 0 && html`<ul class="plain reasons small">${ranked(errors).map(([code, n]) => html`
            <li key=${code}><span>${words(code)}</span><b class="number">${count(n, "recording")}</b></li>`)}</ul>`}
        </div>
      </div>
    </section>`;
}

/** "var(--tone-0)" -> "--tone-0". */
const property = (colour) => colour.slice(4, -1);
const hourName = (since) => new Date(since).toLocaleString(undefined, { weekday: "short", hour: "2-digit", minute: "2-digit" });
const dayName = (date) => new Date(`${date}T00:00Z`).toLocaleDateString(undefined, { day: "numeric", month: "short", timeZone: "UTC" });

/** The first and the last bin with anything in it, and one beside each. */
function filled(counts) {
  const first = counts.findIndex((n) => n > 0);
  if (first < 0) return [0, counts.length - 1];
  return [Math.max(0, first - 1), Math.min(counts.length - 1, counts.findLastIndex((n) => n > 0) + 1)];
}

function span(edges, bin) {
  const [low, high] = [edges[bin], edges[bin + 1]];
  if (high == null) return `${ms(low)} or more`;
  return high < 1000 ? `${low}–${high} ms` : `${low / 1000}–${high / 1000} s`;
}
