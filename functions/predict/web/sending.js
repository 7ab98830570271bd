// Files on their way to the bucket, a few at a time; they go on while one looks at other pages.
import { announce, useEffect, useState } from "./dom.js";
import { count } from "./format.js";
import { upload } from "./uploads.js";

const AT_ONCE = 3;
const TELL_EVERY_MS = 120;
// What is larger is not read only to know whether it is there already.
const MAX_DIGESTED_BYTES = 64e6;

let items = [];
let going = 0;
let telling = 0;
let serial = 0;
const listeners = new Set();

/** What the state of an item is called. */
export const SENDING = {
  waiting: "waits", sending: "is sent", sent: "sent", known: "was there already", failed: "failed", stopped: "stopped",
};

/** Whether an item is not over. */
export const isGoing = ({ state }) => state === "waiting" || state === "sending";

/** Whether an item is over and did not arrive. */
export const isLost = ({ state }) => state === "failed" || state === "stopped";

/** Whether a file is an archive with a folder for each label. */
export const isArchive = (file) => /\.zip$/i.test(file.name);

/**
 * Send files with what POST /uploads is to be told of them: `{ label, recording }` of clips,
 * `{ kind: "recording", site }` of field recordings.
 */
export function send(files, wish) {
  const more = files.map((file) => ({
    id: ++serial, file, name: file.name, size: file.size, share: 0, state: "waiting", giveUp: new AbortController(),
    wish: isArchive(file) && !wish.kind ? { kind: "archive" } : { kind: "sample", ...wish },
  }));
  items = [...items, ...more];
  go();
}

/** Try again those that did not arrive. */
export function sendAgain(those) {
  for (const item of those.filter(isLost)) {
    change(item, { state: "waiting", share: 0, problem: null, giveUp: new AbortController() });
  }
  go();
}

/** Stop those that are on their way or wait. */
export function stopSending(those) {
  for (const item of those) {
    item.giveUp.abort();
    if (item.state === "waiting") change(item, { state: "stopped" });
  }
}

/** Forget those that are over. */
export function forgetSent(those) {
  items = items.filter((item) => isGoing(item) || !those.includes(item));
  tell();
}

/** What is or was on its way, of some kinds: `[{ id, name, size, wish, state, share, key, problem }]`. */
export function useSending(kinds = ["sample", "archive"]) {
  const [now, setNow] = useState(items);
  useEffect(() => {
    const listen = () => setNow(items);
    listen();
    listeners.add(listen);
    return () => listeners.delete(listen);
  }, []);
  return now.filter((item) => kinds.includes(item.wish.kind));
}

function go() {
  tell();
  for (const item of items) {
    if (going === AT_ONCE) return;
    if (item.state === "waiting") run(item);
  }
}

async function run(item) {
  going += 1;
  change(item, { state: "sending" });
  const { signal } = item.giveUp;
  let state = "sent";
  try {
    const sha256 = await digest(item.file);
    const key = await upload(item.file, sha256 ? { ...item.wish, sha256 } : item.wish, {
      signal, progress: (share) => change(item, { share }), known: () => { state = "known"; },
    });
    change(item, { state, key, share: 1 });
  } catch (problem) {
    change(item, problem.name === "AbortError" ? { state: "stopped" } : { state: "failed", problem });
  }
  going -= 1;
  go();
  if (!going) announce(inWords());
}

function inWords() {
  const sent = items.filter((item) => item.state === "sent" || item.state === "known").length;
  const failed = items.filter((item) => item.state === "failed").length;
  return `${count(sent, "file")} sent${failed ? `, ${failed} failed` : ""}.`;
}

/** With it a file that is there already is not sent again. Browsers compute it on safe origins only. */
async function digest(file) {
  if (!crypto.subtle || file.size > MAX_DIGESTED_BYTES) return null;
  const found = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(found), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function change(item, what) {
  Object.assign(item, what);
  tell();
}

function tell() {
  if (telling) return;
  telling = setTimeout(() => {
    telling = 0;
    items = [...items];
    for (const listen of listeners) listen();
  }, TELL_EVERY_MS);
}
