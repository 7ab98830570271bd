import { address } from "../api.js";
import { html } from "../dom.js";
import { Empty, PageHead } from "../parts.js";

export default function Recordings() {
  return html`
    <${PageHead} title="Recordings" />
    <${Empty}>This page is not built yet. The API has what it will show: see <a href=${address("docs").href}>its manual</a>.<//>`;
}
