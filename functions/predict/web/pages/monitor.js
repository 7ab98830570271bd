// Monitor: how much comes, how sure and how quick the answers are, what drifts, what was raised, and the loop.
import { Alerts, inADay, useAlerts } from "../alerts.js";
import { get } from "../api.js";
import { useClasses } from "../classes.js";
import { html } from "../dom.js";
import { Drift } from "../drift.js";
import { Glance, OverTime, Spreads, WhatCame } from "../figures.js";
import { Latest } from "../latest.js";
import { Loop } from "../loop.js";
import { PageHead, Trouble, Waiting } from "../parts.js";
import { usePoll } from "../poll.js";

export default function Monitor() {
  const classes = useClasses();
  const { look } = classes;
  const metrics = usePoll(async (signal) => still(await get("/metrics", { signal })), [], { every: 3000 });
  const status = usePoll(async (signal) => still(await get("/status", { signal })), [], { every: 4000 });
  const alerts = useAlerts();
  return html`
    <${PageHead} title="Monitor">What was asked and how it was answered, by all processes together; what was raised; and
      whether the loop turns.<//>
    ${metrics.problem && html`<${Trouble} problem=${metrics.problem} again=${metrics.again} />`}
    ${!metrics.problem && !metrics.data && html`<${Waiting} />`}
    <div class="stack monitor">
      ${metrics.data && html`
        <${Glance} metrics=${metrics.data} alerts=${alerts.first && inADay(alerts.first)} />
        <${OverTime} metrics=${metrics.data} />
        <${Spreads} metrics=${metrics.data} />
        <${WhatCame} metrics=${metrics.data} look=${look} />
        <${Drift} drift=${metrics.data.drift} look=${look} />`}
      <${Alerts} found=${alerts} classes=${classes} />
      ${status.problem && !metrics.problem && html`<${Trouble} problem=${status.problem} again=${status.again} />`}
      ${status.data && html`<${Loop} status=${status.data} />`}
      ${metrics.data && html`<${Latest} recent=${metrics.data.recent} look=${look} />`}
    </div>`;
}

/** To the minute, so that what stands still is asked for less often. */
function still({ uptime_s: uptime, process, ...rest }) {
  const minutes = (s) => 60 * Math.floor(s / 60);
  return process ? { ...rest, process: { uptime_s: minutes(process.uptime_s) } } : { ...rest, uptime_s: minutes(uptime) };
}
