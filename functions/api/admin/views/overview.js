// The overview: recordings by status, the last 24 hours, failures by error, and incomplete files.

import { request } from "../api.js";
import { Ago, EmptyState, PageHeading, Polled, Table, Time } from "../components.js";
import {
  capitalize,
  fileName,
  formatBytes,
  formatDuration,
  formatNumber,
  formatTime,
  formatUtc,
  humanize,
  pluralize,
  STATUS_LABELS,
  TASK_LABELS,
} from "../format.js";
import { html } from "../html.js";
import { useOnChange, usePolling } from "../polling.js";
import { Link, urlFor } from "../router.js";

const REFRESH_SECONDS = 60;
const MAX_FILES = 5;
const MAX_ERRORS = 6;

export default function Overview({ summary }) {
  const scan = usePolling(fetchLastScan, [], REFRESH_SECONDS);
  const tasks = usePolling((signal) => request("/api/scheduler/tasks", { signal }), [], REFRESH_SECONDS);
  const activity = usePolling((signal) => request("/api/call-recordings/activity", { signal }), [], REFRESH_SECONDS);
  const failures = usePolling((signal) => request("/api/call-recordings/failure-summary", { signal }), []);
  useOnChange(summary.data?.failed, failures.refresh, REFRESH_SECONDS);
  useOnChange(summary.data?.queued, activity.refresh, REFRESH_SECONDS);
  return html`<${PageHeading} title="Overview" />
    <${Polled} source=${summary}>${(data) => html`<${StatusFlow} counts=${data} tasks=${tasks.data?.items} />`}<//>
    <section aria-labelledby="activity">
      <h2 id="activity">Last 24 hours</h2>
      <${Polled} source=${activity}>${(data) => html`<${Activity} activity=${data} queued=${summary.data?.queued} />`}<//>
    </section>
    <div class="two-columns">
      <section aria-labelledby="failures">
        <h2 id="failures">Failures by error</h2>
        <${Polled} source=${failures}>${(data) => html`<${FailureCounts} failures=${data.items} exact=${data.exact} />`}<//>
      </section>
      <section aria-labelledby="incomplete">
        <h2 id="incomplete">Incomplete files</h2>
        <${Polled} source=${scan}>${({ run }) => html`<${IncompleteFiles} run=${run} />`}<//>
      </section>
    </div>`;
}

// The last run that scanned all files, or should have: a run triggered by an upload looks at that file only.
async function fetchLastScan(signal) {
  const query = { task: "sync_recordings", trigger: "schedule", limit: 2 };
  const { items } = await request("/api/scheduler/runs", { query, signal });
  const run = items.find(({ status }) => status !== "running");
  // one run lists more incomplete files than a list of runs does
  return { run: run?.waiting.length ? await request(`/api/scheduler/runs/${run.id}`, { signal }) : run };
}

const STATUS_DESCRIPTIONS = {
  pending: "not in the queue yet",
  queued: "waiting to be sent",
  processing: "on the server",
  completed: "transcript stored",
  failed: "last attempt failed",
};

function StatusFlow({ counts, tasks = [] }) {
  const card = (status) => html`<${Link} class="card ${status}" href=${urlFor("recordings", { status })}>
    <span class="name">${STATUS_LABELS[status]}</span>
    <strong>${formatNumber(counts[status])}</strong>
    <span class="description">${STATUS_DESCRIPTIONS[status]}</span>
  <//>`;
  const arrow = (label, note, kind = "") =>
    html`<li class="arrow ${kind}"><span>${label}</span> <small>${note}</small></li>`;
  const taskArrow = (command) => {
    const task = tasks.find((each) => each.command === command);
    return arrow(TASK_LABELS[command], task && (task.paused ? "paused" : task.schedule));
  };
  return html`<ol class="flow" aria-label="Status of ${pluralize(counts.total, "recording")}">
    ${taskArrow("sync_recordings")}
    <li>${card("pending")}</li>
    ${taskArrow("queue_transcriptions")}
    <li>${card("queued")}</li>
    ${taskArrow("process_transcription")}
    <li>${card("processing")}</li>
    ${arrow("success", null, "to-completed")}
    <li class="to-completed">${card("completed")}</li>
    ${arrow("failure", "↩ retried when due", "to-failed")}
    <li class="to-failed">${card("failed")}</li>
  </ol>`;
}

function Activity({ activity, queued }) {
  const sum = (name) => activity.hours.reduce((total, hour) => total + hour[name], 0);
  const oldest = queued !== 0 && activity.oldestQueuedAt;
  const formatAge = (at) => formatDuration(Math.max(0, (Date.now() - new Date(at)) / 1000));
  return html`<dl class="stats">
      <div><dt>Oldest in queue</dt><dd>${oldest ? html`<${Time} at=${oldest} format=${formatAge} />` : "none"}</dd></div>
      <div><dt>Transcribed</dt><dd>${formatNumber(sum("transcribed"))}</dd></div>
      <div><dt>Audio</dt><dd>${formatMinutes(sum("audioSeconds"))}</dd></div>
      <div><dt>Failed attempts</dt><dd>${formatNumber(sum("failedAttempts"))}</dd></div>
    </dl>
    ${!activity.exact && html`<p class="help">There were more runs than one request can read. The oldest hours are lower bounds.</p>`}
    <${HourlyChart} hours=${activity.hours} />`;
}

const formatMinutes = (seconds) =>
  `${formatNumber(seconds < 600 ? Math.round(seconds / 6) / 10 : Math.round(seconds / 60))} min`;

// One column per hour, with a tooltip; and a table for users who cannot see or point at it.
function HourlyChart({ hours }) {
  const max = Math.max(1, ...hours.map((hour) => hour.transcribed + hour.failedAttempts));
  const describe = ({ startsAt, transcribed, failedAttempts, audioSeconds }) =>
    `${formatTime(startsAt)} (${formatUtc(startsAt)}): ${pluralize(transcribed, "recording")} transcribed, ${pluralize(failedAttempts, "failed attempt")}, ${formatMinutes(audioSeconds)} of audio`;
  return html`<figure class="hourly-chart">
    <figcaption>Recordings per hour <span class="legend success">transcribed</span> <span class="legend error">failed attempts</span></figcaption>
    <div class="plot" aria-hidden="true">
      <span class="max">${formatNumber(max)}</span>
      ${hours.map(
        (hour, index) => html`<div class="hour" key=${hour.startsAt} title=${describe(hour)}>
          <div class="columns">
            <div class="error" style=${{ height: `${(100 * hour.failedAttempts) / max}%` }}></div>
            <div class="success" style=${{ height: `${(100 * hour.transcribed) / max}%` }}></div>
          </div>
          <span>${index % 4 === 3 ? formatTime(hour.startsAt) : null}</span>
        </div>`,
      )}
    </div>
    <details>
      <summary>Show as a table</summary>
      <${Table}
        label="Recordings per hour"
        columns=${[["Hour", ""], ["Transcribed", "numeric"], ["Failed attempts", "numeric"], ["Audio", "numeric"]]}
        rows=${hours.map((hour) => ({
          key: hour.startsAt,
          cells: [
            html`<${Time} at=${hour.startsAt} format=${formatTime} />`,
            formatNumber(hour.transcribed),
            formatNumber(hour.failedAttempts),
            formatMinutes(hour.audioSeconds),
          ],
        }))}
      />
    </details>
  </figure>`;
}

function FailureCounts({ failures, exact }) {
  if (!failures.length)
    return html`<${EmptyState} title="No failures.">Failed recordings appear here, grouped by error.<//>`;
  const max = failures[0].count;
  return html`<ul class="failure-counts">
    ${failures.slice(0, MAX_ERRORS).map(
      ({ code, count, lastAt }) => html`<li key=${code}>
        <${Link} href=${urlFor("recordings", { status: "failed", errorCode: code })}>${capitalize(humanize(code))}<//>
        <span class="share" aria-hidden="true"><span style=${{ width: `${(100 * count) / max}%` }}></span></span>
        <strong>${formatNumber(count)}</strong>
        <small>last <${Ago} at=${lastAt} /></small>
      </li>`,
    )}
  </ul>
  ${!exact && html`<p class="help">There are more failures than one request can read. The figures are lower bounds.</p>`}
  <p><${Link} href=${urlFor("failures")}>View all failures<//></p>`;
}

// `run`: the last scan of all files.
function IncompleteFiles({ run }) {
  if (!run)
    return html`<${EmptyState} title="No scan yet.">The first scheduled run lists them. See <${Link} href=${urlFor("scheduler")}>Scheduler<//>.<//>`;
  if (run.status !== "succeeded")
    return html`<${EmptyState} title="The last scan did not complete.">
      It ${run.status === "skipped" ? "was skipped" : run.status} <${Ago} at=${run.startedAt} />: ${run.error} See <${Link} href=${urlFor("scheduler")}>Scheduler<//>.
    <//>`;
  const count = (run.counts.waiting ?? 0) + (run.counts.in_transfer ?? 0);
  const { archived = 0, empty = 0 } = run.counts;
  return html`${
    count
      ? html`<p>${pluralize(count, "file is", "files are")} incomplete, and will be ingested once complete.</p>`
      : html`<${EmptyState} title="No incomplete files.">Last scan: <${Ago} at=${run.startedAt} />.<//>`
  }
    ${archived > 0 && html`<p>${pluralize(archived, "recording is", "recordings are")} archived in S3 Glacier, and will be ingested once restored.</p>`}
    ${empty > 0 && html`<p>${pluralize(empty, "file has", "files have")} had no audio for a day or longer.</p>`}
    ${run.waiting.length > 0 && html`<${FileList} files=${run.waiting.slice(0, MAX_FILES)} />`}
    ${
      run.waiting.length > MAX_FILES &&
      html`<details>
        <summary>Show ${formatNumber(run.waiting.length - MAX_FILES)} more</summary>
        <${FileList} files=${run.waiting.slice(MAX_FILES)} />
      </details>`
    }
    ${count + empty > run.waiting.length && html`<p class="help">Only the ${formatNumber(run.waiting.length)} largest are listed.</p>`}`;
}

// Largest first: those without audio come last.
const FileList = ({ files }) => html`<ul class="incomplete-files">
    ${files.map(
      ({ path, size, since, reason }) => html`<li key=${path}>
        <span class="name" dir="auto" title=${path}>${fileName(path)}</span>
        <small>${formatBytes(size)}, last written <${Ago} at=${since} />. ${reason}</small>
      </li>`,
    )}
  </ul>`;
