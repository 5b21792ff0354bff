// The client of the HTTP API. The API key is kept in this tab's session storage only.

import { withQuery } from "./router.js";

const STORAGE_KEY = "callscribe.key";

// Dispatched on the window at sign-out, so that nothing the user typed is left for the next one.
export const SIGNED_OUT = "callscribe:signed-out";

export const apiKey = {
  get: () => sessionStorage.getItem(STORAGE_KEY),
  set: (value) => sessionStorage.setItem(STORAGE_KEY, value),
  clear: () => sessionStorage.removeItem(STORAGE_KEY),
};

// `message` is for the user. `status` is the HTTP status, 0 if there was no response; `details` name the invalid fields.
export class ApiError extends Error {
  constructor(status, code, message, details = []) {
    super(message);
    Object.assign(this, { status, code, details });
  }
}

export const UNREACHABLE = "The API does not respond. Check your network connection, then try again.";
const OVERLOADED = "The API is overloaded or took too long to respond. Wait a moment, then try again.";

// Responses of an API without free capacity, and the delays before a read is sent again (ms). Writes are never resent.
const RETRYABLE_STATUSES = [429, 503];
const RETRY_DELAYS_MS = [700, 2000];

let unauthorizedListener = () => {};

// `listener` is called when the API refuses the key: it is wrong, or has been revoked.
export function onUnauthorized(listener) {
  unauthorizedListener = listener;
}

// The response body as JSON; null if it has none. Throws ApiError.
export async function request(path, { method = "GET", query, body, signal } = {}) {
  return parseJson(await send(path, { method, query, body, signal }));
}

// The response body as a Blob, for downloads. Throws ApiError.
export async function fetchFile(path, query) {
  return (await send(path, { query })).blob();
}

async function send(path, { method = "GET", query, body, signal }) {
  const url = withQuery(path, query);
  const headers = { Authorization: `Bearer ${apiKey.get() ?? ""}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  for (const delay of method === "GET" ? RETRY_DELAYS_MS : []) {
    const response = await fetchResponse(url, { method, headers, signal });
    if (!RETRYABLE_STATUSES.includes(response.status)) return requireOk(response);
    await new Promise((resolve) => setTimeout(resolve, delay));
  }
  return requireOk(await fetchResponse(url, { method, headers, signal, body: body && JSON.stringify(body) }));
}

async function fetchResponse(url, options) {
  try {
    return await fetch(url, { ...options, cache: "no-cache" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", UNREACHABLE);
  }
}

async function parseJson(response) {
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error.name !== "SyntaxError") throw new ApiError(0, "unreachable", UNREACHABLE); // the connection broke
    throw new ApiError(response.status, "not_json", "The response is not JSON. Is a proxy or a login page in between?");
  }
}

// The response if its status is a success. Throws ApiError.
export async function requireOk(response) {
  if (response.ok) return response;
  if (response.status === 401) unauthorizedListener();
  const body = await response.json().catch(() => null); // the error page of a proxy is not JSON
  const { code = "error", message, details } = body?.error ?? {};
  throw new ApiError(response.status, code, errorMessage(response.status, message, details), details);
}

// Details name the invalid fields, for views that have no form to show them in. Responses that are not Callscribe's, such
// as API Gateway's own errors, have no message.
function errorMessage(status, message, details = []) {
  const fieldErrors = details
    .filter(({ field }) => field)
    .map(({ field, message }) => `${field.split(".").at(-1)} ${message}`);
  if (fieldErrors.length) return `The request is not valid: ${fieldErrors.join("; ")}.`;
  return message ?? (status === 429 || status > 500 ? OVERLOADED : `The API responded with HTTP ${status}.`);
}
