// Small pictures beside words; never alone, so they are hidden from those who listen.
import { html } from "./dom.js";

const PATHS = {
  listen: "M6 9a6 6 0 1 1 12 0c0 5-5 5.5-5 10a3 3 0 0 1-5 2M9.5 9.5a2.5 2.5 0 1 1 4.2 1.8c-1 .9-1.2 1.4-1.2 2.7",
  recordings: "M4 12h1.5M8 8v8M11 4v16M14 9v6M17 6v12M20 11v2",
  review: "M4 5h16v11H9l-5 4zM9 10.5l2 2 4-4",
  train: "M12 20v-7M12 13c0-4 2.5-6.5 7-7 .3 4.8-2.2 7-7 7zM12 15.5c0-3-2-5-6.5-5-.2 3.6 2 5.5 6.5 5zM5 20h14",
  models: "M12 3l9 5-9 5-9-5zM3 12.5l9 5 9-5M3 17l9 4.5 9-4.5",
  search: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM15.5 15.500l5 5",
  monitor: "M3 12h4l2.5-7 5 14 2.5-7h4",
  labels: "M3.5 11V4.5h6.5l10 10-6.5 6.5zM7.8 8.3v.01",
  play: "M7 4.5v15l12-7.5z",
  pause: "M8 5v14M16 5v14",
  stop: "M6.5 6.5h11v11h-11z",
  microphone: "M12 15a3.5 3.5 0 0 0 3.5-3.5v-5a3.5 3.5 0 0 0-7 0v5A3.5 3.5 0 0 0 12 15zM5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3",
  file: "M12 16V4M7 9l5-5 5 5M4 16v4h16v-4",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  key: "M8 12a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM11 13.5l8.5-9M16 8l3 3",
  alert: "M12 4l9 16H3zM12 10v4.5M12 17.3v.01",
};

export function Icon({ name, size = 20 }) {
  return html`<svg class="icon" viewBox="0 0 24 24" width=${size} height=${size}
    aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}
