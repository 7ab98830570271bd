// Calls of the API: with the token of this tab, and with words for what goes wrong.

const KEY = "earshot-token";
const BASE = new URL(
  document.querySelector('meta[name="earshot-api"]').content || ".", document.baseURI,
);
// What a problem's own words do not say: what to do about it on this page.
const ADVICE = {
  aws_unavailable: "If it stays, tell the operator the request's number.",
  internal_error: "If it stays, tell the operator the request's number.",
};

// Problems that speak of headers where a reader of this page has a dialog.
const INSTEAD = {
  token_required: "This Earshot lets in who has a token.",
  token_invalid: "This token is not known here, or was revoked. Enter another one.",
};

/** What the API refused or could not do. `message` is for people, `code` for programs. */
export class Problem extends Error {
  constructor(status, members) {
    const { code, detail } = members;
    super(INSTEAD[code] ?? [detail, ADVICE[code]].filter(Boolean).join(" "));
    this.name = "Problem";
    this.status = status;
    this.code = members.code;
    this.members = members;
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set(value) {
    sessionStorage.setItem(KEY, value);
    declined = false;
    dispatchEvent(new Event("earshot-token"));
  },
  forget() {
    sessionStorage.removeItem(KEY);
    dispatchEvent(new Event("earshot-token"));
  },
};

let declined = false;
let pending = null;
let entry = async () => false;

/** Who asks a person for a token: `enter(problem)` resolves to whether one was given. */
export function askForTokensBy(enter) {
  entry = enter;
}

/** Have a token entered: one dialog, however many calls wait for it. */
export async function enterToken(problem = null) {
  pending ??= entry(problem).finally(() => { pending = null; });
  const given = await pending;
  declined = !given;
  return given;
}

/** The address of a path of the API, for example "predict" or "/classes". */
export const address = (path) => new URL(path.replace(/^\//, ""), BASE);

/**
 * Call the API; resolves to the Response, rejects with a Problem.
 *
 * `json` is sent as JSON, `body` as it is. When a token is wanted or does not suffice, the reader is
 * asked for one and the call goes out again. Reading calls do not ask again once that was declined.
 */
export async function ask(path, { method = "GET", json, body, headers = {}, signal } = {}) {
  const sent = token.get();
  const answer = await reach(address(path), {
    method,
    signal,
    body: json === undefined ? body : JSON.stringify(json),
    headers: {
      ...headers,
      ...(json === undefined ? {} : { "Content-Type": "application/json" }),
      ...(sent ? { Authorization: `Bearer ${sent}` } : {}),
    },
  });
  if (answer.ok) return answer;
  const problem = await read(answer);
  const wanted = answer.status === 401 || answer.status === 403;
  if (wanted && sent !== token.get()) return ask(path, { method, json, body, headers, signal });
  if (wanted && !(declined && method === "GET") && await enterToken(problem)) {
    return ask(path, { method, json, body, headers, signal });
  }
  throw problem;
}

/** The same, as what the JSON of the answer says. */
export async function get(path, options) {
  const answer = await ask(path, options);
  return unlessLeft(answer.json(), () => {
    throw new Problem(answer.status, { code: "unreadable", detail: "The answer was cut short, or is not Earshot's." });
  });
}

export const post = (path, json, options) => get(path, { method: "POST", json, ...options });

/** A path with query parameters; those that are null, empty or undefined are left out. */
export function withQuery(path, parameters) {
  const kept = Object.entries(parameters).filter(([, value]) => value != null && value !== "");
  const query = new URLSearchParams(
    kept.flatMap(([name, value]) => [value].flat().map((one) => [name, one])),
  );
  return kept.length ? `${path}?${query}` : path;
}

const reach = (url, options) => unlessLeft(fetch(url, options), () => {
  throw new Problem(0, { code: "unreachable", detail: "Earshot does not answer. Is it running?" });
});

/** The problem that an answer tells of; of a gateway's own page, for example, only its status is known. */
const read = (answer) => unlessLeft(
  answer.json().then((members) => new Problem(answer.status, members)),
  () => new Problem(answer.status, { code: "unreadable", detail: `The server answered ${answer.status} and no more.` }),
);

/** What `promise` resolves to, or what `otherwise()` makes of its failure; whoever asked and left gets neither. */
async function unlessLeft(promise, otherwise) {
  try {
    return await promise;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return otherwise();
  }
}
