// The queue of what waits for a person: what comes next, what was said of it, what was taken back.
import { ask, get, post, withQuery } from "./api.js";
import { decode } from "./audio.js";
import { useEffect, useRef, useState } from "./dom.js";
import { usePoll } from "./poll.js";

const AT_ONCE = 100;
// So many are judged in the order they came in: each list begins with the best, not with another kind.
const BATCH = 20;
const AHEAD = 3;
const KEPT = 8;

/**
 * What waits, or of that what comes from a `site` or was guessed to be a `label`:
 * `{ current, sound, waits, reviewed, done, problem, isAll, isLost, say, undo, again }`.
 *
 * `say(verdict, label)` goes on at once and tells the API meanwhile; what it refuses comes back with
 * its `problem`. `undo()` takes back the last of `done`. `sound` is a promise of the decoded clip.
 */
export function useJudging({ site, label } = {}) {
  const wanted = withQuery("/review", { limit: AT_ONCE, site, label });
  const { data, problem, again } = usePoll((signal) => get(wanted, { signal }), [wanted], { every: 3000 });
  const [state, setState] = useState({ front: null, done: [], problem: null });
  const clips = useRef(new Map());
  const batch = useRef([]);
  const latest = useRef(state);
  const change = (what) => {
    latest.current = { ...latest.current, ...what };
    setState(latest.current);
  };

  const { front, done } = state;
  const over = new Set(done.map((one) => one.review.review));
  const listed = inTurn(batch, (data?.reviews ?? []).filter((one) => !over.has(one.review)));
  // What one listens to stays, though something less certain may come in.
  const kept = front && !over.has(front.review) ? listed.find((one) => one.review === front.review) ?? front : null;
  const queue = kept ? [kept, ...listed.filter((one) => one.review !== kept.review)] : listed;
  const current = queue[0] ?? null;
  useEffect(() => { if (current && front?.review !== current.review) change({ front: current }); }, [current?.review]);

  const upcoming = queue.slice(0, AHEAD).map((one) => one.review).join();
  useEffect(() => {
    for (const review of upcoming.split(",").filter(Boolean)) fetchClip(clips.current, review);
  }, [upcoming]);

  function say(verdict, label = null) {
    if (!current) return;
    const review = current;
    const answered = post(`/review/${review.review}`, { verdict, ...(label ? { label } : {}) });
    change({ front: null, problem: null, done: [...latest.current.done, { review, verdict, label, answered }] });
    answered.then(again, (failure) => {
      const isTold = failure.code === "review_conflict";
      const rest = latest.current.done.filter((one) => one.answered !== answered);
      // Of what somebody else was faster with there is nothing left to say.
      change({ problem: failure, done: rest, ...(isTold ? {} : { front: review }) });
      again();
    });
  }

  async function undo() {
    const last = latest.current.done.at(-1);
    if (!last) return;
    const without = () => latest.current.done.filter((one) => one !== last);
    change({ problem: null, done: without(), front: last.review });
    try {
      const said = await last.answered;
      const back = await post(`/review/${last.review.review}`, { verdict: "undo", reviewed_at: said.reviewed_at });
      if (latest.current.front?.review === back.review) change({ front: back });
    } catch (failure) {
      change({ problem: failure });
    }
    again();
  }

  return {
    current, say, undo, again,
    sound: current && fetchClip(clips.current, current.review),
    waits: queue.length, isAll: (data?.reviews.length ?? 0) < AT_ONCE,
    reviewed: data?.reviewed ?? null, done,
    problem: state.problem ?? problem, isLost: Boolean(problem),
  };
}

/** What waits of the batch, in its order, and then the rest; the next batch when there is none. */
function inTurn(batch, waiting) {
  const found = new Map(waiting.map((one) => [one.review, one]));
  let left = batch.current.filter((review) => found.has(review));
  if (!left.length) {
    left = [...found.keys()].slice(0, BATCH);
    batch.current = left;
  }
  const isLeft = new Set(left);
  return [...left.map((review) => found.get(review)), ...waiting.filter((one) => !isLeft.has(one.review))];
}

/** The decoded clip of a review, fetched once; the last few are kept for who takes back. */
function fetchClip(clips, review) {
  if (!clips.has(review)) {
    const sound = ask(`/review/${review}/clip`).then((answer) => answer.arrayBuffer()).then(decode);
    // It is told where it is shown; until then nobody listens.
    sound.catch(() => clips.delete(review));
    clips.set(review, sound);
    if (clips.size > KEPT) clips.delete(clips.keys().next().value);
  }
  return clips.get(review);
}
