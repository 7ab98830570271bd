// Recordings: what came from the field, what was detected in it and when.
import { useClasses } from "../classes.js";
import { announce, html, useEffect, useRef } from "../dom.js";
import { Occurrences } from "../occurrences.js";
import { PageHead } from "../parts.js";
import { Recording } from "../recording.js";
import { List } from "../recordings.js";
import { link } from "../links.js";

export default function Recordings({ rest: [what], query }) {
  const classes = useClasses();
  const before = useRef(what);
  useEffect(() => {
    if (before.current === what) return;
    before.current = what;
    // One page to the shell: whoever went on within it is taken along here.
    announce(what === "detections" ? "Detections" : what ? "A recording" : "Recordings");
    document.getElementById("main").focus();
    scrollTo(0, 0);
  }, [what]);
  if (what && what !== "detections") {
    return html`<${Recording} key=${what} recording=${what} query=${query} look=${classes.look} />`;
  }
  const views = [["Recordings", [], !what], ["Detections", ["detections"], Boolean(what)]];
  return html`
    <${PageHead} title="Recordings">What recorders brought from the field, heard from end to end.<//>
    <div class="stack wide">
      <nav class="views" aria-label="Views">${views.map(([name, rest, isShown]) => html`
        <a key=${name} href=${link("recordings", rest)} aria-current=${isShown ? "true" : null}>${name}</a>`)}</nav>
      ${what ? html`<${Occurrences} key=${JSON.stringify(query)} query=${query} classes=${classes} />`
        : html`<${List} key=${query.site} site=${query.site} look=${classes.look} />`}
    </div>`;
}
