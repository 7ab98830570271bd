// Alerts: what was raised, to listen to, the rules behind it, and a way to try the way they take.
import { Clip } from "./clip.js";
import { get, post, withQuery } from "./api.js";
import { announce, html, useState } from "./dom.js";
import { count, fileName, moment, percent, stretch, words } from "./format.js";
import { Icon } from "./icons.js";
import { Label, Trouble, Waiting } from "./parts.js";
import { useOnce, usePoll } from "./poll.js";
import { link } from "./router.js";
import { forHowLong, ranked } from "./told.js";

const DAY_MS = 86_400_000;
const SHOWN = 100;

/** The latest alerts, kept up to date. */
export const useAlerts = () => usePoll(
  (signal) => get(withQuery("/alerts", { limit: SHOWN }), { signal }), [], { every: 4000 },
);

/** How many of them were raised in the last 24 hours; with a sign when there may be more. */
export function inADay({ alerts, next }) {
  const since = Date.now() - DAY_MS;
  const n = alerts.filter((one) => Date.parse(one.raised_at) >= since).length;
  return n === alerts.length && next ? `${n}+` : String(n);
}

export function Alerts({ found: { data, problem, again }, look }) {
  const [open, setOpen] = useState(null);
  return html`
    <section class="stack tight wide" aria-labelledby="alerts">
      <h2 id="alerts">Alerts</h2>
      ${problem && html`<${Trouble} problem=${problem} again=${again} />`}
      ${!problem && !data && html`<${Waiting} />`}
      <div class="alarms">
        ${data && html`
          <div class="card stack tight wide">
            <p class="small soft">${inWords(data)}</p>
            ${data.alerts.length > 0 && html`
              <ul class="raised" tabindex="0" aria-label="Alerts, the latest first">${data.alerts.map((one) => html`
                <${Raised} key=${one.alert} one=${one} look=${look} isOpen=${open === one.alert}
                  toggle=${() => setOpen(open === one.alert ? null : one.alert)} />`)}</ul>`}
          </div>`}
        <${Rules} look=${look} />
      </div>
    </section>`;
}

function Raised({ one, look, isOpen, toggle }) {
  const name = `${words(one.label)} at ${one.site}`;
  return html`
    <li style=${{ "--c": look(one.label).colour }}>
      <div class="row">
        ${one.clip ? html`<button class="bare" aria-expanded=${isOpen} aria-label=${isOpen ? `Close ${name}` : `Hear ${name}`} onClick=${toggle}>
          <${Icon} name=${isOpen ? "stop" : "play"} size=${18} /></button>` : html`<span class="no-clip" aria-hidden="true"></span>`}
        <b><${Label} label=${one.label} look=${look} plain /></b>
        <span>${one.site}</span>
        <span class="soft small">${one.at ? moment(one.at) : `raised ${moment(one.raised_at)}`}</span>
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

function inWords({ alerts, next }) {
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
