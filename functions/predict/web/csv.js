// Rows of the API as a file for spreadsheets.
import { html, save } from "./dom.js";

/** RFC 4180, times in UTC. Spreadsheets take what begins like a formula for one: it is quoted for them, too. */
export function csv(columns, rows) {
  const cell = (value) => {
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows.map((one) => columns.map((name) => one[name]))]
    .map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** Has the browser keep what is listed; `what` and the time of the latest are the file's name. */
export const Download = ({ what, columns, rows, at }) => html`
  <button type="button" class="quiet grow-left" onClick=${() => save(
    `earshot-${what}-${at.slice(0, 19).replaceAll(":", "-")}.csv`, new Blob([csv(columns, rows)], { type: "text/csv" }))}>Download as CSV</button>`;
