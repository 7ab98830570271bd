// Put a version into service, or back out of it: asked once more, with a reason that is kept.
import { post, token } from "./api.js";
import { announce, html, useEffect, useRef, useState } from "./dom.js";
import { Trouble } from "./parts.js";

/** What a rollback takes back now, or null: rollbacks and what they took back cancel out. */
export function rollbackOf(history) {
  let takenBack = 0;
  for (const one of history) {
    if (one.rollback) takenBack += 1;
    else if (takenBack) takenBack -= 1;
    else return one;
  }
  return null;
}

/** `wish` is `{ version }` or `{ rollback }`, null for no dialog; `done(changed)` closes it. */
export function PromotionDialog({ wish, champion, done }) {
  const dialog = useRef(null);
  const [state, setState] = useState({});
  useEffect(() => {
    if (!wish) return;
    setState({});
    dialog.current.showModal();
  }, [wish]);
  if (!wish) return null;

  const { version, rollback } = wish;
  const wanted = rollback ? rollback.previous ?? "the default bundle" : version;
  // Who closes it while the API is asked has it closed when the answer comes.
  const close = (changed) => { dialog.current?.close(); done(changed); };

  async function move(event) {
    event.preventDefault();
    const { reason, by } = event.currentTarget.elements;
    setState({ busy: true });
    const path = rollback ? "/models/rollback" : `/models/${encodeURIComponent(version)}/promote`;
    try {
      await post(path, {
        reason: reason.value.trim(), ...(by?.value.trim() ? { by: by.value.trim() } : {}),
        ...(champion ? { expected: champion } : {}),
      });
      announce(`In service: ${wanted}.`);
      close(true);
    } catch (problem) {
      setState({ problem });
    }
  }

  return html`
    <dialog ref=${dialog} class="dialog" aria-labelledby="promote-title"
      onCancel=${(event) => { event.preventDefault(); close(false); }}>
      <form class="stack" onSubmit=${move}>
        <h2 id="promote-title">${rollback ? "Roll back" : "Promote"}</h2>
        <p>${rollback ? "Back comes " : "Into service comes "}<code>${wanted}</code>${champion ? html`, in the place of
          ${" "}<code>${champion}</code>` : ""}. It answers at once, for everybody${rollback ? "" : `, whatever its gates said; it is
          tried before`}.</p>
        <label class="field"><span>Reason, which the trail keeps</span>
          <input name="reason" required maxlength="500" pattern=".*\\S.*" autofocus placeholder=${rollback ? "deaf in the rain" : "hears the new sirens"} /></label>
        ${!token.get() && html`
          <label class="field"><span>Your name</span><input name="by" maxlength="500" autocomplete="name" /></label>`}
        ${state.problem && html`<${Trouble} problem=${state.problem} />`}
        <p class="row end">
          <button type="button" onClick=${() => close(false)}>Leave it</button>
          <button class="primary" disabled=${state.busy}>${rollback ? "Roll back" : "Promote"}</button>
        </p>
      </form>
    </dialog>`;
}
