// The labels of the model in service: their thresholds, and the colour that each has everywhere.
import { get } from "./api.js";
import { useOnce } from "./poll.js";

const ALERTS = 3;
const TONES = 8;

/** `{ data: { model_version, classes }, problem, look }`; `look(label)` is all that is known. */
export function useClasses() {
  const found = useOnce((signal) => get("/classes", { signal }));
  return { ...found, look: looks(found.data?.classes ?? []) };
}

/** From a label to `{ ...class, colour }`: warm for what alerts, cool for the rest. */
function looks(classes) {
  const known = new Map();
  let [alerts, tones] = [0, 0];
  for (const one of classes) {
    const colour = one.alert ? `var(--alert-${alerts++ % ALERTS})` : `var(--tone-${tones++ % TONES})`;
    known.set(one.label, { ...one, colour });
  }
  return (label) => known.get(label) ?? { label, colour: "var(--soft)", threshold: null, alert: false };
}
