// What the figures of GET /metrics tell, a sentence each: plain functions of the numbers.
import { count, percent, words } from "./format.js";

const DAY_HOURS = 24;
// A difference in confidence that is worth a word.
const NOTABLE = 0.005;
const DAY_MS = 86_400_000;
// Few are no trend: a label is looked at as if it had come so often more.
const SLACK = 5;

/** `hours` as the API has them, the latest first: the last 24, and the 24 before. */
export function days(hours) {
  return [hours.slice(0, DAY_HOURS), hours.slice(DAY_HOURS, 2 * DAY_HOURS)].map((some) => {
    const predictions = sum(some, (one) => one.predictions);
    const confidence = sum(some, (one) => one.predictions * (one.mean_confidence ?? 0));
    return { predictions, confidence: predictions ? confidence / predictions : null };
  });
}

/** 4 and 3: "a third more than"; 3 and 4: "a quarter fewer than"; neither is 0. */
export function compared(now, before) {
  if (now === before) return "as many as";
  const ratio = now / before;
  if (ratio > 0.95 && ratio < 1.05) return "about as many as";
  if (ratio >= 1.9) {
    const times = ratio < 10 ? Number(ratio.toFixed(ratio % 1 > 0.1 && ratio % 1 < 0.9 ? 1 : 0)) : Math.round(ratio);
    return `${times === 2 ? "twice" : `${times.toLocaleString()} times`} as many as`;
  }
  const change = Math.abs(ratio - 1);
  const named = [[1 / 4, "a quarter"], [1 / 3, "a third"], [1 / 2, "half"], [2 / 3, "two thirds"], [3 / 4, "three quarters"]]
    .find(([share]) => Math.abs(change - share) < 0.03)?.[1] ?? `${Math.round(100 * change)}%`;
  if (now > before) return `${named} more than`;
  return named === "half" ? "half as many as" : `${named} fewer than`;
}

export function ofHours(hours, nameOf) {
  const [now, before] = days(hours);
  if (!now.predictions) return `No prediction in the last 24 hours${before.predictions ? `; ${before.predictions.toLocaleString()} in the 24 before` : ""}.`;
  const busiest = most(hours.slice(0, DAY_HOURS), (hour) => hour.predictions);
  const peak = now.predictions > 1 ? ` Most in one hour: ${busiest.predictions.toLocaleString()}, from ${nameOf(busiest)}.` : "";
  const beside = before.predictions ? `${compared(now.predictions, before.predictions)} in the 24 before` : "none in the 24 before";
  return `${count(now.predictions, "prediction")} in the last 24 hours, ${beside}.${peak}`;
}

export function ofDays(listed, nameOf) {
  const all = sum(listed, (day) => day.predictions);
  if (!all) return "No prediction on these days.";
  if (listed.length === 1) return `${count(all, "prediction")} on the only day so far.`;
  const busiest = most(listed, (day) => day.predictions);
  return `${count(all, "prediction")} on ${listed.length} days with any, ${Math.round(all / listed.length).toLocaleString()} a day; most on ${nameOf(busiest)}, ${busiest.predictions.toLocaleString()}.`;
}

export function ofTrend(now, before, span, earlier) {
  if (now == null) return `Nothing was heard ${span}.`;
  const change = before == null ? null : now - before;
  const points = change == null ? "" : Math.abs(change) < NOTABLE ? `, as ${earlier}`
    : `, ${(100 * Math.abs(change)).toFixed(1)} points ${change > 0 ? "more" : "less"} than ${earlier}`;
  const fall = change < -0.05 ? " A fall that lasts means sounds that it has not learnt." : "";
  return `${percent(now)} sure on average ${span}${points}.${fall}`;
}

export function ofConfidence({ high, low }, total) {
  if (!total) return "Nothing was predicted yet.";
  const rest = low ? `${percent(low, 0)} are below 50%: ${low > 0.2 ? "it often guesses" : "guesses are rare"}` : "none is below 50%";
  return `${percent(high, 0)} of all answers are 80% sure or more; ${rest}.`;
}

export function ofLatency({ p50, p95, p99 }) {
  if (p50 == null) return "Nothing was predicted yet.";
  return `Half of all answers took less than ${ms(p50)}, 95 of 100 less than ${ms(p95)}, 99 of 100 less than ${ms(p99)}.`;
}

export function ofLabels(byLabel, look) {
  const all = sum(Object.values(byLabel), (n) => n);
  if (!all) return "Nothing was predicted yet.";
  const [[first, n]] = ranked(byLabel);
  const alerting = sum(Object.entries(byLabel), ([label, number]) => (look(label).alert ? number : 0));
  const grave = alerting ? `; ${percent(alerting / all, 0)} are of labels that raise alerts` : "; none is of a label that raises alerts";
  return `${sentence(words(first))} is heard most, in ${percent(n / all, 0)} of ${count(all, "answer")}${grave}.`;
}

/** `listed` as the API has days, the latest first: its last seven, beside the seven before. */
export function ofLabelsByDay(listed) {
  const [week, earlier] = [[0, 7], [7, 14]].map(([from, to]) => {
    const counts = {};
    for (const { date, by_label: byLabel } of listed) {
      const ago = (Date.parse(listed[0].date) - Date.parse(date)) / DAY_MS;
      if (ago < from || ago >= to) continue;
      for (const [label, n] of Object.entries(byLabel)) counts[label] = (counts[label] ?? 0) + n;
    }
    return counts;
  });
  if (!Object.keys(earlier).length) return "There is no week before this one to compare with yet.";
  const changed = [...new Set([...Object.keys(week), ...Object.keys(earlier)])]
    .map((label) => ({ label, now: week[label] ?? 0, before: earlier[label] ?? 0 }));
  const { label, now, before } = most(changed, (one) => Math.abs(Math.log((one.now + SLACK) / (one.before + SLACK))));
  const how = !before ? "none" : now ? compared(now, before) : `${before.toLocaleString()}`;
  return `${sentence(words(label))} has changed most: ${now.toLocaleString()} in the last seven days, ${how} in the seven before.`;
}

export function ofFaults({ requests, uncertain, refused, failed }, errors) {
  if (!requests) return "Nothing was sent yet.";
  const shares = (n) => `${n.toLocaleString()} (${percent(n / requests)})`;
  const [reason] = ranked(errors)[0] ?? [];
  return `Of ${count(requests, "recording")} ${shares(uncertain)} got an uncertain answer, ${shares(refused)} ${refused === 1 ? "was" : "were"} refused, and ${
    failed ? `${shares(failed)} failed by the service's own fault` : "none failed by the service's own fault"}.${reason ? ` Most often: ${words(reason)}.` : ""}`;
}

/** 300 -> "5 min", 200000 -> "2 days 7 h". */
export function forHowLong(s) {
  const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  if (d) return `${count(d, "day")} ${h} h`;
  if (h) return `${h} h ${m} min`;
  return m ? `${m} min` : "< 1 min";
}

/** Milliseconds: "3.8 ms", "840 ms", "1.2 s". */
export const ms = (value) => (value == null ? "–" : value < 10 ? `${Number(value.toFixed(1))} ms`
  : value < 1000 ? `${Math.round(value)} ms` : `${Number((value / 1000).toFixed(1))} s`);

/** From what is counted most to what is counted least. */
export const ranked = (counts) => Object.entries(counts).sort(([a, n], [b, m]) => m - n || a.localeCompare(b));

const sum = (items, of) => items.reduce((total, one) => total + of(one), 0);
const most = (items, of) => items.reduce((best, one) => (of(one) > of(best) ? one : best));
const sentence = (text) => text[0].toUpperCase() + text.slice(1);
