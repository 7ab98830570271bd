// What every page builds with: Preact by htm's templates. Text only ever becomes text.
import { Fragment, h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { Fragment, render };
export * from "./vendor/hooks.js";
export const html = htm.bind(h);

/** Have the browser keep a Blob as a file. */
export function save(name, content) {
  const place = URL.createObjectURL(content);
  Object.assign(document.createElement("a"), { href: place, download: name }).click();
  // Not before the browser has read it.
  setTimeout(() => URL.revokeObjectURL(place), 60_000);
}

/** Tell those who listen to the page what has changed. */
export function announce(text) {
  const live = document.getElementById("live");
  // The same words again are told again.
  live.textContent = live.textContent === text ? `${text}\u00a0` : text;
}
