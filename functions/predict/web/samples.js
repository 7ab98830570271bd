// The catalogue in numbers: clips of each label, and what could not be used.
import { html } from "./dom.js";
import { count, fileName, moment, words } from "./format.js";
import { Label } from "./parts.js";

const SHOWN = 8;

/** Clips of each label: here, new since the last training, and what the model in service learnt from. */
export function LabelCounts({ samples, champion, look }) {
  const { labels, growth } = samples;
  const learnt = champion?.learnt_from ?? {};
  const all = [...new Set([...samples.known_labels, ...Object.keys(labels), ...Object.keys(learnt)])];
  const most = Math.max(1, ...Object.values(labels));
  return html`
    <div class="scroll" tabindex="0" role="region" aria-labelledby="next">
      <table class="counts">
        <thead><tr>
          <th scope="col">Label</th><th scope="col"><span class="unseen">Share that is new</span></th>
          <th scope="col" class="number">Samples</th><th scope="col" class="number">New</th>
          <th scope="col" class="number">In the model</th>
        </tr></thead>
        <tbody>
          ${all.map((label) => {
            const number = labels[label] ?? 0;
            const grown = growth[label] ?? 0;
            const fresh = Math.max(0, Math.min(grown, number));
            return html`
              <tr key=${label} style=${{ "--c": look(label).colour }}>
                <th scope="row"><${Label} label=${label} look=${look} plain /></th>
                <td class="amount" aria-hidden="true"><i class="old" style=${{ width: `${(100 * (number - fresh)) / most}%` }}></i><i
                  class="new" style=${{ width: `${(100 * fresh) / most}%` }}></i></td>
                <td class="number">${number.toLocaleString()}</td>
                <td class="number">${grown > 0 ? `+${grown.toLocaleString()}` : grown < 0 ? grown.toLocaleString() : html`<span class="soft">–</span>`}</td>
                <td class="number">${learnt[label] == null ? html`<span class="soft">–</span>` : learnt[label].toLocaleString()}</td>
              </tr>`;
          })}
        </tbody>
      </table>
    </div>
    <p class="soft small">Samples are the clips that lie in the bucket. The model in service may have learnt from others, too:
      those that it came with.</p>`;
}

/** Refused files with their reasons, and archives with what became of them. */
export function NotUsed({ samples }) {
  const { refused, imports } = samples;
  return html`
    ${refused.length > 0 && html`
      <section class="card stack tight" aria-labelledby="refused">
        <h2 id="refused">${count(refused.length, "file")} refused${refused.length === 100 ? " of late" : ""}</h2>
        <${Refused} those=${refused.slice(0, SHOWN)} />
        ${refused.length > SHOWN && html`<details><summary>${refused.length - SHOWN} more</summary>
          <${Refused} those=${refused.slice(SHOWN)} /></details>`}
      </section>`}
    ${imports.length > 0 && html`
      <section class="card stack tight" aria-labelledby="archives">
        <h2 id="archives">Archives</h2>
        <ul class="plain">
          ${imports.slice(0, SHOWN).map((one) => html`
            <li key=${one.key}><b>${given(one.key)}</b> <span class="soft small">${moment(one.at)}</span>
              <p class="small">${count(one.clips, "clip")} ${one.state === "unpacked" ? "unpacked" : "unpacked so far"}${
                one.ignored_total > 0 ? html`, ${count(one.ignored_total, "file")} that ${one.ignored_total === 1 ? "is" : "are"} no
                audio ignored: <span class="soft">${one.ignored.slice(0, 3).join(", ")}${one.ignored_total > 3 ? ", …" : ""}</span>` : ""}.</p></li>`)}
        </ul>
      </section>`}`;
}

function Refused({ those }) {
  return html`
    <ul class="plain">
      ${those.map(({ key, reason, refused_at: at }) => html`
        <li key=${key}><b class="file">${given(key)}</b> <span class="soft small">${place(key)}, ${moment(at)}</span>
          <p class="small">${reason}</p></li>`)}
    </ul>`;
}

/** What the file was called by who sent it. */
const given = (key) => fileName(key).replace(/^[0-9a-f]{12}-/, "");

function place(key) {
  const [kind, label] = key.split("/");
  return kind === "samples" ? `given as ${words(label)}` : kind === "imports" ? "an archive" : kind;
}
