// Where a frequency is on the picture: as the ear has it, or in proportion for what no ear hears.

const AUDIBLE_RATE = 96000;
const mel = (hz) => 2595 * Math.log10(1 + hz / 700);
const fromMel = (value) => 700 * (10 ** (value / 2595) - 1);

/** The scale of a recording of `rate` Hz: from 0 at the bottom to 1 at half the rate. */
export function frequencyScale(rate) {
  const top = rate / 2;
  if (rate > AUDIBLE_RATE) {
    return { top, place: (hz) => hz / top, hertz: (place) => place * top, ticks: ticksBelow(top, 5) };
  }
  return {
    top,
    place: (hz) => mel(hz) / mel(top),
    hertz: (place) => fromMel(place * mel(top)),
    ticks: [250, 500, 1000, 2000, 4000, 8000, 16000].filter((hz) => hz <= 0.93 * top),
  };
}

/** Round times to mark along `duration` seconds, about `wanted` of them. */
export const timeTicks = (duration, wanted) => [0, ...ticksBelow(duration, wanted)];

function ticksBelow(most, wanted) {
  const rough = most / wanted;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const steps = most > 90 ? [15, 30, 60, 120, 300, 600] : [1, 2, 5, 10].map((one) => one * unit);
  const step = (most > 1e3 ? [1, 2, 5, 10].map((one) => one * unit) : steps).find((one) => one >= rough)
    ?? 10 * unit;
  return Array.from({ length: Math.floor((0.999 * most) / step) }, (_, n) => (n + 1) * step);
}
