// The spectrogram of a recording, beside the page so that it stays quick.
import { Spectrum } from "./fft.js";
import { frequencyScale } from "./scale.js";

// About so long is what is looked at at once; a whole power of 2 of samples.
const WINDOW_S = 0.032;
// A column stands for much of a long recording: so many looks, and the loudest counts.
const LOOKS = 4;
const FLOOR_DB = 85;

self.onmessage = ({ data: { id, samples, rate, columns, rows } }) => {
  const levels = spectrogram(samples, rate, columns, rows);
  self.postMessage({ id, levels, columns, rows }, [levels.buffer]);
};

/** Levels `[row][column]` from 0 (the floor) to 255 (the loudest), the highest row first. */
function spectrogram(samples, rate, columns, rows) {
  const size = 2 ** Math.round(Math.log2(Math.max(64, rate * WINDOW_S)));
  const spectrum = new Spectrum(size);
  const bands = bandsOf(rows, size, rate);
  const hop = samples.length / columns;
  const looks = Math.max(1, Math.min(LOOKS, Math.round(hop / size)));
  const decibels = new Float32Array(rows * columns);
  let most = -Infinity;
  for (let column = 0; column < columns; column += 1) {
    for (let look = 0; look < looks; look += 1) {
      const middle = (column + (look + 0.5) / looks) * hop;
      const power = spectrum.of(samples, Math.round(middle - size / 2));
      for (let row = 0; row < rows; row += 1) {
        const place = row * columns + column;
        const level = 10 * Math.log10(loudest(power, bands[row]) + 1e-12);
        if (look === 0 || level > decibels[place]) decibels[place] = level;
        if (level > most) most = level;
      }
    }
  }
  const floor = Math.max(most - FLOOR_DB, Math.min(quantile(decibels, 0.25), most - 40));
  return Uint8Array.from(decibels, (level) => (255 * Math.max(0, level - floor)) / (most - floor || 1));
}

/** The bins of each row, the highest first, as fractions of bins. */
function bandsOf(rows, size, rate) {
  const scale = frequencyScale(rate);
  const bin = (place) => (scale.hertz(place) * size) / rate;
  return Array.from({ length: rows }, (_, row) => [bin(1 - (row + 1) / rows), bin(1 - row / rows)]);
}

function loudest(power, [from, to]) {
  const last = power.length - 1;
  if (to - from < 1) {
    // Narrower than a bin: between two of them.
    const middle = Math.min(last, (from + to) / 2);
    const low = Math.floor(middle);
    const share = middle - low;
    return power[low] * (1 - share) + power[Math.min(last, low + 1)] * share;
  }
  let most = 0;
  for (let k = Math.floor(from); k <= Math.min(last, Math.ceil(to)); k += 1) {
    if (power[k] > most) most = power[k];
  }
  return most;
}

/** About the value below which so large a share lies, of one level in every 37. */
function quantile(levels, share) {
  const some = levels.filter((_, n) => n % 37 === 0).sort();
  return some[Math.floor(share * (some.length - 1))];
}
