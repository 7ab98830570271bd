// Put a version into service or the shadow, or back out of it: asked once more, with a reason that is kept.
import { get, post, token, withQuery } from "./api.js";
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

const named = (version) => html`<code>${version ?? "the default bundle"}</code>`;
const path = (version) => `/models/${encodeURIComponent(version)}`;

/** What can be wished for: how it is asked, and what is asked of the API with the reason. */
const KINDS = {
  promote: {
    title: "Promote",
    hint: "hears the new sirens",
    asks: ({ version }, champion) => html`Into service comes ${named(version)}${instead(champion)}. It answers at once, for everybody,
      whatever its gates said; it is tried before.`,
    send: ({ version }, said) => post(`${path(version)}/promote`, said),
    told: ({ version }) => `In service: ${version}.`,
  },
  rollback: {
    title: "Roll back",
    hint: "deaf in the rain",
    asks: ({ rollback }, champion) => html`Back comes ${named(rollback.previous)}${instead(champion)}. It answers at once, for everybody.`,
    send: (_, said) => post("/models/rollback", said),
    told: ({ rollback }) => `In service: ${rollback.previous ?? "the default bundle"}.`,
  },
  shadow: {
    title: "Hear along",
    hint: "is it as sure in the rain?",
    asks: ({ version }, champion) => html`${named(version)} hears what ${champion ? named(champion) : "the default bundle"} hears. Nobody
      gets its answers; what both say is counted, and where they disagree in recordings a person is asked first.`,
    send: ({ version }, { needed, ...said }) => post(`${path(version)}/shadow`, { ...said, needed }),
    told: ({ version }) => `${version} hears along.`,
  },
  stop: {
    title: "Stop",
    hint: "it was compared long enough",
    asks: ({ version }) => html`${named(version)} hears along no more. What was counted stays.`,
    send: ({ version }, { reason, by }) => get(withQuery("/models/shadow", { reason, by, expected: version }), { method: "DELETE" }),
    told: ({ version }) => `${version} hears along no more.`,
  },
};

const instead = (champion) => (champion ? html`, in the place of ${named(champion)}` : "");

/** `wish` has a `kind` of those above, and what that needs; null for no dialog; `done(changed)` closes it. */
export function PromotionDialog({ wish, champion, done }) {
  const dialog = useRef(null);
  const [state, setState] = useState({});
  useEffect(() => {
    if (!wish) return;
    setState({});
    dialog.current.showModal();
  }, [wish]);
  if (!wish) return null;

  const kind = KINDS[wish.kind];
  // Who closes it while the API is asked has it closed when the answer comes.
  const close = (changed) => { dialog.current?.close(); done(changed); };

  async function move(event) {
    event.preventDefault();
    const { reason, by, needed } = event.currentTarget.elements;
    setState({ busy: true });
    try {
      await kind.send(wish, {
        reason: reason.value.trim(), ...(by?.value.trim() ? { by: by.value.trim() } : {}),
        ...(champion ? { expected: champion } : {}), ...(needed ? { needed: Number(needed.value) } : {}),
      });
      announce(kind.told(wish));
      close(true);
    } catch (problem) {
      setState({ problem });
    }
  }

  return html`
    <dialog ref=${dialog} class="dialog" aria-labelledby="promote-title"
      onCancel=${(event) => { event.preventDefault(); close(false); }}>
      <form class="stack" onSubmit=${move}>
        <h2 id="promote-title">${kind.title}</h2>
        <p>${kind.asks(wish, champion)}</p>
        <label class="field"><span>Reason, which the trail keeps</span>
          <input name="reason" required maxlength="500" pattern=".*\\S.*" autofocus placeholder=${kind.hint} /></label>
        ${wish.kind === "shadow" && html`
          <label class="field"><span>Promote it after so many comparisons; 0 for never</span>
            <input name="needed" type="number" min="0" max="1000000000" step="1" required value="0" /></label>`}
        ${!token.get() && html`
          <label class="field"><span>Your name</span><input name="by" maxlength="500" autocomplete="name" /></label>`}
        ${state.problem && html`<${Trouble} problem=${state.problem} />`}
        <p class="row end">
          <button type="button" onClick=${() => close(false)}>Leave it</button>
          <button class="primary" disabled=${state.busy}>${kind.title}</button>
        </p>
      </form>
    </dialog>`;
}
