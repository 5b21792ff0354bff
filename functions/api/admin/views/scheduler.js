// The three tasks and their runs.

import { Link, to } from "../address.js";
import { ask } from "../api.js";
import { Choice, Filters } from "../filters.js";
import { html } from "../html.js";
import { useLive } from "../live.js";
import { Ago, Empty, Heading, Live, Pager, Status, Table, Time, Told, useDeed } from "../parts.js";
import { number, OUTCOMES, plural, relative, span, spelt, TASKS, time, utc } from "../words.js";

const SECONDS = 30;
const STRIP = 40;
const PAGE = 50;

export default function Scheduler({ query }) {
  const tasks = useLive((signal) => ask("/api/scheduler/tasks", { signal }), [], SECONDS);
  const filters = { task: query.task, status: query.status, cursor: query.cursor };
  const runs = useLive(
    (signal) => ask("/api/scheduler/runs", { query: { ...filters, limit: PAGE }, signal }),
    [filters],
    SECONDS,
  );
  const again = () => {
    tasks.again();
    runs.again();
  };
  return html`<${Heading} title="Scheduler" />
    <${Live} live=${tasks}>
      ${({ items }) => html`<ul class="tasks">${items.map((each) => html`<${Task} key=${each.command} task=${each} again=${again} />`)}</ul>`}
    <//>
    <section aria-labelledby="runs">
      <h2 id="runs">Recent runs</h2>
      <${Filters} path="scheduler" query=${query} label="Runs">
        <${Choice} name="task" title="Task" choices=${TASKS} />
        <${Choice} name="status" title="Ended" choices=${OUTCOMES} />
      <//>
      <${Live} live=${runs}>
        ${({ items, nextCursor }) =>
          items.length
            ? html`<${Runs} items=${items} /><${Pager}
                at=${(cursor) => to("scheduler", { ...query, cursor })}
                cursor=${query.cursor}
                next=${nextCursor}
              />`
            : html`<${Empty} title="No run matches."><${Link} href=${to("scheduler")}>Show all<//>. Runs are kept 30 days at most.<//>`}
      <//>
    </section>`;
}

function Task({ task, again }) {
  const { command, module, schedule, scheduleExpression, paused, nextRunAt, lastRun } = task;
  const { busy, told, run } = useDeed();
  const strip = useLive(
    (signal) => ask("/api/scheduler/runs", { query: { task: command, limit: STRIP }, signal }),
    [command],
    SECONDS,
  );
  const act = (work) =>
    run(async () => {
      try {
        return await work();
      } finally {
        again();
        strip.again();
      }
    });
  const pause = () =>
    act(async () => {
      await ask(`/api/scheduler/tasks/${command}`, { method: "PUT", body: { paused: !paused } });
      return paused ? "Resumed." : "Paused: it does nothing until it is resumed.";
    });
  const start = () =>
    act(async () => {
      const { status, error, counts } = await ask(`/api/scheduler/tasks/${command}/run`, { method: "POST" });
      if (status === "failed") throw new Error(`The run failed: ${error}`);
      if (status === "skipped") return `The run was skipped: ${error}`;
      return status === "running" ? "It runs, and goes on by itself." : `The run succeeded. ${counted(counts)}`;
    });
  return html`<li aria-labelledby=${command}>
    <h2 id=${command}>${TASKS[command]} <small><code>${command}</code></small></h2>
    <dl class="figures small">
      <div><dt>Schedule</dt><dd title="${scheduleExpression}, in UTC">${schedule}</dd></div>
      <div><dt>Next run</dt><dd>${nextRunAt ? html`<${Time} at=${nextRunAt} as=${relative} />` : paused ? "paused" : `none while ${module} is disabled`}</dd></div>
      <div><dt>Last run</dt><dd>${lastRun ? html`<${Status} status=${lastRun.status} /> <${Ago} at=${lastRun.startedAt} />` : "none yet"}</dd></div>
    </dl>
    <${Live} live=${strip}>${({ items }) => html`<${Strip} runs=${items} />`}<//>
    <div class="actions">
      <button
        type="button"
        aria-disabled=${busy}
        aria-label="${paused ? "Resume" : "Pause"}: ${TASKS[command]}"
        onClick=${pause}
      >${paused ? "Resume" : "Pause"}</button>
      <button
        type="button"
        class="primary"
        aria-disabled=${busy}
        aria-label="Run now: ${TASKS[command]}"
        onClick=${start}
      >Run now</button>
    </div>
    <${Told} told=${told} />
  </li>`;
}

// The last runs, the oldest first: a picture, and the same in a sentence.
function Strip({ runs }) {
  if (!runs.length) return html`<p class="help">No run in the last 30 days.</p>`;
  const bad = runs.filter((each) => each.status === "failed" || each.status === "died").length;
  const skipped = runs.filter((each) => each.status === "skipped").length;
  const words = `${plural(runs.length, "run")}: ${number(bad)} bad, ${number(skipped)} skipped`;
  return html`<div class="strip" role="img" aria-label="The last ${words}">
      ${[...runs].reverse().map(
        (each) => html`<span
          key=${each.id}
          class=${each.status}
          title="${time(each.startedAt)} (${utc(each.startedAt)}): ${each.status}${each.error ? `. ${each.error}` : ""}"
        ></span>`,
      )}
    </div>
    <p class="help">Last ${words}</p>`;
}

const COLUMNS = [
  ["Started", ""],
  ["Task", ""],
  ["By", ""],
  ["Ended", ""],
  ["Duration", "figure"],
  ["What came of it", "wide"],
];

function Runs({ items }) {
  const rows = items.map((each) => ({
    key: each.id,
    cells: [
      html`<${Time} at=${each.startedAt} />`,
      TASKS[each.task],
      each.trigger,
      html`<${Status} status=${each.status} />`,
      each.duration === null ? "" : span(each.duration),
      each.error ?? counted(each.counts),
    ],
  }));
  return html`<${Table} label="Runs" columns=${COLUMNS} rows=${rows} />`;
}

// What a run counted, as far as it is not nothing.
function counted(counts) {
  const told = Object.entries(counts).filter(([, value]) => value);
  if (!told.length) return "nothing to do";
  return told
    .map(([name, value]) => (name === "audio_seconds" ? `${span(value)} of audio` : `${number(value)} ${spelt(name)}`))
    .join(", ");
}
