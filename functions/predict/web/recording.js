// One field recording: its notes, its timeline, its detections with their clips, its files.
import { ask, get, withQuery } from "./api.js";
import { DetectionList, Filter } from "./detections.js";
import { html, save, useEffect, useMemo, useState } from "./dom.js";
import { bytes, count, fileName, moment, percent, seconds, stretch } from "./format.js";
import { PageHead, Trouble, Waiting } from "./parts.js";
import { useOnce, usePoll } from "./poll.js";
import { Progress } from "./recordings.js";
import { keep, link } from "./links.js";
import { time, Timeline } from "./timeline.js";

// What the API calls a format, what its readers do, and how its files end.
const FORMATS = [
  ["csv", "CSV", ".csv"], ["json", "JSON", ".json"], ["raven", "Raven", ".Table.1.selections.txt"],
  ["audacity", "Audacity", ".labels.txt"],
];
// What has too many detections for one answer is asked for the surer ones.
const LEAST = [0, 0.9, 0.99];

export function Recording({ recording, query, look }) {
  const { data, problem, again } = usePoll((signal) => get(`/recordings/${recording}`, { signal }), [recording], { every: 1500 });
  return html`
    <p class="small back"><a href=${link("recordings")}>All recordings</a></p>
    <${PageHead} title=${data ? fileName(data.key) : "Recording"}>${data && html`<code>${data.key}</code>`}<//>
    ${problem && html`<${Trouble} problem=${problem} again=${again} />`}
    ${!data && !problem && html`<${Waiting} />`}
    ${data && html`
      <div class="stack wide">
        <${Facts} one=${data} />
        ${data.state !== "analysed" && html`<div class="card"><${Progress} one=${data} /></div>`}
        ${data.state === "analysed" && html`<${Found} key=${data.analysed_at} one=${data} query=${query} look=${look} />`}
      </div>`}`;
}

function Facts({ one }) {
  const notes = one.notes ?? {};
  const by = { guano: "GUANO", audiomoth: "AudioMoth's comment", name: "the file's name" }[notes.started_by];
  const place = notes.latitude == null ? null : `${notes.latitude.toFixed(5)}, ${notes.longitude?.toFixed(5)}`;
  const facts = [
    ["Site", html`<a href=${link("recordings", [], { site: one.site })}>${one.site}</a>`],
    ["Starts", notes.started_at ? html`${dated(notes.started_at)} <span class="soft small">says ${by}</span>`
      : one.notes ? html`<span class="soft">nobody wrote it down</span>` : null],
    ["Length", one.duration_s && seconds(one.duration_s)],
    ["Recorder", notes.device],
    ["Temperature", notes.temperature_c != null && `${notes.temperature_c} °C`],
    ["Battery", notes.battery_v != null && `${notes.battery_v} V`],
    ["Place", place],
    ["Received", html`${moment(one.received_at)} <span class="soft small">${bytes(one.size)}</span>`],
    ["Heard by", one.model_version && html`<a href=${link("models", [], { compare: one.model_version })}>${one.model_version}</a>`],
  ];
  return html`<dl class="field-notes">${facts.filter(([, value]) => value).map(([name, value]) => html`
    <div key=${name} class=${name === "Starts" || name === "Heard by" ? "wide" : ""}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

const dated = (at) => new Date(at).toLocaleString(undefined, {
  day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
});

function Found({ one, query, look }) {
  const { data, problem, again } = useOnce((signal) => detectionsOf(one.recording, signal), [one.recording]);
  if (problem) return html`<${Trouble} problem=${problem} again=${again} />`;
  if (!data) return html`<${Waiting} what="Fetching the detections" />`;
  if (!data.detections.length) {
    return html`<p class="empty">Nothing was detected in these ${seconds(data.duration_s)}${
      data.background ? html` but ${data.background}, which makes no detections` : ""}.</p>`;
  }
  return html`<${Heard} one=${one} found=${data} query=${query} look=${look} />`;
}

/** All detections; of a recording with too many for one answer the surer ones, `from` that confidence. */
async function detectionsOf(recording, signal) {
  for (const from of LEAST) {
    try {
      const path = withQuery(`/recordings/${recording}/detections`, { min_confidence: from || null });
      return { ...await get(path, { signal }), from };
    } catch (problem) {
      if (problem.code !== "results_too_large" || from === LEAST.at(-1)) throw problem;
    }
  }
  throw new Error("unreachable");
}

function Heard({ one, found, query, look }) {
  const [filter, setFilter] = useState(() => ({
    chosen: query.label ? query.label.split(",") : [], least: Math.max(found.from, Number(query.least) || 0),
  }));
  const [open, setOpen] = useState(null);
  const [view, lookAt] = useState({ from: 0, to: found.duration_s });
  const { chosen, least } = filter;
  const change = (what) => setFilter({ ...filter, ...what });
  // The address keeps what is looked for, so that it can be passed on.
  useEffect(() => {
    keep("recordings", [one.recording], { label: chosen.join(","), least: least || null });
  }, [chosen, least]);

  const wanted = useMemo(() => found.detections.filter(
    (each) => (!chosen.length || chosen.includes(each.label)) && each.peak_confidence >= least,
  ), [found, chosen, least]);
  const inView = wanted.filter((each) => each.end_s >= view.from && each.start_s <= view.to);
  const started = found.started_at;
  const keyOf = (each) => `${each.label} ${each.start_s}`;
  const rows = inView.map((each) => ({
    key: keyOf(each), detection: each,
    when: started ? time(each.start_s, started) : stretch(each.start_s, each.end_s),
    clip: each.clip && `/recordings/${one.recording}/clips/${each.clip}`,
  }));
  const isAll = inView.length === found.detections.length;
  return html`
    <section class="stack wide tight" aria-labelledby="timeline">
      <h2 id="timeline">${count(found.detections.length, "detection")}</h2>
      ${found.from > 0 && html`<p class="soft small">There are too many to show: these are the ones from ${percent(found.from, 0)} on.</p>`}
      <${Filter} labels=${countsOf(found.detections)} chosen=${chosen} least=${least} look=${look} change=${change} />
      <div class="card"><${Timeline} detections=${wanted} duration=${found.duration_s} startedAt=${started} view=${view}
        lookAt=${lookAt} look=${look} chosen=${wanted.find((each) => keyOf(each) === open)}
        choose=${(each) => setOpen(keyOf(each))} /></div>
    </section>
    <section class="stack wide tight" aria-labelledby="each">
      <div class="row"><h2 id="each">${isAll ? "Each of them" : `${inView.length.toLocaleString()} of ${found.detections.length.toLocaleString()}`}</h2>
        <${Downloads} one=${one} chosen=${chosen} least=${least} /></div>
      ${rows.length ? html`<${DetectionList} rows=${rows} look=${look} open=${open} toggle=${setOpen} name="Detections" />`
        : html`<p class="soft">None is so sure, of these labels, in what the timeline shows.</p>`}
    </section>`;
}

function countsOf(detections) {
  const counts = {};
  for (const { label } of detections) counts[label] = (counts[label] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).sort());
}

/** Fetched with the token, which a plain link would not bear. */
function Downloads({ one, chosen, least }) {
  const [problem, setProblem] = useState(null);
  async function download(format, suffix) {
    setProblem(null);
    try {
      const answer = await ask(withQuery(`/recordings/${one.recording}/detections`, { format, label: chosen, min_confidence: least || null }));
      save(fileName(one.key).replace(/\.\w+$/, "") + suffix, await answer.blob());
    } catch (failure) {
      setProblem(failure);
    }
  }
  const isSome = chosen.length > 0 || least > 0;
  return html`
    <div class="row grow-left" role="group" aria-label="Download">
      <span class="soft small">Download ${isSome ? "those of the filter" : "all"}</span>
      ${FORMATS.map(([format, name, suffix]) => html`
        <button key=${format} class="quiet" onClick=${() => download(format, suffix)}>${name}</button>`)}
    </div>
    ${problem && html`<${Trouble} problem=${problem} />`}`;
}
