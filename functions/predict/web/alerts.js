// Alerts: what was raised, to listen to, the rules behind it, and a way to try the way they take.
import { Clip } from "./clip.js";
import { get, post, withQuery } from "./api.js";
import { Download } from "./csv.js";
import { announce, html, useState } from "./dom.js";
import { count, fileName, moment, percent, stretch, words } from "./format.js";
import { Icon } from "./icons.js";
import { Label, Trouble, Waiting } from "./parts.js";
import { usePaged } from "./paged.js";
import { useOnce } from "./poll.js";
import { link } from "./links.js";
import { forHowLong, ranked } from "./told.js";

const DAY_MS = 86_400_000;
const AT_ONCE = 100;
const COLUMNS = ["raised_at", "at", "site", "label", "peak_confidence", "start_s", "end_s", "recording", "key", "clip", "model_version", "alert"];

/** The latest alerts, kept up to date, and earlier ones on demand; of a label or site only, if any. */
export const useAlerts = ({ label, site } = {}) => usePaged(
  (cursor) => withQuery("/alerts", { label, site, limit: AT_ONCE, cursor }), "alerts", "alert", { every: 4000 },
);

/** How many of them were raised in the last 24 hours; with a sign when there may be more. */
export function inADay({ alerts, next }) {
  const since = Date.now() - DAY_MS;
  const n = alerts.filter((one) => Date.parse(one.raised_at) >= since).length;
  return n === alerts.length && next ? `${n}+` : String(n);
}

/** `found` as useAlerts() has it. */
export function Alerts({ found, classes }) {
  const [wish, setWish] = useState({ label: "", site: "" });
  const change = (what) => setWish({ ...wish, ...what });
  const isSome = wish.label || wish.site;
  const labels = (classes.data?.classes ?? []).filter((one) => one.alert).map((one) => one.label);
  return html`
    <section class="stack tight wide" aria-labelledby="alerts">
      <h2 id="alerts">Alerts</h2>
      <div class="alarms">
        <div class="card stack tight wide">
          ${(found.all.length > 0 || isSome) && html`
            <form class="row filter across" aria-label="Which alerts" onSubmit=${(event) => event.preventDefault()}>
              <label class="field"><span>Label</span>
                <select value=${wish.label} onChange=${({ currentTarget }) => change({ label: currentTarget.value })}>
                  <option value="">any</option>${labels.map((one) => html`<option key=${one} value=${one}>${words(one)}</option>`)}
                </select></label>
              <label class="field"><span>Site</span>
                <input value=${wish.site} maxlength="64" placeholder="any" list="alert-sites"
                  onChange=${({ currentTarget }) => change({ site: currentTarget.value.trim() })} /></label>
              <datalist id="alert-sites">${[...new Set(found.all.map((one) => one.site))].map((one) => html`<option key=${one} value=${one} />`)}</datalist>
            </form>`}
          ${isSome ? html`<${Some} key=${JSON.stringify(wish)} wish=${wish} look=${classes.look} />`
            : html`<${List} found=${found} look=${classes.look} />`}
        </div>
        <${Rules} look=${classes.look} />
      </div>
    </section>`;
}

const Some = ({ wish, look }) => html`<${List} found=${useAlerts(wish)} look=${look} isSome />`;

function List({ found: { all, first, next, problem, trouble, isAsking, again, more }, look, isSome = false }) {
  const [open, setOpen] = useState(null);
  return html`
    ${problem && html`<${Trouble} problem=${problem} again=${again} />`}
    ${!problem && !first && html`<${Waiting} />`}
    ${first && html`<div class="row"><p class="small soft">${isSome && !all.length ? "None like it was raised." : inWords(all, next)}</p>
      ${all.length > 0 && html`<${Download} what="alerts" columns=${COLUMNS} rows=${all} at=${all[0].raised_at} />`}</div>`}
    ${all.length > 0 && html`
      <ul class="raised" tabindex="0" aria-label="Alerts, the latest first">${all.map((one) => html`
        <${Raised} key=${one.alert} one=${one} look=${look} isOpen=${open === one.alert}
          toggle=${() => setOpen(open === one.alert ? null : one.alert)} />`)}</ul>`}
    ${trouble && html`<${Trouble} problem=${trouble} again=${more} />`}
    ${next && !trouble && html`<p><button class="quiet" disabled=${isAsking} onClick=${more}>Earlier ones</button></p>`}`;
}

function Raised({ one, look, isOpen, toggle }) {
  const name = `${words(one.label)} at ${one.site}`;
  return html`
    <li style=${{ "--c": look(one.label).colour }}>
      <div class="row">
        ${one.clip ? html`<button class="bare" aria-expanded=${isOpen} aria-label=${isOpen ? `Close ${name}` : `Hear ${name}`} onClick=${toggle}>
          <${Icon} name=${isOpen ? "stop" : "play"} size=${18} /></button>` : html`<span class="no-clip" aria-hidden="true"></span>`}
        <span class="which"><b><${Label} label=${one.label} look=${look} plain /></b> ${one.site}
          ${" "}<span class="soft small">${one.at ? moment(one.at) : `raised ${moment(one.raised_at)}`}</span></span>
        <span class="figure grow-left">${percent(one.peak_confidence)}</span>
      </div>
      ${isOpen && html`
        <div class="stack tight wide heard">
          <${Clip} path=${one.clip} name=${name} />
          <p class="small soft">${stretch(one.start_s, one.end_s)} of <a href=${link("recordings", [one.recording])}>${fileName(one.key)}</a>,
            heard by ${one.model_version}</p>
        </div>`}
    </li>`;
}

function inWords(alerts, next) {
  if (!alerts.length) return "No alert was raised yet. One comes when a recording below recordings/ has something in it that a rule names.";
  const [latest] = alerts;
  const bySite = {};
  for (const { site } of alerts) bySite[site] = (bySite[site] ?? 0) + 1;
  const [[site, n]] = ranked(bySite);
  const many = next ? `The latest ${alerts.length} alerts are shown` : count(alerts.length, "alert");
  const where = n > 1 ? `, ${n === alerts.length ? "all" : n} of them at ${site}` : "";
  return `${many}${where}. The latest: ${words(latest.label)} at ${latest.site}, ${latest.at ? moment(latest.at) : `raised ${moment(latest.raised_at)}`}.`;
}

function Rules({ look }) {
  const { data, problem, again } = useOnce((signal) => get("/alerts/rules", { signal }));
  const [state, setState] = useState({});
  async function test() {
    setState({ busy: true });
    try {
      const { summary } = await post("/alerts/test");
      setState({ sent: summary });
      announce("A test was sent.");
    } catch (trouble) {
      setState({ trouble });
    }
  }
  return html`
    <div class="card stack">
      <h3>Rules</h3>
      ${problem && html`<${Trouble} problem=${problem} again=${again} />`}
      ${data && !data.rules.length && html`<p class="small">There is none, so nobody is ever told. They are in the application's file.</p>`}
      <ul class="plain rules">${(data?.rules ?? []).map((rule) => html`
        <li key=${`${rule.label} ${rule.site}`}>
          <${Label} label=${rule.label} look=${look} plain />
          <span class="small soft">from ${rule.threshold == null ? "its own threshold" : percent(rule.threshold)}, ${rule.site ? `at ${rule.site}` : "at any site"};
            within ${forHowLong(rule.cooldown_s)} it is one incident</span>
        </li>`)}</ul>
      <button onClick=${test} disabled=${state.busy}>Send a test</button>
      ${!state.sent && !state.trouble && html`<p class="small soft">By mail and webhook, as any alert; it is not listed.</p>`}
      ${state.sent && html`<p class="small"><b>Sent.</b> ${state.sent}</p>`}
      ${state.trouble && html`<${Trouble} problem=${state.trouble} />`}
    </div>`;
}
