// The history of a recording, from its record, its transcripts and its server requests.

import { request } from "./api.js";
import { Polled, Time } from "./components.js";
import { formatBytes, formatDuration, humanize, STATUS_LABELS } from "./format.js";
import { html } from "./html.js";
import { useOnChange, usePolling } from "./polling.js";
import { Link, urlFor } from "./router.js";

const MAX_REQUESTS = 100;

// `versions`: the stored versions of the transcript.
export function History({ recording, versions }) {
  const { id, statusSince, transcriptionStatus: status } = recording;
  const requests = usePolling(
    (signal) => request("/api/transcription-calls", { query: { recordingId: id, limit: MAX_REQUESTS }, signal }),
    [id],
  );
  useOnChange(`${status} ${statusSince}`, requests.refresh);
  return html`<section aria-labelledby="history">
    <h2 id="history">History</h2>
    <${Polled} source=${requests}>
      ${({ items }) => html`<ol class="history">
          ${buildEvents(recording, items, versions).map(
            ({ at, kind, title, note }) => html`<li key=${`${at} ${title}`} class=${kind}>
              <${Time} at=${at} />
              <span>${title}${note && html` <small>${note}</small>`}</span>
            </li>`,
          )}
        </ol>
        ${items.length > 0 && html`<p><${Link} href=${urlFor("server-requests", { recordingId: id })}>View its server requests<//></p>`}`}
    <//>
  </section>`;
}

// Newest first.
function buildEvents(recording, requests, versions) {
  const { statusSince, transcriptionStatus: status, attempts, error } = recording;
  const events = [
    { at: recording.recordedAt, title: "Call" },
    { at: recording.modifiedAt, title: "File written" },
    { at: recording.createdAt, title: "Found by sync" },
    { at: recording.sourceChanged, kind: "error", title: "File changed" },
    { at: recording.sourceMissing, kind: "error", title: "File missing" },
    ...versions.map(({ createdAt, current }) => ({
      at: createdAt,
      kind: "success",
      title: "Transcript stored",
      note: current ? "current version" : "",
    })),
    // not the GET requests that poll a job: they are part of one attempt
    ...requests
      .filter(({ error, method }) => error || method === "POST")
      .map(({ startedAt, attempt, method, status, error, duration, bytesSent }) => ({
        at: startedAt,
        kind: error ? "error" : "",
        title: `Attempt ${attempt}: ${method} ${status ?? "no response"}`,
        note: `${error ? `${humanize(error)}, ` : ""}${formatDuration(duration)}, ${formatBytes(bytesSent)} sent`,
      })),
    // an attempt that failed without a request, because its audio could not be read
    status === "failed" &&
      !requests.some((each) => each.error && endedAt(each, error?.at)) && {
        at: error?.at,
        kind: "error",
        title: `Attempt ${attempts} failed`,
        note: error && humanize(error.code),
      },
    ["pending", "queued", "processing"].includes(status) && { at: statusSince, title: STATUS_LABELS[status] },
  ];
  return events.filter((event) => event?.at).sort((one, other) => new Date(other.at) - new Date(one.at));
}

const TOLERANCE_MS = 10_000;

// Whether this request ended at about this time, and so is what ended the attempt.
function endedAt({ startedAt, duration }, at) {
  return Math.abs(new Date(at) - new Date(startedAt) - 1000 * duration) < TOLERANCE_MS;
}
