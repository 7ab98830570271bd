// Search: a sound goes in, or one that is stored is named; what sounds like it comes out, to be labelled.
import { get, withQuery } from "../api.js";
import { useClasses } from "../classes.js";
import { announce, html, useEffect, useState } from "../dom.js";
import { count, seconds } from "../format.js";
import { handed } from "../handover.js";
import { Icon } from "../icons.js";
import { KINDS, useDropping } from "../intake.js";
import { Matches } from "../matches.js";
import { Empty, PageHead, Trouble, Waiting } from "../parts.js";
import { link } from "../links.js";

// As many as the API finds at once; the list shows them by and by.
const LIMIT = 100;
const KINDS_OF = [["all", "Recordings and samples"], ["recordings", "Recordings only"], ["samples", "Samples only"]];

// What was given last is there again when the reader comes back to the page.
let given = null;

export default function Search({ query }) {
  const classes = useClasses();
  const [file, setFile] = useState(() => { given = handed("search")[0] ?? given; return given; });
  const [kind, setKind] = useState("all");
  const named = query.recording || query.sample;
  const take = ([first]) => {
    given = first;
    setFile(first);
    // The file is searched for, and no longer what the address names.
    if (named) location.hash = link("search");
  };
  const isOver = useDropping(take);
  const what = named ? query : file;
  const { found, problem, busy, again } = useFound(what, named ? query : null, kind);
  return html`
    <${PageHead} title="Search">Give it a rare sound, and it finds more of the kind: label what is right, and it learns.<//>
    <section class=${isOver ? "intake over" : "intake"} aria-label="A sound to search by">
      <label class="choose">
        <${Icon} name="search" size=${24} />
        <span><b>Drop a short sound here</b>, or <u>choose a file</u><br />
          <span class="soft small">As for Listen, up to 4.4 MB; “more like this” beside a clip searches by that</span></span>
        <input type="file" class="unseen" accept=${KINDS}
          onChange=${({ currentTarget: field }) => { if (field.files[0]) take([field.files[0]]); field.value = ""; }} />
      </label>
      <label class="field place"><span>Among</span>
        <select value=${kind} onChange=${({ currentTarget }) => setKind(currentTarget.value)}>
          ${KINDS_OF.map(([value, words]) => html`<option key=${value} value=${value}>${words}</option>`)}
        </select></label>
    </section>
    <div class="stack wide" aria-busy=${busy}>
      ${!what && html`<${Empty}>Searched are the stretches of all <a href=${link("recordings")}>recordings</a> that were heard, and the
        ${" "}<a href=${link("train")}>samples</a>: by ear, not by label. One example of a sound that the model does not know is enough.<//>`}
      ${problem && html`<${Trouble} problem=${problem} again=${again} />`}
      ${busy && html`<${Waiting} what="Searching" />`}
      ${found && html`
        <h2>${found.matches.length ? `Like ${nameOf(what)}` : "Nothing found"}</h2>
        <p class="soft small">The nearest of ${count(found.searched, "stretch", "stretches")} and samples, as
          ${" "}<a href=${link("models", [], { compare: found.model_version })}>${found.model_version}</a> hears them. 1 is the very same sound.</p>
        ${found.notes.map((note) => html`<p key=${note} class="empty">${note}</p>`)}
        <${Matches} matches=${found.matches} classes=${classes} />`}
    </div>`;
}

/** What is found by a file, or by what `named` says is stored: `{ found, problem, busy, again }`. */
function useFound(what, named, kind) {
  const [state, setState] = useState({ found: null, problem: null, busy: false });
  const [round, setRound] = useState(0);
  const key = named ? JSON.stringify(named) : what;
  useEffect(() => {
    if (!what) return undefined;
    const giveUp = new AbortController();
    setState({ found: null, problem: null, busy: true });
    ask(what, named, kind, giveUp.signal).then((found) => {
      setState({ found, problem: null, busy: false });
      announce(`${count(found.matches.length, "match", "matches")} found.`);
    }, (problem) => {
      if (problem.name !== "AbortError") setState({ found: null, problem, busy: false });
    });
    return () => giveUp.abort();
  }, [key, kind, round]);
  return { ...state, again: () => setRound(round + 1) };
}

const ask = (what, named, kind, signal) => get(withQuery("/search", {
  limit: LIMIT, kind, recording: named?.recording, start_s: named?.recording && named.start_s, sample: named?.sample,
}), { method: "POST", signal, ...(named ? {} : { body: what, headers: { "Content-Type": "audio/*" } }) });

function nameOf(what) {
  if (what.sample) return "this sample";
  return what.recording ? `this stretch, from ${seconds(Number(what.start_s))} on` : what.name;
}
