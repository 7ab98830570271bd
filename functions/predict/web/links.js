// Where a page is: "#/recordings/9b1f?label=siren"; router.js reads it.

/** The address of a page, for links: link("recordings", [id], { label }). */
export function link(page, rest = [], query = {}) {
  const path = [page, ...rest].map(encodeURIComponent).join("/");
  const kept = Object.entries(query).filter(([, value]) => value != null && value !== "");
  return `#/${path}${kept.length ? `?${new URLSearchParams(kept)}` : ""}`;
}

/** Have the address of a page say what is looked for there, unless the reader has gone on to another. */
export function keep(page, rest, query) {
  if (location.hash.split("?")[0] === link(page, rest)) history.replaceState(null, "", link(page, rest, query));
}
