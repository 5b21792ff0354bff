// The HTTP requests to the transcription server.

import { request } from "../api.js";
import { EmptyState, PageHeading, Pagination, Polled, Table, Time } from "../components.js";
import { FilterForm, SelectFilter } from "../filters.js";
import { formatBytes, formatDuration, formatNumber, humanize } from "../format.js";
import { html } from "../html.js";
import { usePolling } from "../polling.js";
import { Link, urlFor } from "../router.js";

const REFRESH_SECONDS = 30;
const PAGE_SIZE = 100;
const RESULTS = { succeeded: "Succeeded", failed: "Failed" };
const COLUMNS = [
  ["Time", ""],
  ["Recording", ""],
  ["Attempt", "numeric"],
  ["Request", "wide"],
  ["Status", "numeric"],
  ["Duration", "numeric"],
  ["Sent", "numeric"],
  ["Received", "numeric"],
  ["Error", ""],
];

export default function ServerRequests({ query }) {
  const { recordingId, status, cursor } = query;
  const filters = { recordingId, status, from: toTimestamp(query.from), to: toTimestamp(query.to), cursor };
  const requests = usePolling(
    (signal) => request("/api/transcription-calls", { query: { ...filters, limit: PAGE_SIZE }, signal }),
    [filters],
    REFRESH_SECONDS,
  );
  const pageUrl = (nextCursor) => urlFor("server-requests", { ...query, cursor: nextCursor });
  return html`<${PageHeading} title="Server requests" />
    <${FilterForm} path="server-requests" query=${query} label="Server requests">
      <${SelectFilter} name="status" label="Result" options=${RESULTS} />
      <label>From <input type="datetime-local" min="2000-01-01T00:00" name="from" /></label>
      <label>To <input type="datetime-local" min="2000-01-01T00:00" name="to" /></label>
      ${
        recordingId &&
        html`<${Link} class="chip" href=${urlFor("server-requests", { ...query, recordingId: "", cursor: "" })}>
          One recording <span aria-hidden="true">×</span><span class="visually-hidden">, show all</span>
        <//>`
      }
    <//>
    <${Polled} source=${requests}>
      ${({ items, nextCursor }) => html`${
        items.length
          ? html`<${Table} label="Server requests" columns=${COLUMNS} rows=${items.map(toRow)} />`
          : html`<${Empty} query=${query} hasMore=${nextCursor} />`
      }
        <${Pagination} pageUrl=${pageUrl} cursor=${cursor} nextCursor=${nextCursor} />`}
    <//>`;
}

function Empty({ query, hasMore }) {
  if (hasMore) return html`<${EmptyState} title="No matching requests on this page.">Continue with the next page.<//>`;
  if (Object.keys(query).length)
    return html`<${EmptyState} title="No matching requests.">
      <${Link} href=${urlFor("server-requests")}>Show all<//>. Requests are kept for up to 30 days.
    <//>`;
  return html`<${EmptyState} title="No server requests yet.">
    Recordings are sent to the server when the task Transcribe runs: see <${Link} href=${urlFor("scheduler")}>Scheduler<//>.
  <//>`;
}

// The local time of a form field as a UTC timestamp; null if it is not a time.
function toTimestamp(local) {
  const date = new Date(local ?? "");
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

function toRow({ recordingId, startedAt, attempt, method, url, status, duration, bytesSent, bytesReceived, error }) {
  return {
    key: `${startedAt} ${recordingId}`, // not the index: a new request moves all others
    cells: [
      html`<${Time} at=${startedAt} />`,
      html`<${Link} href=${urlFor(`recordings/${recordingId}`)}><code>${recordingId.slice(0, 8)}</code><//>`,
      formatNumber(attempt),
      html`<span class="path">${method} ${url}</span>`,
      html`<span class=${error ? "error" : "success"}>${status ?? "no response"}</span>`,
      formatDuration(duration),
      formatBytes(bytesSent),
      formatBytes(bytesReceived),
      error && html`<span class="error">${humanize(error)}</span>`,
    ],
  };
}
