// A list of the API that comes in pages: the first is kept up to date, earlier ones come on demand.
import { get } from "./api.js";
import { useState } from "./dom.js";
import { usePoll } from "./poll.js";

/**
 * `{ all, first, next, problem, trouble, isAsking, again, more }`: `all` that is known, the latest
 * first; `first` the first page as it came; `next` where `more()` goes on, `trouble` if it could not.
 *
 * `path(cursor)` is the list's address, `name` what its answer calls the items, `id` what tells them
 * apart. For another list use another key on the component.
 */
export function usePaged(path, name, id, options) {
  const { data: first, problem, again } = usePoll((signal) => get(path(), { signal }), [], options);
  const [older, setOlder] = useState({ items: [], next: undefined });
  const [state, setState] = useState({ trouble: null, isAsking: false });
  const latest = first?.[name] ?? [];
  const known = new Set(latest.map((one) => one[id]));
  const all = [...latest, ...older.items.filter((one) => !known.has(one[id]))];
  const next = older.next === undefined ? first?.next : older.next;

  async function more() {
    setState({ trouble: null, isAsking: true });
    try {
      const page = await get(path(next));
      // The latest as well: what newer ones push off the first page stays in the list.
      setOlder({ items: [...all, ...page[name]], next: page.next });
      setState({ trouble: null, isAsking: false });
    } catch (trouble) {
      setState({ trouble, isAsking: false });
    }
  }

  return { all, first, next, problem, again, more, ...state };
}
