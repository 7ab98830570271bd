// A spectrogram as a picture: asked of the worker, painted in the colours of the theme.
import { frequencyScale } from "./scale.js";

// Quiet to loud: ink on paper by day, light in the dark by night.
const STOPS = {
  light: ["#fbfaf5", "#dbe7df", "#9cc8bd", "#4f9a97", "#1f6570", "#123a4d", "#0b1626"],
  dark: ["#0c1211", "#0f2a2c", "#14504f", "#2f8577", "#8fb96f", "#f0d06f", "#fff6dc"],
};
const waiting = new Map();
const palettes = new Map();
let worker = null;
let last = 0;

/** The levels of a sound: `{ levels, columns, rows }`, the highest row first. */
export function spectrogram({ samples, rate }, columns, rows) {
  worker ??= start();
  const id = ++last;
  return new Promise((resolve) => {
    waiting.set(id, resolve);
    const copy = samples.slice();
    worker.postMessage({ id, samples: copy, rate, columns, rows }, [copy.buffer]);
  });
}

function start() {
  const made = new Worker(new URL("./spectrogram-worker.js", import.meta.url), { type: "module" });
  made.onmessage = ({ data }) => {
    waiting.get(data.id)(data);
    waiting.delete(data.id);
  };
  return made;
}

/** Paint levels over a canvas of as many pixels. */
export function paint(canvas, { levels, columns, rows }, theme) {
  canvas.width = columns;
  canvas.height = rows;
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const colours = palette(theme);
  for (let n = 0; n < levels.length; n += 1) pixels[n] = colours[levels[n]];
  pen.putImageData(image, 0, 0);
}

/**
 * Paint an explanation (as POST /predict?explain=true gives it) over a canvas of `width` x `height`.
 *
 * Of the stretch that is explained, what the label hangs on is left bright; the rest lies under a veil.
 */
export function paintExplanation(canvas, explanation, { duration, rate }, width, height, veil) {
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  const scale = frequencyScale(rate);
  const across = (time) => (Math.min(time, duration) / duration) * width;
  const up = (hz) => (1 - scale.place(Math.min(hz, scale.top))) * height;
  const { importance, times_s: times, frequencies_hz: edges } = explanation;
  const most = Math.max(1e-3, ...importance.flat());
  pen.fillStyle = veil;
  pen.fillRect(across(explanation.start_s), 0, across(explanation.end_s) - across(explanation.start_s), height);
  pen.globalCompositeOperation = "destination-out";
  pen.fillStyle = "black";
  importance.forEach((row, band) => row.forEach((value, time) => {
    const [left, right] = [across(times[time]), across(times[time + 1])];
    const [high, low] = [up(edges[band + 1]), up(edges[band])];
    // A veil of a half would hide as much as it shows: small shares are lifted by the root.
    pen.globalAlpha = Math.sqrt(Math.max(0, value) / most);
    pen.fillRect(left, high, right - left, low - high);
  }));
  pen.globalCompositeOperation = "source-over";
  pen.globalAlpha = 1;
}

function palette(theme) {
  if (!palettes.has(theme)) palettes.set(theme, mixed(STOPS[theme].map(channels)));
  return palettes.get(theme);
}

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

function mixed(stops) {
  return Uint32Array.from({ length: 256 }, (_, n) => {
    const place = (n / 255) * (stops.length - 1);
    const at = Math.min(stops.length - 2, Math.floor(place));
    const [red, green, blue] = stops[at].map(
      (value, channel) => Math.round(value + (stops[at + 1][channel] - value) * (place - at)),
    );
    return (255 << 24) | (blue << 16) | (green << 8) | red;
  });
}
