// The latest predictions one by one, to read and to keep as a file.
import { Download } from "./csv.js";
import { html } from "./dom.js";
import { count, exactly, seconds } from "./format.js";
import { Decision, Label } from "./parts.js";
import { ms } from "./told.js";

const COLUMNS = ["timestamp", "request_id", "label", "confidence", "decision", "model_version", "duration_s", "processing_ms"];

export function Latest({ recent, look }) {
  return html`
    <section class="stack tight wide" aria-labelledby="latest">
      <div class="row"><h2 id="latest">The latest predictions</h2>
        ${recent.length > 0 && html`<${Download} what="predictions" columns=${COLUMNS} rows=${recent} at=${recent[0].timestamp} />`}</div>
      ${!recent.length ? html`<p class="soft">None in the last 24 hours.</p>` : html`
        <div class="card scroll latest" tabindex="0" role="region" aria-labelledby="latest">
          <table>
            <thead><tr><th scope="col">When</th><th scope="col">Label</th><th scope="col">Decision</th><th scope="col" class="number">Confidence</th>
              <th scope="col" class="number">Heard</th><th scope="col" class="number">Took</th><th scope="col">Version</th></tr></thead>
            <tbody>${recent.map((one) => html`
              <tr key=${one.request_id}>
                <td class="moment">${exactly(one.timestamp)}</td>
                <td><${Label} label=${one.label} look=${look} plain /></td>
                <td><${Decision} decision=${one.decision} /></td>
                <td class="number">${(100 * one.confidence).toFixed(1)}%</td>
                <td class="number">${seconds(one.duration_s)}</td>
                <td class="number">${ms(one.processing_ms)}</td>
                <td class="moment"><code>${one.model_version}</code></td>
              </tr>`)}</tbody>
          </table>
        </div>
        <p class="small soft">${count(recent.length, "prediction")} of the last 24 hours, at most 32 are kept here. All of them are in the log, a line
          each with its request's number.</p>`}
    </section>`;
}
