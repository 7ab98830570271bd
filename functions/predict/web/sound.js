// A sound to look at and to listen to: bands, waveform, spectrogram, and a head that moves along.
import { Player } from "./audio.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./dom.js";
import { hertz, percent, seconds, stretch, words } from "./format.js";
import { Icon } from "./icons.js";
import { frequencyScale, timeTicks } from "./scale.js";
import { paint, paintExplanation, spectrogram } from "./spectrogram.js";
import { ink, useTheme } from "./theme.js";

const WAVE_PX = 56;
const MAX_COLUMNS = 2000;
const TICK_PX = 90;
const TICK_HIGH_PX = 15;

/** A player of a decoded sound that ends with the component: `{ player, isPlaying }`. */
export function usePlayer(sound) {
  const [isPlaying, setIsPlaying] = useState(false);
  const player = useMemo(() => (sound ? new Player(sound.buffer, setIsPlaying) : null), [sound]);
  useEffect(() => () => player?.pause(), [player]);
  return { player, isPlaying };
}

/**
 * `sound` as audio.js decodes it; `name` says what it is; `segments` of `{ start_s, end_s, label,
 * confidence }`; `look` as classes.js has it; `explanation` as the API gives it; `height` of the
 * spectrogram in px. `player` from usePlayer, when others play it too.
 */
export function SoundView({
  sound, name, segments = [], look = () => ({}), explanation = null, height = 220, player: given,
}) {
  const own = usePlayer(given ? null : sound);
  const player = given?.player ?? own.player;
  const isPlaying = given ? given.isPlaying : own.isPlaying;
  const stage = useRef(null);
  const width = useWidth(stage);
  const head = useRef(null);
  const clock = useRef(null);
  const { duration, rate } = sound;

  function showPosition() {
    const at = player.position;
    head.current.style.transform = `translateX(${(at / duration) * stage.current.clientWidth}px)`;
    clock.current.textContent = at < 60 ? `${at.toFixed(1)} s` : seconds(at);
    stage.current.setAttribute("aria-valuenow", at.toFixed(2));
    stage.current.setAttribute("aria-valuetext", `${seconds(at)} of ${seconds(duration)}`);
  }

  useLayoutEffect(() => {
    let frame = 0;
    const step = () => {
      showPosition();
      if (isPlaying) frame = requestAnimationFrame(step);
    };
    step();
    return () => cancelAnimationFrame(frame);
  }, [player, isPlaying, width]);

  function playFrom(event) {
    const box = stage.current.getBoundingClientRect();
    player.play(Math.max(0, ((event.clientX - box.left) / box.width) * duration));
  }

  function steer(event) {
    const step = Math.max(0.1, duration / 40);
    const moves = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step,
      PageDown: -5 * step, PageUp: 5 * step, Home: -duration, End: duration };
    if (event.key in moves) player.seek(player.position + moves[event.key]);
    else if (event.key === " " || event.key === "Enter") toggle();
    else return;
    event.preventDefault();
    showPosition();
  }

  const toggle = () => (player.isPlaying ? player.pause() : player.play());

  return html`
    <figure class="sound">
      <div class="row controls">
        <button class="round" onClick=${toggle} aria-label=${`${isPlaying ? "Pause" : "Play"} ${name}`}>
          <${Icon} name=${isPlaying ? "pause" : "play"} />
        </button>
        <span class="clock"><b ref=${clock}></b> <span class="soft">/ ${seconds(duration)}</span></span>
        <span class="name">${name}</span>
        ${player?.speed < 1 && html`<span class="soft small">played at a tenth of its speed</span>`}
        <span class="soft small">${hertz(rate)}</span>
      </div>
      <div ref=${stage} class="stage" role="slider" tabindex="0" aria-label=${`Position in ${name}`}
        aria-valuemin="0" aria-valuemax=${duration.toFixed(2)} onClick=${playFrom} onKeyDown=${steer}>
        ${segments.length > 0 && html`<${Bands} segments=${segments} duration=${duration} look=${look} />`}
        <${Waveform} sound=${sound} width=${width} />
        <${Picture} sound=${sound} width=${width} height=${height} explanation=${explanation} />
        <div ref=${head} class="playhead"></div>
        <${Times} duration=${duration} width=${width} />
      </div>
    </figure>`;
}

function Bands({ segments, duration, look }) {
  const share = (time) => `${(100 * Math.min(time, duration)) / duration}%`;
  return html`
    <div class="bands" aria-hidden="true">
      ${segments.map((one) => html`
        <span key=${`${one.start_s} ${one.label}`} class=${isSure(one, look) ? "band" : "band unsure"}
          title=${`${words(one.label)}, ${stretch(one.start_s, one.end_s)}, ${percent(one.confidence)}`}
          style=${{ left: share(one.start_s), width: share(one.end_s - one.start_s), "--c": look(one.label).colour }}>
          ${words(one.label)}
        </span>`)}
    </div>`;
}

/** Whether a stretch reaches its label's threshold. */
export const isSure = (one, look) => one.confidence >= (look(one.label).threshold ?? 0);

function Waveform({ sound, width }) {
  const canvas = useRef(null);
  const now = useTheme();
  useLayoutEffect(() => {
    if (!width) return;
    const columns = pixels(width);
    const density = columns / width;
    const { samples } = sound;
    const middle = (WAVE_PX * density) / 2;
    canvas.current.width = columns;
    canvas.current.height = WAVE_PX * density;
    const pen = canvas.current.getContext("2d");
    pen.fillStyle = ink("--wave");
    let most = 1e-4;
    for (const sample of samples) if (Math.abs(sample) > most) most = Math.abs(sample);
    for (let column = 0; column < columns; column += 1) {
      const [from, to] = [column, column + 1].map((n) => Math.floor((n * samples.length) / columns));
      let [low, high] = [0, 0];
      for (let n = from; n < to; n += 1) {
        if (samples[n] < low) low = samples[n];
        if (samples[n] > high) high = samples[n];
      }
      const top = middle * (1 - (0.94 * high) / most);
      pen.fillRect(column, top, 1, Math.max(density, middle * (1 - (0.94 * low) / most) - top));
    }
  }, [sound, width, now]);
  return html`<canvas ref=${canvas} class="wave" role="img" aria-label="Waveform"></canvas>`;
}

function Picture({ sound, width, height, explanation }) {
  const canvas = useRef(null);
  const cover = useRef(null);
  const [found, setFound] = useState(null);
  const now = useTheme();
  useEffect(() => {
    if (!width) return undefined;
    let isWanted = true;
    const density = pixels(width) / width;
    spectrogram(sound, pixels(width), Math.round(height * Math.min(density, 1.5)))
      .then((levels) => isWanted && setFound(levels));
    return () => { isWanted = false; };
  }, [sound, width, height]);
  useLayoutEffect(() => {
    if (found) paint(canvas.current, found, now);
  }, [found, now]);
  useLayoutEffect(() => {
    if (explanation && width) {
      paintExplanation(cover.current, explanation, sound, Math.round(width), height, ink("--veil"));
    }
  }, [explanation, sound, width, height, now]);
  const scale = frequencyScale(sound.rate);
  return html`
    <div class="picture" style=${{ height: `${height}px` }} data-drawn=${found ? "yes" : "no"}>
      <canvas ref=${canvas} role="img" aria-label=${`Spectrogram: time across, 0 to ${hertz(scale.top)} upwards`}></canvas>
      ${explanation && html`<canvas ref=${cover} role="img"
        aria-label=${`What ${words(explanation.label)} hangs on is left bright`}></canvas>`}
      <div class="hertz" aria-hidden="true">
        ${apart(scale, height).map((hz) => html`
          <span style=${{ bottom: `${100 * scale.place(hz)}%` }}>${hertz(hz)}</span>`)}
      </div>
    </div>`;
}

/** The frequencies to mark, from the top down, as far apart as their words are high. */
function apart({ ticks, place }, height) {
  let last = Infinity;
  return ticks.toReversed().filter((hz) => {
    const at = place(hz) * height;
    if (last - at < TICK_HIGH_PX || at < TICK_HIGH_PX / 2) return false;
    last = at;
    return true;
  });
}

function Times({ duration, width }) {
  const ticks = timeTicks(duration, Math.max(2, width / TICK_PX));
  return html`
    <div class="times" aria-hidden="true">
      ${ticks.map((at) => html`<span style=${{ left: `${(100 * at) / duration}%` }}>
        ${at < 60 ? `${Number(at.toFixed(3))} s` : seconds(at)}</span>`)}
    </div>`;
}

/** The width of an element in CSS pixels, kept up to date. */
export function useWidth(element) {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const watch = new ResizeObserver(([{ contentRect }]) => setWidth(Math.round(contentRect.width)));
    watch.observe(element.current);
    return () => watch.disconnect();
  }, []);
  return width;
}

const pixels = (width) => Math.min(MAX_COLUMNS, Math.round(width * devicePixelRatio));
