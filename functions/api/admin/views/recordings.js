// The list of recordings: filters in the URL, one page at a time, and retries of failed recordings.

import { request } from "../api.js";
import {
  ActionResult,
  EmptyState,
  PageHeading,
  Pagination,
  Polled,
  Progress,
  StatusBadge,
  Time,
} from "../components.js";
import { FilterForm, SelectFilter } from "../filters.js";
import {
  callTitle,
  DIRECTION_LABELS,
  fileName,
  formatNumber,
  formatPosition,
  humanize,
  pluralize,
  STATUS_LABELS,
} from "../format.js";
import { html } from "../html.js";
import { usePolling } from "../polling.js";
import { useRetry } from "../retry.js";
import { Link, urlFor } from "../router.js";
import { useMemo, useState } from "../vendor/hooks.js";

const REFRESH_SECONDS = 30;
const PAGE_SIZE = 50;
const MAX_EMPTY_PAGES = 5; // of the API, before the user is asked whether to continue
const MAX_PARALLEL_RETRIES = 4;

// The filters of the API for the query of the URL. Days are the viewer's own, from their first millisecond to the last.
function toApiFilters({ status, search, direction, errorCode, from, to }) {
  const toTimestamp = (day, time) => {
    const date = new Date(`${day}T${time}`);
    return day && !Number.isNaN(date.getTime()) ? date.toISOString() : null;
  };
  return {
    transcriptionStatus: status,
    search,
    direction,
    errorCode,
    from: toTimestamp(from, "00:00:00"),
    to: toTimestamp(to, "23:59:59.999"),
  };
}

export default function Recordings({ query }) {
  const filters = toApiFilters(query);
  const recordings = usePolling(
    (signal) => fetchPage({ ...filters, limit: PAGE_SIZE, cursor: query.cursor }, signal),
    [filters, query.cursor],
    REFRESH_SECONDS,
  );
  const [refreshCount, setRefreshCount] = useState(0);
  const refresh = () => {
    setRefreshCount(refreshCount + 1);
    return recordings.refresh();
  };
  const pageUrl = (cursor) => urlFor("recordings", { ...query, cursor });
  return html`<${PageHeading} title="Recordings">
      ${recordings.data && html`<${Count} key=${refreshCount} page=${recordings.data} filters=${filters} cursor=${query.cursor} />`}
    <//>
    <${FilterForm} path="recordings" query=${query} label="Recordings">
      <label class="wide">
        Number, call ID or file name
        <input type="search" name="search" maxlength="256" placeholder="2025550143, or the start of a file name" />
      </label>
      <${SelectFilter} name="status" label="Status" options=${STATUS_LABELS} />
      <${SelectFilter} name="direction" label="Direction" options=${DIRECTION_LABELS} />
      <label>From <input type="date" min="2000-01-01" name="from" /></label>
      <label>To <input type="date" min="2000-01-01" name="to" /></label>
      <button type="submit">Search</button>
      ${
        query.errorCode &&
        html`<${Link} class="chip" href=${urlFor("recordings", { ...query, errorCode: "", cursor: "" })}>
          Error: ${humanize(query.errorCode)} <span aria-hidden="true">×</span><span class="visually-hidden">, remove</span>
        <//>`
      }
      ${Object.keys(query).some((name) => name !== "cursor") && html`<${Link} href=${urlFor("recordings")}>Clear filters<//>`}
    <//>
    <${Polled} source=${recordings}>
      ${({ items, nextCursor }) => html`<${RecordingList}
          items=${items}
          nextCursor=${nextCursor}
          filters=${filters}
          query=${query}
          refresh=${refresh}
        />
        <${Pagination} pageUrl=${pageUrl} cursor=${query.cursor} nextCursor=${nextCursor} />`}
    <//>`;
}

// The API may return an empty page with a cursor, when it has not scanned all recordings within one request.
async function fetchPage(query, signal) {
  let page = await request("/api/call-recordings", { query, signal });
  for (let count = 1; count < MAX_EMPTY_PAGES && !page.items.length && page.nextCursor; count += 1) {
    page = await request("/api/call-recordings", { query: { ...query, cursor: page.nextCursor }, signal });
  }
  return page;
}

// The number of matching recordings. It needs no request if all of them are on this page.
function Count({ page, filters, cursor }) {
  const isOnlyPage = !cursor && !page.nextCursor;
  const { data } = usePolling(
    (signal) => (isOnlyPage ? null : request("/api/call-recordings/count", { query: filters, signal })),
    [filters, isOnlyPage],
  );
  const { count, exact } = isOnlyPage ? { count: page.items.length, exact: true } : (data ?? {});
  return html`<span class="help" role="status">${count !== undefined && `${exact ? "" : "at least "}${pluralize(count, "recording")}`}</span>`;
}

function RecordingList({ items, nextCursor, filters, query, refresh }) {
  const [selection, setSelection] = useState(() => new Set());
  const { busy, result, run, retryAll, dialog } = useRetry(refresh);
  const failed = useMemo(
    () => items.filter((each) => each.transcriptionStatus === "failed").map((each) => each.id),
    [items],
  );
  const selected = failed.filter((id) => selection.has(id));
  const select = (ids, checked) =>
    setSelection((previous) => {
      const next = new Set(previous);
      for (const id of ids) next[checked ? "add" : "delete"](id);
      return next;
    });

  const retrySelected = () =>
    selected.length &&
    run(async () => {
      const text = await retryEach(selected);
      setSelection(new Set());
      refresh();
      return text;
    });
  // only failed recordings, whatever status the list shows
  const retryMatching = () =>
    retryAll(
      { ...filters, transcriptionStatus: "failed" },
      "All failed recordings that match the filters are requeued, with their attempts reset.",
    );

  if (!items.length)
    return html`<${ActionResult} result=${result} /><${NoRecordings} query=${query} nextCursor=${nextCursor} />`;
  return html`${
    (failed.length > 0 || query.status === "failed") &&
    html`<div class="bar">
      <label><input
        type="checkbox"
        disabled=${!failed.length}
        checked=${failed.length > 0 && selected.length === failed.length}
        onChange=${(event) => select(failed, event.target.checked)}
      /> Select all failed on this page</label>
      <button
        type="button"
        aria-disabled=${busy || !selected.length}
        onClick=${retrySelected}
      >Retry selected (${formatNumber(selected.length)})</button>
      <button type="button" aria-disabled=${busy} onClick=${retryMatching}>Retry all matching…</button>
    </div>`
  }
    <${ActionResult} result=${result} />
    <ul class="recordings">
      ${items.map(
        (each) => html`<${Row}
          key=${each.id}
          recording=${each}
          selected=${selection.has(each.id)}
          onSelect=${(checked) => select([each.id], checked)}
        />`,
      )}
    </ul>
    ${dialog}`;
}

function Row({ recording, selected, onSelect }) {
  const { id, path, recordedAt, transcriptionStatus: status, direction, transcript, audio, error } = recording;
  const parties = callTitle(recording);
  const name = parties ?? fileName(path);
  const seconds = audio?.duration ?? transcript?.duration;
  return html`<li class=${status}>
    <div class="selection">
      ${
        status === "failed" &&
        html`<input
          type="checkbox"
          aria-label="Select ${name}"
          checked=${selected}
          onChange=${(event) => onSelect(event.target.checked)}
        />`
      }
    </div>
    <div>
      <${Link} class="call" dir="auto" href=${urlFor(`recordings/${id}`)}>${name}<//>
      <small>
        <${Time} at=${recordedAt} />${direction && ` · ${DIRECTION_LABELS[direction]}`}${seconds ? ` · ${formatPosition(seconds)}` : ""}
      </small>
    </div>
    <div>
      <${StatusBadge} status=${status} />
      <small title=${error?.message}><${Progress} recording=${recording} />${recording.sourceMissing ? " · file missing" : ""}${recording.sourceChanged ? " · file changed" : ""}</small>
    </div>
    <p class="preview" dir="auto" title=${path}>${transcript?.preview || (parties ? fileName(path) : "")}</p>
  </li>`;
}

function NoRecordings({ query, nextCursor }) {
  if (nextCursor)
    return html`<${EmptyState} title="No matches so far."><${Link} href=${urlFor("recordings", { ...query, cursor: nextCursor })}>Search older recordings<//><//>`;
  if (query.cursor)
    return html`<${EmptyState} title="No recordings on this page."><${Link} href=${urlFor("recordings", { ...query, cursor: "" })}>Go to the first page<//><//>`;
  if (Object.keys(query).length)
    return html`<${EmptyState} title="No matching recordings."><${Link} href=${urlFor("recordings")}>Clear the filters<//>, or search for the last four digits of a number.<//>`;
  return html`<${EmptyState} title="No recordings yet.">
    Put audio files in the recordings path (see <${Link} href=${urlFor("settings")}>Settings<//>), then run the task Find
    recordings in <${Link} href=${urlFor("scheduler")}>Scheduler<//>.
  <//>`;
}

// Retries each recording in its own request: one that cannot be retried does not stop the others. Throws if none could be.
async function retryEach(ids) {
  const remaining = [...ids];
  const errors = [];
  const worker = async () => {
    for (let id = remaining.pop(); id; id = remaining.pop()) {
      try {
        await request(`/api/call-recordings/${id}`, { method: "PUT", body: { transcriptionStatus: "queued" } });
      } catch (error) {
        errors.push(error.message);
      }
    }
  };
  await Promise.all(Array.from({ length: MAX_PARALLEL_RETRIES }, worker));
  const count = ids.length - errors.length;
  if (!count) throw new Error(errors[0]);
  const failures = errors.length ? ` ${pluralize(errors.length, "other")} could not be requeued: ${errors[0]}` : "";
  return `${pluralize(count, "recording")} requeued.${failures}`;
}
