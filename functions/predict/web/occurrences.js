// Detections of all recordings, by the time that they were heard.
import { get, withQuery } from "./api.js";
import { Download } from "./csv.js";
import { DetectionList, Least } from "./detections.js";
import { html, useEffect, useRef, useState } from "./dom.js";
import { count, exactly, fileName, words } from "./format.js";
import { Empty, Trouble, Waiting } from "./parts.js";
import { keep, link } from "./links.js";

const SPANS = { 1: "the last day", 7: "the last week", 30: "the last 30 days", 364: "the last 52 weeks" };
const DAY_MS = 86_400_000;
const AT_ONCE = 50;
const COLUMNS = ["at", "site", "label", "peak_confidence", "mean_confidence", "start_s", "end_s", "started_at", "recording", "key", "clip", "model_version"];
const SETTLE_MS = 250;

export function Occurrences({ query, classes }) {
  const [wish, setWish] = useState({
    label: query.label ?? "", site: query.site ?? "", days: query.days in SPANS ? query.days : "30", least: Number(query.least) || 0,
  });
  const [open, setOpen] = useState(null);
  const { found, problem, busy, more, again } = useDetections(wish);
  const change = (what) => setWish({ ...wish, ...what });
  useEffect(() => {
    const kept = { ...wish, days: wish.days === "30" ? null : wish.days, least: wish.least || null };
    keep("recordings", ["detections"], kept);
  }, [wish]);
  const labels = classes.data?.classes.map((one) => one.label) ?? [];
  if (wish.label && !labels.includes(wish.label)) labels.push(wish.label);
  const rows = (found?.those ?? []).map((one) => ({
    key: `${one.recording} ${one.label} ${one.start_s}`, detection: one, when: exactly(one.at), clip: one.clip,
    about: html`<a href=${link("recordings", [one.recording], { label: one.label })}>${fileName(one.key)}</a>
      <span class="soft"> ${one.site}${one.started_at ? "" : ", time of arrival"}</span>`,
  }));
  return html`
    <form class="row filter across" aria-label="Which detections" onSubmit=${(event) => event.preventDefault()}>
      <label class="field"><span>Label</span>
        <select value=${wish.label} onChange=${({ currentTarget }) => change({ label: currentTarget.value })}>
          <option value="">any</option>${labels.map((one) => html`<option key=${one} value=${one}>${words(one)}</option>`)}
        </select></label>
      <label class="field"><span>Site</span>
        <input value=${wish.site} maxlength="64" placeholder="any" onChange=${({ currentTarget }) => change({ site: currentTarget.value.trim() })} /></label>
      <label class="field"><span>Heard in</span>
        <select value=${wish.days} onChange=${({ currentTarget }) => change({ days: currentTarget.value })}>
          ${Object.entries(SPANS).map(([days, name]) => html`<option key=${days} value=${days}>${name}</option>`)}
        </select></label>
      <${Least} least=${wish.least} change=${change} />
    </form>
    ${problem && html`<${Trouble} problem=${problem} again=${again} />`}
    ${!found && !problem && html`<${Waiting} />`}
    ${found && !rows.length && !found.next && html`<${Empty}>Nothing like it was heard in ${SPANS[wish.days]}.<//>`}
    ${rows.length > 0 && html`
      <div class="row"><span class="soft small">${found.next ? `The latest ${count(rows.length, "detection")}.`
        : `${count(rows.length, "detection")}, the latest first.`}</span>
        <${Download} what="detections" columns=${COLUMNS} rows=${found.those} at=${found.those[0].at} /></div>
      <${DetectionList} rows=${rows} look=${classes.look} open=${open} toggle=${setOpen} name="Detections of all recordings" />`}
    ${found?.next && html`<p><button disabled=${busy} onClick=${more}>${rows.length ? "Earlier ones" : "None among the latest: look further back"}</button></p>`}`;
}

/** Pages of GET /detections: `{ found: { those, next }, problem, busy, more, again }`. */
function useDetections({ label, site, days, least }) {
  const [state, setState] = useState({ found: null, problem: null, busy: false });
  const [round, setRound] = useState(0);
  const asked = useRef(0);
  const since = useRef(0);
  const path = (cursor) => withQuery("/detections", {
    label, site, min_confidence: least || null, limit: AT_ONCE, cursor,
    // A page that goes on asks for the same stretch of time.
    since: new Date(since.current).toISOString(),
  });

  async function load(cursor, before, mine) {
    setState((old) => ({ ...old, busy: true }));
    try {
      const page = await get(path(cursor));
      if (mine === asked.current) setState({ found: { those: [...before, ...page.detections], next: page.next }, problem: null, busy: false });
    } catch (problem) {
      if (mine === asked.current) setState((old) => ({ ...old, problem, busy: false }));
    }
  }

  useEffect(() => {
    const mine = ++asked.current;
    since.current = Date.now() - days * DAY_MS;
    // A slider that is pulled asks once.
    const timer = setTimeout(() => load(null, [], mine), state.found ? SETTLE_MS : 0);
    return () => clearTimeout(timer);
  }, [label, site, days, least, round]);
  return {
    ...state, more: () => load(state.found.next, state.found.those, asked.current), again: () => setRound(round + 1),
  };
}
