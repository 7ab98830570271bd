// Models: all versions, some of them side by side, which one serves, and who decided that.
import { get } from "../api.js";
import { useClasses } from "../classes.js";
import { Comparison } from "../compare.js";
import { floorOf, Interval } from "../diagrams.js";
import { html, useState } from "../dom.js";
import { count, moment, percent } from "../format.js";
import { Empty, PageHead, Trouble, Waiting } from "../parts.js";
import { usePoll } from "../poll.js";
import { PromotionDialog, rollbackOf } from "../promotion.js";
import { link } from "../links.js";
import { PastShadows, Shadow } from "../shadow.js";

export default function Models({ query }) {
  const classes = useClasses();
  const { data, problem, again } = usePoll((signal) => get("/models", { signal }), [], { every: 3000 });
  const [wish, setWish] = useState(null);
  const models = data?.models ?? [];
  const champion = models.find((one) => one.champion);
  const compared = chosen(query.compare, models, champion);
  const undone = rollbackOf(data?.history ?? []);
  return html`
    <${PageHead} title="Models">Every training makes a version that never changes. One of them serves; each can be put
      back in its place.<//>
    ${problem && html`<${Trouble} problem=${problem} again=${again} />`}
    ${!data && !problem && html`<${Waiting} />`}
    ${data && html`
      ${Object.entries(data.unreadable).map(([version, why]) => html`
        <p key=${version} class="trouble unreadable"><span><b>${version === "default" ? "The bundle that came with the deployment" : version}
          cannot be read.</b> ${why}</span></p>`)}
      ${!models.length ? html`<${Empty}>There is no version yet: <a href=${link("train")}>teach one</a>.<//>` : html`
        <${Versions} models=${models} compared=${compared} shadow=${data.shadow} wish=${(kind, version) => setWish({ kind, version })}
          rollBack=${undone && (() => setWish({ kind: "rollback", rollback: undone }))} />
        ${data.shadow && html`<${Shadow} shadow=${data.shadow} champion=${champion?.version} wish=${(kind, version) => setWish({ kind, version })} />`}
        <${Comparison} key=${compared.join()} versions=${compared} champion=${champion?.version} look=${classes.look} />`}
      <${Trail} history=${data.history} />
      ${data.shadows.length > 0 && html`<${PastShadows} shadows=${data.shadows} />`}
      <${PromotionDialog} wish=${wish} champion=${champion?.version} done=${(changed) => { setWish(null); if (changed) again(); }} />`}`;
}

/** The versions of the address; else the one that serves, and its parent or the latest beside it. */
function chosen(asked, models, champion) {
  if (asked != null) {
    return [...new Set(asked.split(","))].filter((version) => models.some((one) => one.version === version));
  }
  const first = champion ?? models[0];
  const beside = models.find((one) => one.version === first?.parent) ?? models.find((one) => one !== first);
  return [first, beside].filter(Boolean).map((one) => one.version);
}

function Versions({ models, compared, shadow, wish, rollBack }) {
  const floor = floorOf(models);
  const among = (version) => compared.includes(version);
  const next = (version) => link("models", [], {
    compare: (among(version) ? compared.filter((one) => one !== version) : [...compared, version]).join(",") || "none",
  });
  return html`
    <section class="stack tight wide versions" aria-labelledby="versions">
      <div class="row"><h2 id="versions">${count(models.length, "version")}</h2>
        <button class="quiet grow-left" disabled=${!rollBack} onClick=${rollBack}
          title=${rollBack ? null : "No version served before this one"}>Roll back …</button></div>
      <div class="scroll" tabindex="0" role="region" aria-labelledby="versions">
        <table>
          <thead><tr>
            <th scope="col">Compare</th><th scope="col">Version</th>
            <th scope="col">Right on held-out clips</th>
            <th scope="col" class="number" title="Mean over labels of the F1 score">Macro-F1</th>
            <th scope="col" class="number" title="Expected calibration error: how far confidence is off, on average">ECE</th>
            <th scope="col" class="number">Learnt from</th><th scope="col"><span class="unseen">What to do with it</span></th>
          </tr></thead>
          <tbody>${models.map((one) => html`
            <tr key=${one.version} class=${one.champion ? "serves" : ""}>
              <td><input type="checkbox" checked=${among(one.version)} aria-label=${`Compare ${one.version}`}
                onChange=${() => { location.hash = next(one.version); }} /></td>
              <th scope="row"><code>${one.version}</code>
                <span class="small soft when">${moment(one.trained_at)}${one.champion && html` <span class="badge accepted">in service</span>`}
                ${one.version === shadow?.version && html` <span class="badge uncertain">hears along</span>`}</span></th>
              <td class="right"><${Interval} value=${one.accuracy} interval=${one.accuracy_interval} floor=${floor} />
                <span class="small soft">of ${count(one.held_out ?? 0, "clip")}</span></td>
              <td class="number">${percent(one.macro_f1)}</td>
              <td class="number">${percent(one.ece)}</td>
              <td class="number">${count(Object.values(one.learnt_from).reduce((sum, n) => sum + n, 0), "clip")}</td>
              <td class="number">${!one.champion && html`
                <button class="quiet" aria-label=${`Promote ${one.version}`} onClick=${() => wish("promote", one.version)}>Promote …</button>
                ${one.version !== shadow?.version && html`
                  <button class="quiet" aria-label=${`Let ${one.version} hear along`} onClick=${() => wish("shadow", one.version)}>Hear along …</button>`}`}</td>
            </tr>`)}</tbody>
        </table>
      </div>
    </section>`;
}

function Trail({ history }) {
  const named = (version) => (version ? html`<code>${version}</code>` : html`<span>the default bundle</span>`);
  return html`
    <section class="stack tight wide trail" aria-labelledby="trail">
      <h2 id="trail">Who put what into service</h2>
      ${!history.length && html`<p class="soft">Nothing was promoted yet: the default bundle serves.</p>`}
      ${history.length > 0 && html`
        <div class="scroll" tabindex="0" role="region" aria-labelledby="trail">
          <table>
            <thead><tr><th scope="col">When</th><th scope="col">Who</th><th scope="col">From</th><th scope="col">To</th><th scope="col">Why</th></tr></thead>
            <tbody>${history.map((one) => html`
              <tr key=${one.promoted_at}>
                <td class="moment">${moment(one.promoted_at)}</td><td>${one.promoted_by}</td>
                <td>${named(one.previous)}</td>
                <td>${named(one.version)}${one.rollback && html` <span class="badge uncertain">rollback</span>`}</td>
                <td>${one.reason}</td>
              </tr>`)}</tbody>
          </table>
        </div>`}
    </section>`;
}
