// What was exchanged with the transcription service.

import { Link, to } from "../address.js";
import { ask } from "../api.js";
import { Choice, Filters } from "../filters.js";
import { html } from "../html.js";
import { useLive } from "../live.js";
import { Empty, Heading, Live, Pager, Table, Time } from "../parts.js";
import { bytes, number, span, spelt } from "../words.js";

const SECONDS = 30;
const PAGE = 100;
const RESULTS = { succeeded: "Succeeded", failed: "Failed" };
const COLUMNS = [
  ["Time", ""],
  ["Recording", ""],
  ["Attempt", "figure"],
  ["Request", "wide"],
  ["Status", "figure"],
  ["Duration", "figure"],
  ["Sent", "figure"],
  ["Received", "figure"],
  ["Error", ""],
];

export default function Calls({ query }) {
  const { recordingId, status, from, to: until, cursor } = query;
  const filters = { recordingId, status, from: instant(from), to: instant(until), cursor };
  const live = useLive(
    (signal) => ask("/api/transcription-calls", { query: { ...filters, limit: PAGE }, signal }),
    [filters],
    SECONDS,
  );
  return html`<${Heading} title="Calls to the service" />
    <${Filters} path="calls" query=${query} label="Calls">
      <${Choice} name="status" title="Result" choices=${RESULTS} />
      <label>From <input type="datetime-local" min="2000-01-01T00:00" name="from" /></label>
      <label>To <input type="datetime-local" min="2000-01-01T00:00" name="to" /></label>
      ${
        recordingId &&
        html`<${Link} class="chip" href=${to("calls", { ...query, recordingId: "", cursor: "" })}>
          One recording <span aria-hidden="true">×</span><span class="unseen">, show all</span>
        <//>`
      }
    <//>
    <${Live} live=${live}>
      ${({ items, nextCursor }) => html`${
        items.length
          ? html`<${Table} label="Calls to the service" columns=${COLUMNS} rows=${items.map(row)} />`
          : html`<${Empty} title=${nextCursor ? "None of this page matches." : "There are no calls."}>
                Calls are kept 30 days at most.${" "}${nextCursor ? "Go on to the next page." : html`What is sent to the service is shown here. <${Link} href=${to("calls")}>Show all<//>`}
              <//>`
      }
        <${Pager} at=${(next) => to("calls", { ...query, cursor: next })} cursor=${cursor} next=${nextCursor} />`}
    <//>`;
}

// A local time of a form as an instant; null for what is none.
function instant(local) {
  const at = new Date(local ?? "");
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}

function row(call) {
  const { recordingId, startedAt, attempt, method, url, status, duration, bytesSent, bytesReceived, error } = call;
  return {
    key: `${startedAt} ${recordingId}`, // not its place: a new call moves all others
    cells: [
      html`<${Time} at=${startedAt} />`,
      html`<${Link} href=${to(`recordings/${recordingId}`)}><code>${recordingId.slice(0, 8)}</code><//>`,
      number(attempt),
      html`<span class="path">${method} ${url}</span>`,
      html`<span class=${error ? "bad" : "good"}>${status ?? "none"}</span>`,
      span(duration),
      bytes(bytesSent),
      bytes(bytesReceived),
      error && html`<span class="bad">${spelt(error)}</span>`,
    ],
  };
}
