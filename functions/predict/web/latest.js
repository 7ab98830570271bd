// The latest predictions one by one, to read and to keep as a file.
import { html, save } from "./dom.js";
import { count, exactly, seconds } from "./format.js";
import { Decision, Label } from "./parts.js";
import { ms } from "./told.js";

const COLUMNS = ["timestamp", "request_id", "label", "confidence", "decision", "model_version", "duration_s", "processing_ms"];

export function Latest({ recent, look }) {
  return html`
    <section class="stack tight wide" aria-labelledby="latest">
      <div class="row"><h2 id="latest">The latest predictions</h2>
        ${recent.length > 0 && html`<button class="quiet grow-left" onClick=${() => save(nameOf(recent), new Blob([csv(recent)], { type: "text/csv" }))}>Download as CSV</button>`}</div>
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

/** RFC 4180, times in UTC. Spreadsheets take what begins like a formula for one: it is quoted for them, too. */
export function csv(recent) {
  const cell = (value) => {
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [COLUMNS, ...recent.map((one) => COLUMNS.map((name) => one[name]))]
    .map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

const nameOf = ([latest]) => `earshot-predictions-${latest.timestamp.slice(0, 19).replaceAll(":", "-")}.csv`;
