// Train: what there is to learn from, how to add to it, and how trainings go and went.
import { get } from "../api.js";
import { useClasses } from "../classes.js";
import { html, useEffect } from "../dom.js";
import { PageHead, Trouble, Waiting } from "../parts.js";
import { usePoll } from "../poll.js";
import { Ask, History, NextTraining, RunView } from "../runs.js";
import { LabelCounts, NotUsed } from "../samples.js";
import { useSending } from "../sending.js";
import { Teach } from "../teach.js";

export default function Train({ rest: [chosen] }) {
  const classes = useClasses();
  const samples = usePoll((signal) => get("/samples", { signal }), [], { every: 1500 });
  const runs = usePoll((signal) => get("/retrain", { signal }), [], { every: 1500, most: 10000 });
  const models = usePoll((signal) => get("/models", { signal }), [], { every: 5000 });
  const sent = useSending().filter((item) => item.key).length;
  const latest = runs.data?.runs[0];
  const isActive = latest && !latest.finished_at;
  const champion = models.data?.models.find((one) => one.champion);
  // What just arrived is counted within seconds, and what a run came to is in service at once.
  useEffect(() => samples.again(), [sent]);
  useEffect(() => { samples.again(); models.again(); }, [latest?.state]);

  const problem = samples.problem ?? runs.problem;
  return html`
    <${PageHead} title="Train">Labelled clips teach it. A new model serves only if it passes its gates: on clips that
      neither has heard it must not be worse than the one before.<//>
    ${problem && html`<${Trouble} problem=${problem} again=${() => { samples.again(); runs.again(); }} />`}
    ${!problem && !(samples.data && runs.data) && html`<${Waiting} />`}
    ${samples.data && runs.data && html`
      <div class="train">
        <div class="stack wide">
          <${Teach} samples=${samples.data} look=${classes.look} />
          <${NotUsed} samples=${samples.data} />
        </div>
        <div class="stack wide">
          <section class="card stack wide" aria-labelledby="next">
            <${NextTraining} samples=${samples.data} isActive=${isActive} />
            <${LabelCounts} samples=${samples.data} champion=${champion} look=${classes.look} />
            ${!isActive && html`<${Ask} samples=${samples.data} asked=${runs.again} />`}
          </section>
        </div>
      </div>
      ${(chosen || latest) && html`<${RunView} key=${chosen ?? latest.run} run=${chosen ?? latest.run}
        isLatest=${!chosen || chosen === latest?.run} changed=${runs.again} />`}
      <${History} runs=${runs.data.runs} shown=${chosen ?? latest?.run} />`}`;
}
