// A label that has no button of its own: one of the rest, or a new one where the application takes any.
import { html, useRef } from "./dom.js";
import { words } from "./format.js";

/** `rest` are the labels without a button; `say(label)` is told what was chosen or written. */
export function Naming({ rest, isOpen, disabled = false, say }) {
  const field = useRef(null);
  if (!rest.length && !isOpen) return null;
  const submit = (event) => {
    event.preventDefault();
    say(field.current.value.trim());
  };
  return html`<form class="row" onSubmit=${submit}>
    ${isOpen ? html`<input ref=${field} required pattern=".*\\S.*" maxlength="64" list="others" placeholder="another label" aria-label="Another label" />
        <datalist id="others">${rest.map((one) => html`<option key=${one} value=${one} />`)}</datalist>`
      : html`<select ref=${field} aria-label="Another label">${rest.map((one) => html`<option key=${one} value=${one}>${words(one)}</option>`)}</select>`}
    <button class="quiet" disabled=${disabled}>It is this</button></form>`;
}
