// Versions side by side: figures, labels, confusion, calibration, learning, and what they learnt from.
import { get } from "./api.js";
import { Confusion, floorOf, Interval, Reliability } from "./diagrams.js";
import { html } from "./dom.js";
import { count, moment, percent, words } from "./format.js";
import { Label, Trouble, Waiting } from "./parts.js";
import { useOnce } from "./poll.js";
import { lasting, LearningCurve } from "./runs.js";

/** `versions` by their names, in the order in which they are shown. */
export function Comparison({ versions, champion, look }) {
  const { data: cards, problem, again } = useOnce(
    (signal) => Promise.all(versions.map((one) => get(`/models/${encodeURIComponent(one)}`, { signal }))), [versions.join()],
  );
  if (!versions.length) return html`<p class="soft compare">Tick versions to see them side by side.</p>`;
  if (problem) return html`<${Trouble} problem=${problem} again=${again} />`;
  if (!cards) return html`<${Waiting} what="Reading their cards" />`;
  const parts = [
    ["Figures", ({ card }) => html`<${Figures} card=${card} floor=${floorOf(cards.map((one) => one.metrics))} />`],
    ["Taken for each other", ({ card }) => html`<${Confusion} labels=${card.labels} counts=${card.metrics.confusion ?? []} />`],
    ["Does confidence keep its word?", ({ card }) => html`<${Calibration} card=${card} />`],
    ["Would more recordings help?", ({ card }) => html`<${Learning} card=${card} />`],
    ["Learnt from", ({ card }) => html`<${Data} card=${card} look=${look} />`],
  ];
  return html`
    <section class="stack wide compare" aria-labelledby="compare">
      <div class="stack tight"><h2 id="compare">${cards.length > 1 ? "Side by side" : "One version"}</h2>
        <p class="small soft">${inWords(cards)}</p></div>
      ${cards.length > 1 && html`<${PerLabel} cards=${cards} champion=${champion} look=${look} />`}
      ${parts.map(([title, Part]) => html`
        <section key=${title} class="stack tight wide">
          <h3 class="part">${title}</h3>
          <div class="side">
            ${cards.map((card) => html`
              <div key=${card.version} class="card stack tight wide" role="group" aria-label=${`${title}: ${card.version}`}>
                <p class="small"><code>${card.version}</code>${card.version === champion ? html` <span class="badge accepted">in service</span>` : ""}</p>
                <${Part} card=${card} />
              </div>`)}
          </div>
        </section>`)}
      ${cards.length === 1 && html`<${PerLabel} cards=${cards} champion=${champion} look=${look} />`}
    </section>`;
}

function inWords(cards) {
  const [one, other] = cards;
  const share = ({ metrics }) => `${percent(metrics.accuracy)} of its ${metrics.clips?.toLocaleString() ?? "no"} held-out clips`;
  if (!other) return `${one.version} is right on ${share(one)}.`;
  const [a, b] = [one.metrics.accuracy_interval, other.metrics.accuracy_interval];
  const overlap = a && b && a[0] <= b[1] && b[0] <= a[1];
  return `${one.version} is right on ${share(one)}, ${other.version} on ${share(other)}. ${!a || !b ? "" : overlap
    ? "Their 95% intervals overlap: the difference may be chance. " : "Their 95% intervals do not overlap. "
  }Each has its own held-out clips; the gates of a training ask both about the same ones.`;
}

// --- the parts -------------------------------------------------------------------------------

function Figures({ card, floor }) {
  const { metrics } = card;
  const rows = [
    ["Right", html`<${Interval} value=${metrics.accuracy} interval=${metrics.accuracy_interval} floor=${floor} />`],
    ["Macro-F1", percent(metrics.macro_f1)], ["Macro ROC-AUC", percent(metrics.macro_roc_auc)],
    ["Accepted", percent(metrics.accepted_share)], ["Right of the accepted", percent(metrics.accepted_accuracy)],
    ["Log-loss", metrics.log_loss?.toFixed(3) ?? "–"],
    ["Held out", metrics.clips == null ? "–" : `${count(metrics.clips, "clip")} of ${count(metrics.recordings ?? 0, "recording")}`],
  ];
  return html`<dl class="facts">${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** Precision, recall and F1 of each label, version beside version. */
function PerLabel({ cards, champion, look }) {
  const labels = [...new Set(cards.flatMap((card) => card.labels))];
  const figures = [["precision", "Precision"], ["recall", "Recall"], ["f1", "F1"]];
  return html`
    <section class="stack tight wide" aria-labelledby="per-label">
      <h3 class="part" id="per-label">Label by label</h3>
      <div class="scroll" tabindex="0" role="region" aria-labelledby="per-label">
        <table class="per-label">
          <thead>
            ${cards.length > 1 && html`<tr><td></td>${cards.map((card) => html`
              <th key=${card.version} scope="colgroup" colspan="4" class="group"><code>${card.version}</code>${
                card.version === champion ? " (in service)" : ""}</th>`)}</tr>`}
            <tr><th scope="col">Label</th>${cards.map((card) => [
              ...figures.map(([key, name]) => html`<th key=${card.version + key} scope="col" class=${key === "precision" ? "number group" : "number"}>${name}</th>`),
              html`<th key=${`${card.version}n`} scope="col" class="number">Clips</th>`])}</tr>
          </thead>
          <tbody>${labels.map((label) => html`
            <tr key=${label}>
              <th scope="row"><${Label} label=${label} look=${look} /></th>
              ${cards.map((card) => {
                const found = card.metrics.per_label?.[label];
                const spread = card.metrics.intervals?.per_label?.[label];
                return [
                  ...figures.map(([key]) => html`
                    <td key=${card.version + key} class=${key === "precision" ? "number group" : "number"}>${key === "f1" ? html`<b>${percent(found?.[key])}</b>` : percent(found?.[key])}${
                      spread?.[key] && html`<span class="spread">${range(spread[key])}</span>`}</td>`),
                  html`<td key=${`${card.version}n`} class="number">${found?.clips ?? "–"}</td>`,
                ];
              })}
            </tr>`)}</tbody>
        </table>
      </div>
      <p class="small soft">Precision: of the clips called so, how many are. Recall: of those that are, how many are called so. F1 is
        both in one. Beneath, 95% intervals by recording: wide ones mean few recordings.</p>
    </section>`;
}

const range = ([low, high]) => `${Math.round(100 * low)}–${Math.round(100 * high)}`;

function Calibration({ card }) {
  const { data, problem } = useOnce((signal) => get(`/models/${encodeURIComponent(card.version)}/evaluation`, { signal }), [card.version]);
  if (problem?.code === "evaluation_not_found") {
    return html`<p class="soft small">Its held-out answers were not kept; by its card the calibration error is ${percent(card.metrics.ece)}.</p>`;
  }
  if (problem) return html`<p class="small bad">${problem.message}</p>`;
  if (!data) return html`<div class="placeholder"></div>`;
  return html`
    <${Reliability} bins=${data.reliability} ece=${card.metrics.ece} />
    ${data.mistakes.length > 0 && html`
      <details class="small"><summary>${data.mistakes.length === 1 ? "Its one mistake" : `Its ${data.mistakes.length} surest mistakes`}</summary>
        <ul class="plain mistakes">${data.mistakes.map((one) => html`
          <li key=${one.sha256}><b>${words(one.label)}</b> taken for <b>${words(one.answer)}</b> at ${percent(one.confidence)}${
            one.decision === "uncertain" ? ", but uncertain" : ""} <span class="soft">${one.recording}</span></li>`)}</ul>
      </details>`}`;
}

function Learning({ card }) {
  const rows = card.metrics.learning_curve ?? [];
  return rows.length > 1 ? html`<${LearningCurve} rows=${rows} title=${null} />`
    : html`<p class="soft small">There is no learning curve: it was trained before they were kept, or on too few recordings.</p>`;
}

function Data({ card, look }) {
  const { labels = {}, manifest_sha256: manifest, background, notes = [] } = card.data;
  const rows = [
    ["Trained", `${moment(card.trained_at)}, in ${lasting(card.training_s)}`],
    ["Parent", card.parent ? html`<code>${card.parent}</code>` : "none"],
    ["Hears by", card.backbone], ["Classifier", card.metrics.cross_validation?.classifier ?? "–"],
    ["Noise to tell the unknown by", background == null ? "–" : count(background, "clip")],
    ["Manifest", manifest ? html`<code title=${manifest}>${manifest.slice(0, 16)}…</code>` : "–"],
  ];
  return html`
    <table>
      <thead><tr><th scope="col">Label</th><th scope="col" class="number">Learnt from</th><th scope="col" class="number">Held out</th></tr></thead>
      <tbody>${Object.entries(labels).map(([label, { training, held_out: heldOut }]) => html`
        <tr key=${label}><th scope="row"><${Label} label=${label} look=${look} plain /></th>
          <td class="number">${training?.toLocaleString()}</td><td class="number">${heldOut?.toLocaleString()}</td></tr>`)}</tbody>
    </table>
    <dl class="facts">${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${notes.length > 0 && html`<details class="small"><summary>${count(notes.length, "note")}</summary>
      <ul class="plain">${notes.map((note) => html`<li key=${note}>${note}</li>`)}</ul></details>`}`;
}
