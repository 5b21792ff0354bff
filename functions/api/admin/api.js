// The HTTP API, with the key of who is signed in. The key is kept for the session of this tab alone.

const KEPT = "callscribe.key";

// Told to the window when a person signs out: what they typed is not for the next one.
export const SIGNED_OUT = "callscribe:signed-out";

export const key = {
  get: () => sessionStorage.getItem(KEPT),
  set: (value) => sessionStorage.setItem(KEPT, value),
  forget: () => sessionStorage.removeItem(KEPT),
};

// What went wrong, in words for a person. `status` is that of HTTP, 0 where no answer came; `details` name the fields.
export class ApiError extends Error {
  constructor(status, code, message, details = []) {
    super(message);
    Object.assign(this, { status, code, details });
  }
}

export const UNREACHABLE = "The API does not answer. Check the network, then try again.";
const NO_ROOM = "The stack has no room at this moment, or took too long. Wait a moment, then try again.";

// Answers of a stack that has no room at this moment, and how long to wait before what only reads is tried again (ms).
const BUSY = [429, 503];
const PAUSES = [700, 2000];

let refused = () => {};

// `listener` is called when the key is refused: it was wrong, or has been taken away.
export function onRefused(listener) {
  refused = listener;
}

// The answer as JSON; null where there is none. Throws ApiError.
export async function ask(path, { method = "GET", query, body, signal } = {}) {
  return read(await send(path, { method, query, body, signal }));
}

// The answer as a Blob, for what is downloaded. Throws ApiError.
export async function fetchFile(path, query) {
  return (await send(path, { query })).blob();
}

async function send(path, { method = "GET", query = {}, body, signal }) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const address = given.length ? `${path}?${new URLSearchParams(given)}` : path;
  const headers = { Authorization: `Bearer ${key.get() ?? ""}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  for (const pause of method === "GET" ? PAUSES : []) {
    const response = await sent(address, { method, headers, signal });
    if (!BUSY.includes(response.status)) return checked(response);
    await new Promise((done) => setTimeout(done, pause));
  }
  return checked(await sent(address, { method, headers, signal, body: body && JSON.stringify(body) }));
}

async function sent(address, options) {
  try {
    return await fetch(address, { ...options, cache: "no-cache" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", UNREACHABLE);
  }
}

async function checked(response) {
  if (response.ok) return response;
  throw await failure(response);
}

async function read(response) {
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error.name !== "SyntaxError") throw new ApiError(0, "unreachable", UNREACHABLE); // it broke off
    throw new ApiError(response.status, "not_json", "The API answered with something else than JSON.");
  }
}

async function failure(response) {
  if (response.status === 401) refused();
  const told = await response.json().catch(() => null); // a proxy's own words are no JSON, or not ours
  const { code = "error", message, details } = told?.error ?? {};
  return new ApiError(response.status, code, inWords(response.status, message, details), details);
}

// Details name the fields that are wrong, for who has no form with these fields before them. What is not ours, as API
// Gateway's own answers, has no message.
function inWords(status, message, details = []) {
  const faults = details.filter((each) => each.field).map((each) => `${each.field.split(".").at(-1)} ${each.message}`);
  if (faults.length) return `The request is not valid: ${faults.join("; ")}.`;
  return message ?? (status === 429 || status > 500 ? NO_ROOM : `The API answered ${status}.`);
}
