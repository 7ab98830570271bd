// The token dialog: opened when the API asks for one, or by hand.
import { askForTokensBy, token } from "./api.js";
import { html, useEffect, useRef, useState } from "./dom.js";

export function TokenDialog() {
  const dialog = useRef(null);
  const field = useRef(null);
  const settle = useRef(() => {});
  const [problem, setProblem] = useState(null);

  useEffect(() => {
    askForTokensBy((asked) => new Promise((resolve) => {
      setProblem(asked);
      settle.current = resolve;
      field.current.value = "";
      if (!dialog.current.open) dialog.current.showModal();
      field.current.focus();
    }));
  }, []);

  function close(given) {
    dialog.current.close();
    settle.current(given);
  }

  function use(event) {
    event.preventDefault();
    const text = field.current.value.trim();
    if (!text) return;
    token.set(text);
    close(true);
  }

  function forget() {
    token.forget();
    close(false);
  }

  return html`
    <dialog ref=${dialog} class="dialog" aria-labelledby="token-title"
      onCancel=${(event) => { event.preventDefault(); close(false); }}>
      <form onSubmit=${use} class="stack">
        <h2 id="token-title">Token</h2>
        <p id="token-why" role=${problem ? "alert" : null}>
          ${problem?.message ?? "The token that this tab sends along."}
          ${problem?.code === "scope_missing" && " Enter one that may do this."}
        </p>
        <label class="field">
          <span>Token</span>
          <input ref=${field} type="password" autocomplete="off" spellcheck="false" required
            placeholder="earshot_…" aria-describedby="token-how" />
        </label>
        <p id="token-how" class="soft small">
          It stays in this tab and is forgotten with it. Whoever operates this Earshot makes one
          with <code>earshot token create NAME --scope write</code>.
        </p>
        <div class="row end">
          ${token.get() && html`<button type="button" class="quiet" onClick=${forget}>Forget it</button>`}
          <button type="button" class="quiet" onClick=${() => close(false)}>Not now</button>
          <button class="primary">Use this token</button>
        </div>
      </form>
    </dialog>`;
}
