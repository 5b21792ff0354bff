// What became of a recording, and when: put together from its record, its transcripts and its calls to the service.
import { html } from "./html.js";
import { Link, to } from "./address.js";
import { ask } from "./api.js";
import { useAtChange, useLive } from "./live.js";
import { Live, Time } from "./parts.js";
import { STATUSES, bytes, spelt, span } from "./words.js";

const LIMIT = 100;

export function History({ recording }) {
  const { id, statusSince, transcriptionStatus: status, transcript } = recording;
  const calls = useLive((signal) => ask("/api/transcription-calls", { query: { recordingId: id, limit: LIMIT }, signal }), [id]);
  const versions = useLive((signal) => ask(`/api/call-recordings/${id}/transcript/versions`, { signal }), [id]);
  useAtChange(`${status} ${statusSince}`, calls.again);
  useAtChange(transcript?.version ?? null, versions.again);
  return html`<section aria-labelledby="history">
    <h2 id="history">History</h2>
    <${Live} live=${calls}>
      ${(data) => html`<ol class="history">
          ${events(recording, data.items, versions.data?.items ?? []).map(
            ({ at, kind, title, note }, place) => html`<li key=${`${at} ${place}`} class=${kind}>
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
  const { createdAt, modifiedAt, recordedAt, statusSince, transcriptionStatus: status, sourceMissing, sourceChanged, error } = recording;
  const all = [
    { at: recordedAt, title: "The call" },
    { at: modifiedAt, title: "File written" },
    { at: createdAt, title: "Found by sync" },
    { at: sourceChanged, kind: "bad", title: "File changed" },
    { at: sourceMissing, kind: "bad", title: "File gone" },
    ...versions.map((each) => ({ at: each.createdAt, kind: "good", title: "Transcript stored", note: each.current ? "current version" : "" })),
    ...calls.map((call) => ({
      at: call.startedAt,
      kind: call.error ? "bad" : "",
      title: `Attempt ${call.attempt}: ${call.method} ${call.status ?? "no answer"}`,
      note: `${call.error ? `${spelt(call.error)}, ` : ""}${span(call.duration)}, ${bytes(call.bytesSent)} sent`,
    })),
    status === "failed" && error && { at: error.at, kind: "bad", title: "Attempt failed", note: spelt(error.code) },
    ["pending", "queued", "processing"].includes(status) && { at: statusSince, title: STATUSES[status] },
  ];
  return all.filter((each) => each?.at).sort((one, other) => new Date(other.at) - new Date(one.at));
}
