// Ask people: what somebody is to say of a sound that was sent to the API.
import { html } from "./dom.js";
import { count, stretch, words } from "./format.js";
import { link } from "./links.js";
import { Trouble } from "./parts.js";
import { ASKED } from "./sites.js";

/** The way to ask; plain to see where the model is in doubt. */
export const AskPeople = ({ isUncertain, isAsking, ask }) => html`
  <button class=${isUncertain ? "primary" : "quiet"} disabled=${isAsking} onClick=${ask}>
    ${isAsking ? "Asking …" : isUncertain ? "Ask people" : "Not right? Ask people"}</button>`;

/** What became of it: `reviews` as POST /review has them, or the `refusal`. */
export function Asked({ reviews, refusal, again }) {
  if (refusal) return html`<${Trouble} problem=${refusal} again=${again} />`;
  return reviews && html`
    <div class="stack tight small">
      ${reviews.some(waits) && html`<p>${standing(reviews)} <a href=${link("review", [], { site: ASKED })}>Review what is sent to the API</a></p>`}
      ${reviews.filter((one) => !waits(one)).map((one) => html`<p key=${one.review}>${said(one)}</p>`)}
    </div>`;
}

/** How what was asked stands, in a sentence or some. */
export function standing(reviews) {
  const waiting = reviews.filter(waits).length;
  if (!waiting) return reviews.map(said).join(" ");
  return waiting === 1 ? "It waits in review, where people can hear it."
    : `${count(waiting, "stretch", "stretches")} of it wait in review, where people can hear them.`;
}

const waits = ({ verdict }) => !verdict;

const said = ({ doubt, reviewed_by: by, reviewed_label: label }) =>
  `${stretch(doubt.start_s, doubt.end_s)}: ${by} ${label ? `said ${words(label)}` : "rejected it"}.`;
