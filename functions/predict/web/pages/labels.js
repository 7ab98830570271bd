// Labels: what the model in service tells apart, what it sounds and looks like, and when it is sure.
import { useClasses } from "../classes.js";
import { useClip } from "../clip.js";
import { html } from "../dom.js";
import { percent, words } from "../format.js";
import { Empty, Label, PageHead, Trouble, Waiting } from "../parts.js";
import { link } from "../links.js";
import { SoundView } from "../sound.js";

export default function Labels() {
  const { data, problem, again, look } = useClasses();
  return html`
    <${PageHead} title="Labels">What the model in service tells apart. The sounds are sketches made by us, to show what is
      meant; models learn from recordings.<//>
    ${problem && html`<${Trouble} problem=${problem} again=${again} />`}
    ${!problem && !data && html`<${Waiting} />`}
    ${data && !data.classes.length && html`<${Empty}>The model in service knows no labels.<//>`}
    <ul class="labels">
      ${(data?.classes ?? []).map((one) => html`<${Card} key=${one.label} one=${one} look=${look} />`)}
    </ul>
    ${data && html`<p class="soft small">Thresholds are those of model ${data.model_version}: each is set on held-out
      clips, label by label. What sounds unlike all that was learnt is uncertain at any confidence.</p>`}`;
}

function Card({ one, look }) {
  const { label, description, threshold, alert, example } = one;
  return html`
    <li class="card stack" style=${{ "--c": look(label).colour, "--threshold": threshold }}>
      <h2><${Label} label=${label} look=${look} /></h2>
      <p>${description ?? html`<span class="soft">Nobody has described this label yet.</span>`}</p>
      ${example ? html`<${Example} label=${label} />` : html`<p class="soft small">There is no sound of it to try.</p>`}
      <div class="threshold">
        <span class="track" aria-hidden="true"><i class="fill"></i></span>
        <p class="small"><b>Accepted from ${percent(threshold)}</b>; an answer below is uncertain and waits for a
          person${alert ? "; one above raises an alert" : ""}.</p>
      </div>
    </li>`;
}

function Example({ label }) {
  const name = `our ${words(label)}`;
  const { data, problem, again } = useClip(`/classes/${encodeURIComponent(label)}/example`);
  if (problem) return html`<${Trouble} problem=${problem} again=${again} />`;
  if (!data) return html`<div class="placeholder"></div>`;
  return html`
    ${data.unseen ? html`<p class="soft small">${data.unseen}</p>`
      : html`<${SoundView} sound=${data} name=${name} height=${120} />`}
    <p class="small"><a href=${link("listen", [], { sample: label })}>What does the model hear in it?</a></p>`;
}
