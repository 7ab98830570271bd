// The timeline of a recording: a lane for each label, a mark for each detection, true time below.
import { html, useEffect, useLayoutEffect, useRef } from "./dom.js";
import { count, seconds, words } from "./format.js";
import { Label } from "./parts.js";
import { useWidth } from "./sound.js";
import { ink, useTheme } from "./theme.js";

const LANE_PX = 30;
const AXIS_PX = 24;
const TICK_PX = 110;
const NEAR_PX = 6;
const LEAST_S = 10;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];

/**
 * `detections` as GET /recordings/{recording}/detections has them; `view` is `{ from, to }` in seconds,
 * which `lookAt(view)` changes; `choose(detection)` is told what is clicked, `chosen` is what was.
 */
export function Timeline({ detections, duration, startedAt, view, lookAt, look, chosen, choose }) {
  const frame = useRef(null);
  const canvas = useRef(null);
  const drag = useRef(null);
  const width = useWidth(frame);
  const now = useTheme();
  const labels = [...new Set(detections.map((one) => one.label))].sort();
  const height = Math.max(1, labels.length) * LANE_PX + AXIS_PX;
  const span = view.to - view.from;
  const isWhole = span >= duration;
  const across = (at) => ((at - view.from) / span) * width;

  useLayoutEffect(() => {
    if (!width) return;
    const pen = begin(canvas.current, width, height);
    drawTimes(pen, { view, startedAt, width, height, across });
    labels.forEach((label, lane) => drawLane(pen, {
      those: detections.filter((one) => one.label === label), lane, chosen, across, width,
      colour: resolved(look(label).colour),
    }));
  }, [width, height, now, view, detections, chosen, look]);

  const moveTo = (from, length = span) => {
    const size = Math.min(duration, Math.max(Math.min(LEAST_S, duration), length));
    const start = Math.max(0, Math.min(duration - size, from));
    lookAt({ from: start, to: start + size });
  };
  const zoom = (factor, at = (view.from + view.to) / 2) => {
    const length = Math.max(LEAST_S, span * factor);
    moveTo(at - ((at - view.from) / span) * length, length);
  };

  // Not by Preact: browsers let only listeners that say so keep the page from moving.
  useEffect(() => {
    const wheel = (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      zoom(event.deltaY > 0 ? 1.25 : 0.8, view.from + (event.offsetX / width) * span);
    };
    const element = canvas.current;
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [view, width]);

  function press(event) {
    drag.current = { x: event.clientX, from: view.from, hasMoved: false };
    canvas.current.setPointerCapture(event.pointerId);
  }

  function pull(event) {
    const held = drag.current;
    if (!held) return;
    const moved = event.clientX - held.x;
    if (Math.abs(moved) > 4) held.hasMoved = true;
    if (held.hasMoved && !isWhole) moveTo(held.from - (moved / width) * span);
  }

  function leave(event) {
    const held = drag.current;
    drag.current = null;
    if (!held || held.hasMoved) return;
    const box = canvas.current.getBoundingClientRect();
    const found = nearest(event.clientX - box.left, Math.floor((event.clientY - box.top) / LANE_PX));
    if (found) choose(found);
  }

  function nearest(x, lane) {
    const distance = (one) => Math.max(across(one.start_s) - x, x - across(one.end_s), 0);
    const there = detections.filter((one) => one.label === labels[lane] && distance(one) <= NEAR_PX);
    return there.sort((a, b) => distance(a) - distance(b))[0];
  }

  return html`
    <div class="timeline">
      <div class="row small" role="group" aria-label="What the timeline shows">
        <span class="soft window">${time(view.from, startedAt)} – ${time(view.to, startedAt)}</span>
        <span class="grow-left row">
          <button class="quiet" disabled=${isWhole} onClick=${() => moveTo(view.from - span / 2)} aria-label="Earlier">←</button>
          <button class="quiet" disabled=${isWhole} onClick=${() => moveTo(view.from + span / 2)} aria-label="Later">→</button>
          <button class="quiet" disabled=${span <= LEAST_S} onClick=${() => zoom(0.5)} aria-label="Closer">+</button>
          <button class="quiet" disabled=${isWhole} onClick=${() => zoom(2)} aria-label="Wider">−</button>
          <button class="quiet" disabled=${isWhole} onClick=${() => moveTo(0, duration)}>Whole</button>
        </span>
      </div>
      <div class="lanes">
        <div class="names" style=${{ paddingBottom: `${AXIS_PX}px` }}>
          ${labels.map((label) => html`<span key=${label} style=${{ height: `${LANE_PX}px` }}>
            <${Label} label=${label} look=${look} plain /></span>`)}
        </div>
        <div ref=${frame} class=${isWhole ? "marks" : "marks movable"}>
          <canvas ref=${canvas} role="img" style=${{ height: `${height}px` }}
            aria-label=${`Timeline: ${count(detections.length, "detection")} of ${labels.map(words).join(", ") || "no label"} in ${seconds(duration)}. The list has each.`}
            onPointerDown=${press} onPointerMove=${pull} onPointerUp=${leave} onPointerCancel=${() => { drag.current = null; }}></canvas>
        </div>
      </div>
    </div>`;
}

/** A moment of a recording: by the clock where it is known when it starts, else since its start. */
export function time(at, startedAt, options = { hour: "2-digit", minute: "2-digit", second: "2-digit" }) {
  if (!startedAt) return at ? seconds(at) : "0 s";
  return new Date(Date.parse(startedAt) + 1000 * at).toLocaleTimeString(undefined, options);
}

function begin(canvas, width, height) {
  const density = Math.min(2, devicePixelRatio);
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(height * density);
  const pen = canvas.getContext("2d");
  pen.scale(density, density);
  return pen;
}

function drawLane(pen, { those, lane, chosen, across, width, colour }) {
  const top = lane * LANE_PX;
  pen.fillStyle = ink("--sunk");
  pen.fillRect(0, top + 4, width, LANE_PX - 8);
  pen.fillStyle = colour;
  for (const one of those) {
    const left = across(one.start_s);
    const size = Math.max(3, across(one.end_s) - left);
    if (left + size < 0 || left > width) continue;
    pen.globalAlpha = 0.3 + 0.7 * one.peak_confidence;
    pen.fillRect(left, top + 4, size, LANE_PX - 8);
    if (one === chosen) {
      pen.globalAlpha = 1;
      pen.strokeStyle = ink("--ink");
      pen.lineWidth = 2;
      pen.strokeRect(left - 1, top + 3, size + 2, LANE_PX - 6);
    }
  }
  pen.globalAlpha = 1;
}

function drawTimes(pen, { view, startedAt, width, height, across }) {
  const span = view.to - view.from;
  const step = STEPS.find((one) => one >= span / Math.max(2, width / TICK_PX)) ?? STEPS.at(-1);
  // Round times of the reader's clock, where the recording has one.
  const clock = startedAt ? new Date(startedAt) : null;
  const shift = clock ? clock / 1000 - 60 * clock.getTimezoneOffset() : 0;
  const options = { hour: "2-digit", minute: "2-digit", ...(step < 60 ? { second: "2-digit" } : {}) };
  pen.font = "12px Atkinson, sans-serif";
  for (let at = Math.ceil((view.from + shift) / step) * step - shift; at <= view.to; at += step) {
    const x = across(at);
    pen.fillStyle = ink("--line");
    pen.fillRect(x, 0, 1, height - AXIS_PX + 5);
    const text = startedAt ? time(at, startedAt, options) : at < 60 ? `${at} s` : seconds(at);
    const room = pen.measureText(text).width / 2;
    pen.fillStyle = ink("--soft");
    pen.fillText(text, Math.max(0, Math.min(width - 2 * room, x - room)), height - 6);
  }
}

const resolved = (colour) => ink(colour.replace(/^var\((.*)\)$/, "$1"));
