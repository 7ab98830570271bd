// Small parts that several pages show alike.
import { enterToken } from "./api.js";
import { html } from "./dom.js";
import { percent, words } from "./format.js";
import { Icon } from "./icons.js";

// What was sent is at fault: the same again is refused again.
const OF_CONTENT = [413, 415, 422];

/** What went wrong, in words, with what can be done about it; `about` is what it went wrong with. */
export function Trouble({ problem, again, about = null }) {
  const wantsToken = problem.status === 401 || problem.status === 403;
  const enter = async () => { if (await enterToken(problem)) again?.(); };
  return html`
    <div class="trouble" role="alert">
      <${Icon} name="alert" />
      <div class="stack tight">
        <p>${about && html`<b>${about}.</b> `}${problem.message}</p>
        <p class="row">
          ${wantsToken && html`<button onClick=${enter}>Enter a token</button>`}
          ${again && !wantsToken && !OF_CONTENT.includes(problem.status) && html`<button onClick=${again}>Try again</button>`}
          ${problem.members?.request_id && html`<span class="soft small">request ${problem.members.request_id}</span>`}
        </p>
      </div>
    </div>`;
}

/** A label with its colour; what alerts bears a sign, too, unless it is to be `plain`. */
export function Label({ label, look, plain = false }) {
  const { colour, alert } = look(label);
  return html`<span class="label" style=${{ "--c": colour }}>
    <i class="swatch"></i>${words(label)}${alert && !plain && html`<span class="flag">alert</span>`}
  </span>`;
}

/** "accepted" or "uncertain", as a badge. */
export function Decision({ decision }) {
  return html`<span class=${`badge ${decision}`}>${decision}</span>`;
}

/** Labels with their probabilities, and a mark where each label's threshold is. */
export function Bars({ items, look }) {
  return html`
    <ol class="bars">
      ${items.map(({ label, confidence }) => {
        const { colour, threshold } = look(label);
        return html`
          <li key=${label} style=${{ "--c": colour, "--share": confidence, "--threshold": threshold ?? 1 }}>
            <span class="what">${words(label)}</span>
            <span class="track" aria-hidden="true" title=${threshold == null ? null : `accepted from ${percent(threshold)} on`}>
              <i class="fill"></i>${threshold != null && html`<i class="mark"></i>`}
            </span>
            <span class="figure">${percent(confidence)}</span>
          </li>`;
      })}
    </ol>`;
}

/** A page's head: its name, and a sentence on what it is for. */
export function PageHead({ title, children }) {
  return html`<div class="page-head"><h1>${title}</h1>${children && html`<p class="soft">${children}</p>`}</div>`;
}

/** While nothing is known yet. */
export const Waiting = ({ what = "Loading" }) => html`<p class="waiting" role="status">${what} …</p>`;

/** What a page says that has nothing to show. */
export const Empty = ({ children }) => html`<div class="empty">${children}</div>`;
