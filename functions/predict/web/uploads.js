// Files that go straight to the bucket, as one form or in parts, with their progress.
import { post, Problem } from "./api.js";

const TRIES = 3;

/**
 * Upload a File; resolves to the key it has in the bucket, rejects with a Problem.
 *
 * `wish` says what it is, as POST /uploads takes it: `{ kind: "recording", site }`, `{ kind: "sample",
 * label }`, `{ kind: "archive" }`. `progress(share)` is told how much is sent, from 0 to 1; `known()`
 * when it is there already, which is found by the `sha256` of a wish.
 */
export async function upload(file, wish, { progress = () => {}, known = () => {}, signal } = {}) {
  const asked = { ...wish, name: file.name, size: file.size };
  const place = await post("/uploads", asked, { signal });
  if (place.state === "stored") {
    known();
    return place.key;
  }
  if (place.method === "form") {
    const form = new FormData();
    for (const [name, value] of Object.entries(place.fields)) form.append(name, value);
    form.append("file", file);
    await send("POST", place.url, form, (sent) => progress(Math.min(1, sent / file.size)), signal);
    return place.key;
  }
  let done = 0;
  for (const part of place.parts) {
    if (!part.stored) {
      const bytes = file.slice(part.start, part.start + part.size);
      await persist(() => send("PUT", part.url, bytes, (sent) => progress((done + sent) / file.size), signal));
    }
    done += part.size;
    progress(done / file.size);
  }
  const whole = `/uploads/${encodeURIComponent(place.upload_id)}/complete`;
  await post(whole, { key: place.key, size: file.size }, { signal });
  return place.key;
}

async function persist(send) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await send();
    } catch (problem) {
      if (problem.name === "AbortError" || tried === TRIES) throw problem;
    }
  }
}

// By XMLHttpRequest: fetch does not tell how much is sent.
function send(method, url, body, sent, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    request.upload.onprogress = ({ loaded }) => sent(loaded);
    request.onload = () => (request.status < 300 ? resolve() : reject(new Problem(request.status, {
      code: "bucket_refused", detail: `The bucket refused the file (${request.status}). Try again.`,
    })));
    request.onerror = () => reject(new Problem(0, {
      code: "bucket_unreachable", detail: "The bucket does not answer, or does not know this page's address.",
    }));
    request.onabort = () => reject(new DOMException("given up", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}
