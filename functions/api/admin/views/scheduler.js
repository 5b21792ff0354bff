// The three tasks and their runs.

import { request } from "../api.js";
import {
  ActionResult,
  Ago,
  EmptyState,
  PageHeading,
  Pagination,
  Polled,
  StatusBadge,
  Table,
  Time,
  useAction,
} from "../components.js";
import { FilterForm, SelectFilter } from "../filters.js";
import {
  capitalize,
  formatDuration,
  formatNumber,
  formatRelativeTime,
  formatTime,
  formatUtc,
  pluralize,
  RUN_STATUS_LABELS,
  runSummary,
  TASK_LABELS,
  TRIGGER_LABELS,
} from "../format.js";
import { html } from "../html.js";
import { usePolling } from "../polling.js";
import { Link, urlFor } from "../router.js";

const REFRESH_SECONDS = 30;
const CHART_RUNS = 40;
const PAGE_SIZE = 50;

export default function Scheduler({ query }) {
  const tasks = usePolling((signal) => request("/api/scheduler/tasks", { signal }), [], REFRESH_SECONDS);
  const filters = { task: query.task, status: query.status, cursor: query.cursor };
  const runs = usePolling(
    (signal) => request("/api/scheduler/runs", { query: { ...filters, limit: PAGE_SIZE }, signal }),
    [filters],
    REFRESH_SECONDS,
  );
  const refresh = () => {
    tasks.refresh();
    runs.refresh();
  };
  const pageUrl = (cursor) => urlFor("scheduler", { ...query, cursor });
  return html`<${PageHeading} title="Scheduler" />
    <${Polled} source=${tasks}>
      ${({ items }) => html`<ul class="tasks">${items.map((task) => html`<${Task} key=${task.command} task=${task} refresh=${refresh} />`)}</ul>`}
    <//>
    <section aria-labelledby="runs">
      <h2 id="runs">Recent runs</h2>
      <${FilterForm} path="scheduler" query=${query} label="Runs">
        <${SelectFilter} name="task" label="Task" options=${TASK_LABELS} />
        <${SelectFilter} name="status" label="Status" options=${RUN_STATUS_LABELS} />
      <//>
      <${Polled} source=${runs}>
        ${({ items, nextCursor }) => html`${
          items.length ? html`<${RunTable} runs=${items} />` : html`<${NoRuns} query=${query} hasMore=${nextCursor} />`
        }
          <${Pagination} pageUrl=${pageUrl} cursor=${query.cursor} nextCursor=${nextCursor} />`}
      <//>
    </section>`;
}

function Task({ task, refresh }) {
  const { command, module, moduleEnabled, schedule, scheduleExpression, paused, nextRunAt, lastRun } = task;
  const { busy, result, run } = useAction();
  const runs = usePolling(
    (signal) => request("/api/scheduler/runs", { query: { task: command, limit: CHART_RUNS }, signal }),
    [command],
    REFRESH_SECONDS,
  );
  const runAndRefresh = (work) =>
    run(async () => {
      try {
        return await work();
      } finally {
        refresh();
        runs.refresh();
      }
    });
  const togglePaused = () =>
    runAndRefresh(async () => {
      await request(`/api/scheduler/tasks/${command}`, { method: "PUT", body: { paused: !paused } });
      return paused ? "Resumed." : "Paused. The task does nothing until you resume it.";
    });
  const runNow = () =>
    runAndRefresh(async () => {
      const { status, error, counts } = await request(`/api/scheduler/tasks/${command}/run`, { method: "POST" });
      if (status === "failed") throw new Error(`The run failed: ${error}`);
      if (status === "skipped") return `The run was skipped: ${error}`;
      return status === "running"
        ? "The run continues in the background."
        : `The run succeeded: ${runSummary(counts)}.`;
    });
  // a schedule at a rate counts from its first run, which is not known before
  const withoutNextRun = paused ? "paused" : moduleEnabled ? "unknown" : `none while ${module} is disabled`;
  return html`<li aria-labelledby=${command}>
    <h2 id=${command}>${TASK_LABELS[command]} <small><code>${command}</code></small></h2>
    <dl class="stats small">
      <div><dt>Schedule</dt><dd title="${scheduleExpression}, in UTC">${schedule}</dd></div>
      <div><dt>Next run</dt><dd>${nextRunAt ? html`<${Time} at=${nextRunAt} format=${formatRelativeTime} />` : withoutNextRun}</dd></div>
      <div><dt>Last run</dt><dd>${lastRun ? html`<${StatusBadge} status=${lastRun.status} /> <${Ago} at=${lastRun.startedAt} />` : "none yet"}</dd></div>
    </dl>
    <${Polled} source=${runs}>${({ items }) => html`<${RunChart} runs=${items} />`}<//>
    <div class="actions">
      <button
        type="button"
        aria-disabled=${busy}
        aria-label="${paused ? "Resume" : "Pause"}: ${TASK_LABELS[command]}"
        onClick=${togglePaused}
      >${paused ? "Resume" : "Pause"}</button>
      <button
        type="button"
        class="primary"
        aria-disabled=${busy}
        aria-label="Run now: ${TASK_LABELS[command]}"
        onClick=${runNow}
      >Run now</button>
    </div>
    <${ActionResult} result=${result} />
  </li>`;
}

// The latest runs, oldest first: one bar per run, and a summary in words.
function RunChart({ runs }) {
  if (!runs.length) return html`<p class="help">No runs in the last 30 days.</p>`;
  const failed = runs.filter(({ status }) => status === "failed" || status === "died").length;
  const skipped = runs.filter(({ status }) => status === "skipped").length;
  const summary = [
    `Last ${pluralize(runs.length, "run")}: ${formatNumber(failed)} failed`,
    skipped && `${formatNumber(skipped)} skipped`,
  ]
    .filter(Boolean)
    .join(", ");
  return html`<div class="run-chart" role="img" aria-label=${summary}>
      ${runs.toReversed().map(
        ({ id, startedAt, status, error }) => html`<span
          key=${id}
          class=${status}
          title="${formatTime(startedAt)} (${formatUtc(startedAt)}): ${status}${error ? `. ${error}` : ""}"
        ></span>`,
      )}
    </div>
    <p class="help">${summary}</p>`;
}

const COLUMNS = [
  ["Started", ""],
  ["Task", ""],
  ["Trigger", ""],
  ["Status", ""],
  ["Duration", "numeric"],
  ["Result", "text"],
];

function RunTable({ runs }) {
  const rows = runs.map(({ id, startedAt, task, trigger, status, duration, error, counts }) => ({
    key: id,
    cells: [
      html`<${Time} at=${startedAt} />`,
      TASK_LABELS[task],
      TRIGGER_LABELS[trigger] ?? capitalize(trigger),
      html`<${StatusBadge} status=${status} />`,
      duration === null ? "" : formatDuration(duration),
      error ?? runSummary(counts),
    ],
  }));
  return html`<${Table} label="Runs" columns=${COLUMNS} rows=${rows} />`;
}

function NoRuns({ query, hasMore }) {
  if (hasMore) return html`<${EmptyState} title="No matching runs on this page.">Continue with the next page.<//>`;
  if (Object.keys(query).length)
    return html`<${EmptyState} title="No matching runs."><${Link} href=${urlFor("scheduler")}>Show all<//>. Runs are kept for up to 30 days.<//>`;
  return html`<${EmptyState} title="No runs yet.">Wait for the next scheduled run, or choose Run now.<//>`;
}
