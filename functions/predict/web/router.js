// The pages there are, and which of them the address names: "#/recordings/9b1f?label=siren".
import { useEffect, useState } from "./dom.js";

// A page's module exports it as default: a component that gets `{ rest, query }`.
export const PAGES = [
  { path: "listen", title: "Listen", load: () => import("./pages/listen.js") },
  { path: "recordings", title: "Recordings", load: () => import("./pages/recordings.js") },
  { path: "search", title: "Search", load: () => import("./pages/search.js") },
  { path: "review", title: "Review", load: () => import("./pages/review.js") },
  { path: "train", title: "Train", load: () => import("./pages/train.js") },
  { path: "models", title: "Models", load: () => import("./pages/models.js") },
  { path: "monitor", title: "Monitor", load: () => import("./pages/monitor.js") },
  { path: "labels", title: "Labels", load: () => import("./pages/labels.js") },
];

/** What the address says: the page, the rest of its path, its query as an object. */
function route() {
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

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
