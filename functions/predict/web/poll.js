// Live updates: asked for again and again, less often while nothing changes, not while hidden.
import { useCallback, useEffect, useRef, useState } from "./dom.js";

/**
 * What `load(signal)` resolves to, kept up to date: `{ data, problem, again }`.
 *
 * Asked every `every` ms, up to `most` while nothing changes or while it fails; `again()` asks now.
 * `keys` are what `load` depends on, as for effects: with others it starts anew.
 */
export function usePoll(load, keys = [], { every = 2000, most = 30000 } = {}) {
  const [state, setState] = useState({ data: null, problem: null });
  const kick = useRef(() => {});
  useEffect(() => {
    const gone = new AbortController();
    let timer = 0;
    let pause = every;
    let seen = null;
    let round = 0;

    async function look() {
      clearTimeout(timer);
      const mine = ++round;
      try {
        const data = await load(gone.signal);
        if (gone.signal.aborted || mine !== round) return;
        const now = JSON.stringify(data);
        pause = now === seen ? Math.min(most, pause * 1.5) : every;
        if (now !== seen) setState({ data, problem: null });
        else setState((old) => (old.problem ? { data: old.data, problem: null } : old));
        seen = now;
      } catch (problem) {
        if (gone.signal.aborted || mine !== round) return;
        pause = Math.min(most, pause * 2);
        setState((old) => ({ data: old.data, problem }));
      }
      if (!document.hidden) timer = setTimeout(look, pause);
    }

    function soon() {
      pause = every;
      if (!document.hidden) look();
    }

    setState({ data: null, problem: null });
    kick.current = soon;
    look();
    document.addEventListener("visibilitychange", soon);
    addEventListener("earshot-token", soon);
    return () => {
      gone.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", soon);
      removeEventListener("earshot-token", soon);
    };
  }, keys);
  return { ...state, again: useCallback(() => kick.current(), []) };
}

/** What `load(signal)` resolves to, once: `{ data, problem, again }`. */
export function useOnce(load, keys = []) {
  const [state, setState] = useState({ data: null, problem: null });
  const [round, setRound] = useState(0);
  const again = useCallback(() => setRound((number) => number + 1), []);
  useEffect(() => {
    const gone = new AbortController();
    const tell = (next) => gone.signal.aborted || setState(next);
    setState({ data: null, problem: null });
    load(gone.signal).then(
      (data) => tell({ data, problem: null }),
      (problem) => tell({ data: null, problem }),
    );
    addEventListener("earshot-token", again);
    return () => {
      gone.abort();
      removeEventListener("earshot-token", again);
    };
  }, [...keys, round]);
  return { ...state, again };
}
