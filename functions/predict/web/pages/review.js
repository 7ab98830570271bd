import { address } from "../api.js";
import { html } from "../dom.js";
import { Empty, PageHead } from "../parts.js";

export default function Review() {
  return html`
    <${PageHead} title="Review" />
    <${Empty}>This page is not built yet. The API has what it will show: see <a href=${address("docs").href}>its manual</a>.<//>`;
}
