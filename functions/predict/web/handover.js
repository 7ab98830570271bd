// Files on their way from one page to another, where the reader goes on with them.
import { link } from "./links.js";

let held = { page: null, files: [] };

/** Go to a page, which begins with these files. */
export function handOver(page, files) {
  held = { page, files };
  location.hash = link(page);
}

/** What this page was handed, once. */
export function handed(page) {
  const files = held.page === page ? held.files : [];
  held = { page: null, files: [] };
  return files;
}
