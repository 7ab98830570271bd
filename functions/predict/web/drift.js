// Drift on Monitor: whether what is heard still sounds as what the model was judged by, site by site.
import { html } from "./dom.js";
import { count, moment, percent } from "./format.js";
import { Label } from "./parts.js";
import { link } from "./links.js";
import { ASKED, placed } from "./sites.js";

const STATES = { drifting: "drifts", steady: "steady", too_few: "too few answers" };
// From here on the index of the label mix is called a large shift, as scoring has it.
const OTHER_MIX = 0.25;

export function Drift({ drift, look }) {
  const sites = drift?.sites ?? [];
  return html`
    <section class="stack tight wide" aria-labelledby="drift">
      <h2 id="drift">Drift</h2>
      <div class="card stack wide">
        <p class="small">${inWords(drift)}</p>
        ${sites.length > 0 && html`
          <div class="scroll" tabindex="0" role="region" aria-label="Drift by site">
            <table class="small drift">
              <thead><tr><th scope="col">Site</th><th scope="col">State</th><th scope="col">Answers</th>
                <th scope="col">More novel</th><th scope="col">Surer</th><th scope="col">By chance</th><th scope="col">Uncertain</th><th scope="col">Labels</th></tr></thead>
              <tbody>${sites.map((one) => html`<${Site} key=${one.site} one=${one} look=${look} />`)}</tbody>
            </table>
          </div>
          <p class="small soft">More novel, surer: how often a sound is further from what was learnt, and answered with more confidence,
            than a held-out clip of the same label; 50% is no shift, and less is the opposite. By chance: the probability of so much
            difference if nothing has changed. A site drifts until it was calm for as many days as are looked at; one that never was
            like the training data does so from its first day.</p>`}
      </div>
    </section>`;
}

function Site({ one, look }) {
  const { all } = one;
  return html`
    <tr>
      <th scope="row">${placed(one.site)}</th>
      <td><span class=${`badge ${one.state === "drifting" ? "uncertain" : one.state === "steady" ? "accepted" : ""}`}>${STATES[one.state]}</span>
        ${one.since && html`<br /><span class="soft">since ${moment(one.since)}</span>`}
        ${one.state === "drifting" && one.site !== ASKED && html`<br /><a href=${link("review", [], { site: one.site })}>Review what was heard</a>`}</td>
      <td class="number">${one.units.toLocaleString()}</td>
      <td class="number">${all?.more_novel == null ? "–" : percent(all.more_novel, 0)}</td>
      <td class="number">${all?.surer == null ? "–" : percent(all.surer, 0)}</td>
      <td class="number">${all?.p == null ? "–" : percent(all.p)}</td>
      <td class="number">${percent(one.uncertain, 0)} <span class="soft">of ${percent(one.reference_uncertain, 0)}</span></td>
      <td>${one.drifting.map((label) => html`<${Label} key=${label} label=${label} look=${look} plain /> `)}
        ${one.label_mix >= OTHER_MIX && html`<span class="soft">another mix of labels</span>`}</td>
    </tr>`;
}

/** What was found, in a sentence or two. */
export function inWords(drift) {
  if (!drift) return "Nothing was compared yet. It is looked at once a day, when recordings of a site or requests have come in.";
  if (drift.state === "no_model") return "There is no model to compare with yet.";
  if (drift.state === "no_reference") return `${drift.version} was made by an earlier release, which kept nothing to compare with: the next training does.`;
  const of = (state) => drift.sites.filter((one) => one.state === state);
  const [drifting, steady, few] = [of("drifting"), of("steady"), of("too_few")];
  const found = drifting.length
    ? `${drifting.map((one) => placed(one.site)).join(", ")} ${drifting.length > 1 ? "do" : "does"} not sound as what the model was judged by.`
    : steady.length ? `${count(steady.length, "site")} sound${steady.length > 1 ? "" : "s"} as what the model was judged by.` : "";
  const waiting = few.length ? ` ${count(few.length, "site")} had fewer than ${drift.min_units} independent answers.` : "";
  const asked = `Looked at ${moment(drift.at)}; when nothing changes, an alarm is raised on ${percent(drift.false_alarms, 0)} of days at most.`;
  return `${found}${waiting} ${asked}`.trim();
}
