// A challenger that hears along with the champion: how far it is, and where both disagree.
import { html } from "./dom.js";
import { count, moment, percent, words } from "./format.js";

/** `shadow` as GET /models has it; `wish(kind, version)` asks for what is to be done with it. */
export function Shadow({ shadow, champion, wish }) {
  const { version, compared, agreed, needed, still_needed: left } = shadow;
  return html`
    <section class="stack wide card shadow" aria-labelledby="shadow">
      <div class="row"><h2 id="shadow">In the shadow</h2>
        <span class="row grow-left">
          <button class="quiet" onClick=${() => wish("stop", version)}>Stop …</button>
          <button onClick=${() => wish("promote", version)}>Promote it now …</button></span></div>
      <p><code>${version}</code> hears ${percent(shadow.share, 0)} of what <code>${champion ?? "the default bundle"}</code> hears, and answers
        nobody. ${shadow.began_by} began it ${moment(shadow.began_at)}: “${shadow.reason}”.</p>
      ${needed > 0 && html`
        <label class="field"><span>${count(Math.min(compared, needed), "comparison")} of ${needed}${left
          ? `; ${left} to go until it is promoted` : "; the next sweep decides"}</span>
          <progress max=${needed} value=${Math.min(compared, needed)}></progress></label>`}
      ${shadow.against && html`<p class="trouble"><span><b>As it is, it would not be promoted.</b> ${shadow.against}</span></p>`}
      <dl class="facts">
        <div><dt>Compared</dt><dd>${count(compared, "sound")}</dd></div>
        <div><dt>Same label</dt><dd>${compared ? percent(agreed / compared) : "not known"}</dd></div>
        <div><dt>Uncertain, the champion</dt><dd>${compared ? percent(shadow.uncertain / compared) : "not known"}</dd></div>
        <div><dt>Uncertain, the challenger</dt><dd>${compared ? percent(shadow.challenger_uncertain / compared) : "not known"}</dd></div>
        <div><dt>Failed at</dt><dd>${count(shadow.failed, "sound")}</dd></div>
        <div><dt>Takes</dt><dd>${shadow.mean_ms == null ? "not known" : `${shadow.mean_ms.toFixed(1)} ms a sound`}</dd></div>
      </dl>
      ${compared > 0 && html`<${Agreement} pairs=${shadow.pairs} />`}
    </section>`;
}

/** What the challenger says to what the champion calls a label, shaded by the share of each row. */
function Agreement({ pairs }) {
  const labels = [...new Set(pairs.flatMap((one) => [one.champion, one.challenger]))].sort();
  const of = (mine, its) => pairs.find((one) => one.champion === mine && one.challenger === its)?.count ?? 0;
  const sums = Object.fromEntries(labels.map((mine) => [mine, labels.reduce((sum, its) => sum + of(mine, its), 0)]));
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="Where both agree">
      <table class="confusion">
        <thead>
          <tr><td></td><th scope="colgroup" colspan=${labels.length} class="over">the challenger says</th><td></td></tr>
          <tr><th scope="col">The champion says</th>${labels.map((its) => html`<th key=${its} scope="col">${words(its)}</th>`)}
            <th scope="col">Same</th></tr>
        </thead>
        <tbody>${labels.filter((mine) => sums[mine]).map((mine) => html`
          <tr key=${mine}><th scope="row">${words(mine)}</th>
            ${labels.map((its) => {
              const n = of(mine, its);
              return html`<td key=${its} class=${mine === its ? "hit" : n ? "miss" : "none"} style=${{ "--share": n / sums[mine] }}
                title=${`${n} of ${sums[mine]} that the champion calls ${words(mine)}`}>${n || "·"}</td>`;
            })}
            <td>${percent(of(mine, mine) / sums[mine], 0)}</td></tr>`)}</tbody>
      </table>
    </div>`;
}

/** Who heard along, and what became of it. */
export const PastShadows = ({ shadows }) => html`
  <section class="stack tight wide trail" aria-labelledby="shadows">
    <h2 id="shadows">What heard along</h2>
    <div class="scroll" tabindex="0" role="region" aria-labelledby="shadows">
      <table>
        <thead><tr><th scope="col">Until</th><th scope="col">Who ended it</th><th scope="col">Version</th><th scope="col">Why</th></tr></thead>
        <tbody>${shadows.map((one) => html`
          <tr key=${one.began_at}>
            <td class="moment">${moment(one.ended_at)}</td><td>${one.ended_by}</td>
            <td><code>${one.version}</code>${one.promoted && html` <span class="badge accepted">promoted</span>`}</td>
            <td>${one.why}</td>
          </tr>`)}</tbody>
      </table>
    </div>
  </section>`;

const FATES = {
  shadowing: "heard along with the champion", dismissed: "heard along no more", promoted: "came into service",
  "taken back": "was taken back",
};

/** What became of a run's version after it was judged. */
export const Fates = ({ fates }) => html`
  <ol class="plain small" aria-label="What became of it">${fates.map((one) => html`
    <li key=${one.at + one.became}>${moment(one.at)}: it <b>${FATES[one.became]}</b>, by ${one.by}. <span class="soft">${one.reason}</span></li>`)}</ol>`;
