// The pages there are, and which of them the address names: "#/recordings/9b1f?label=siren".
import { useEffect, useState } from "./dom.js";

// A page's module exports it as default: a component that gets `{ rest, query }`.
// `built` pages are in the navigation; the others say that they are not there yet.
export const PAGES = [
  { path: "listen", title: "Listen", built: true, load: () => import("./pages/listen.js") },
  { path: "recordings", title: "Recordings", built: true, load: () => import("./pages/recordings.js") },
  { path: "review", title: "Review", built: true, load: () => import("./pages/review.js") },
  { path: "train", title: "Train", built: true, load: () => import("./pages/train.js") },
  { path: "models", title: "Models", built: true, load: () => import("./pages/models.js") },
  { path: "monitor", title: "Monitor", built: true, load: () => import("./pages/monitor.js") },
  { path: "labels", title: "Labels", built: true, load: () => import("./pages/labels.js") },
];

/** What the address says: the page, the rest of its path, its query as an object. */
export function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/").map(decode);
  const page = PAGES.find((one) => one.path === name) ?? (name ? null : PAGES[0]);
  return { page, name, rest, query: Object.fromEntries(new URLSearchParams(query)) };
}

/** The route, kept up to date. */
export function useRoute() {
  const [current, setCurrent] = useState(route);
  useEffect(() => {
    const follow = () => setCurrent(route());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return current;
}

/** The address of a page, for links: link("recordings", [id], { label }). */
export function link(page, rest = [], query = {}) {
  const path = [page, ...rest].map(encodeURIComponent).join("/");
  const kept = Object.entries(query).filter(([, value]) => value != null && value !== "");
  return `#/${path}${kept.length ? `?${new URLSearchParams(kept)}` : ""}`;
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
