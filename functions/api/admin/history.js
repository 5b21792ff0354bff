// What became of a recording, and when: put together from its record, its transcripts and its calls to the service.

import { Link, to } from "./address.js";
import { ask } from "./api.js";
import { html } from "./html.js";
import { useAtChange, useLive } from "./live.js";
import { Live, Time } from "./parts.js";
import { bytes, STATUSES, span, spelt } from "./words.js";

const LIMIT = 100;

// `versions`: the transcripts that are stored of it.
export function History({ recording, versions }) {
  const { id, statusSince, transcriptionStatus: status } = recording;
  const calls = useLive(
    (signal) => ask("/api/transcription-calls", { query: { recordingId: id, limit: LIMIT }, signal }),
    [id],
  );
  useAtChange(`${status} ${statusSince}`, calls.again);
  return html`<section aria-labelledby="history">
    <h2 id="history">History</h2>
    <${Live} live=${calls}>
      ${(data) => html`<ol class="history">
          ${events(recording, data.items, versions).map(
            ({ at, kind, title, note }) => html`<li key=${`${at} ${title}`} class=${kind}>
              <${Time} at=${at} />
              <span>${title}${note && html` <small>${note}</small>`}</span>
            </li>`,
          )}
        </ol>
        ${data.items.length > 0 && html`<p><${Link} href=${to("calls", { recordingId: id })}>Its calls to the service, in full<//></p>`}`}
    <//>
  </section>`;
}

// The newest first.
function events(recording, calls, versions) {
  const {
    createdAt,
    modifiedAt,
    recordedAt,
    statusSince,
    transcriptionStatus: status,
    sourceMissing,
    sourceChanged,
    attempts,
    error,
  } = recording;
  const all = [
    { at: recordedAt, title: "The call" },
    { at: modifiedAt, title: "File written" },
    { at: createdAt, title: "Found by sync" },
    { at: sourceChanged, kind: "bad", title: "File changed" },
    { at: sourceMissing, kind: "bad", title: "File gone" },
    ...versions.map((each) => ({
      at: each.createdAt,
      kind: "good",
      title: "Transcript stored",
      note: each.current ? "current version" : "",
    })),
    // a job that is asked for again and again is one attempt
    ...calls
      .filter((call) => call.error || call.method === "POST")
      .map((call) => ({
        at: call.startedAt,
        kind: call.error ? "bad" : "",
        title: `Attempt ${call.attempt}: ${call.method} ${call.status ?? "no answer"}`,
        note: `${call.error ? `${spelt(call.error)}, ` : ""}${span(call.duration)}, ${bytes(call.bytesSent)} sent`,
      })),
    // one that failed without a call: its audio could not be read
    status === "failed" &&
      !calls.some((call) => call.error && endedAbout(call, error?.at)) && {
        at: error?.at,
        kind: "bad",
        title: `Attempt ${attempts} failed`,
        note: error && spelt(error.code),
      },
    ["pending", "queued", "processing"].includes(status) && { at: statusSince, title: STATUSES[status] },
  ];
  return all.filter((each) => each?.at).sort((one, other) => new Date(other.at) - new Date(one.at));
}

const ABOUT_MS = 10_000;

// Whether this call is what ended the attempt that failed then.
function endedAbout({ startedAt, duration }, at) {
  return Math.abs(new Date(at) - new Date(startedAt) - 1000 * duration) < ABOUT_MS;
}
