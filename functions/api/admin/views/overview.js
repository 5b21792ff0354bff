// How it stands: the statuses as a picture of the flow, the last day, what failed and why, what waits to be complete.

import { Link, to } from "../address.js";
import { ask } from "../api.js";
import { html } from "../html.js";
import { useAtChange, useLive } from "../live.js";
import { Ago, Empty, Heading, Live, Table, Time } from "../parts.js";
import { bytes, capital, fileName, number, plural, STATUSES, span, spelt, time, utc } from "../words.js";

const SECONDS = 60;
const SHOWN = 5; // files that wait, the longest first

export default function Overview({ summary }) {
  const sweep = useLive(lastSweep, [], SECONDS);
  const tasks = useLive((signal) => ask("/api/scheduler/tasks", { signal }), [], SECONDS);
  const activity = useLive((signal) => ask("/api/call-recordings/activity", { signal }), [], SECONDS);
  const failures = useLive((signal) => ask("/api/call-recordings/failure-summary", { signal }), []);
  useAtChange(summary.data?.failed, failures.again, SECONDS);
  useAtChange(summary.data?.queued, activity.again, SECONDS);
  return html`<${Heading} title="Overview" />
    <${Live} live=${summary}>${(data) => html`<${Flow} counts=${data} tasks=${tasks.data?.items} />`}<//>
    <section aria-labelledby="last-day">
      <h2 id="last-day">The last 24 hours</h2>
      <${Live} live=${activity}>${(data) => html`<${LastDay} activity=${data} queued=${summary.data?.queued} />`}<//>
    </section>
    <div class="halves">
      <section aria-labelledby="reasons">
        <h2 id="reasons">Failures by reason</h2>
        <${Live} live=${failures}>${(data) => html`<${Reasons} failures=${data} />`}<//>
      </section>
      <section aria-labelledby="incomplete">
        <h2 id="incomplete">Waiting to be complete</h2>
        <${Live} live=${sweep}>${({ run }) => html`<${Incomplete} run=${run} />`}<//>
      </section>
    </div>`;
}

// The last run that has looked at all files, or should have: one that an upload began looks at that file alone.
async function lastSweep(signal) {
  const query = { task: "sync_recordings", trigger: "schedule", limit: 2 };
  const latest = (await ask("/api/scheduler/runs", { query, signal })).items.find((run) => run.status !== "running");
  // a run names more of the files that wait than a list of runs does
  return { run: latest?.counts.waiting ? await ask(`/api/scheduler/runs/${latest.id}`, { signal }) : latest };
}

const MEANINGS = {
  pending: "found",
  queued: "in line",
  processing: "at the service",
  completed: "transcript stored",
  failed: "some wait for you",
};

function Flow({ counts, tasks = [] }) {
  const schedule = (command) => {
    const task = tasks.find((each) => each.command === command);
    return task && (task.paused ? "paused" : task.schedule);
  };
  const card = (status) => html`<${Link} class="card ${status}" href=${to("recordings", { status })}>
    <span class="name">${STATUSES[status]}</span>
    <strong>${number(counts[status])}</strong>
    <span class="meaning">${MEANINGS[status]}</span>
  <//>`;
  const arrow = (kind, words, note) =>
    html`<li class="arrow ${kind}"><span>${words}</span> <small>${note}</small></li>`;
  return html`<ol class="flow" aria-label="The way of recordings: ${plural(counts.total, "recording")}">
    ${arrow("sync", "sync", schedule("sync_recordings"))}
    <li>${card("pending")}</li>
    ${arrow("queue", "queue", schedule("queue_transcriptions"))}
    <li>${card("queued")}</li>
    ${arrow("process", "process", schedule("process_transcription"))}
    <li>${card("processing")}</li>
    ${arrow("done", "done", null)}
    <li class="done">${card("completed")}</li>
    ${arrow("fails", "attempt failed", "↩ tried again when due")}
    <li class="fails">${card("failed")}</li>
  </ol>`;
}

function LastDay({ activity, queued }) {
  const sum = (name) => activity.hours.reduce((total, hour) => total + hour[name], 0);
  const oldest = queued !== 0 && activity.oldestQueuedAt;
  return html`<dl class="figures">
      <div>
        <dt>Oldest in line</dt>
        <dd>${
          oldest
            ? html`<${Time}
            at=${oldest}
            as=${(at) => span(Math.max(0, (Date.now() - new Date(at)) / 1000))}
          />`
            : "none"
        }</dd>
      </div>
      <div>
        <dt>Transcribed</dt>
        <dd>${number(sum("transcribed"))}</dd>
      </div>
      <div>
        <dt>Audio</dt>
        <dd>${minutes(sum("audioSeconds"))}</dd>
      </div>
      <div>
        <dt>Failed attempts</dt>
        <dd>${number(sum("failedAttempts"))}</dd>
      </div>
    </dl>
    ${!activity.exact && html`<p class="help">There were more runs than one request reads: the oldest hours are short.</p>`}
    <${Hours} hours=${activity.hours} />`;
}

const minutes = (seconds) => `${number(seconds < 600 ? Math.round(seconds / 6) / 10 : Math.round(seconds / 60))} min`;

// One column an hour. `title` for who points at it; the table for who cannot.
function Hours({ hours }) {
  const most = Math.max(1, ...hours.map((hour) => hour.transcribed + hour.failedAttempts));
  const told = (hour) =>
    `${plural(hour.transcribed, "recording")} transcribed, ${plural(hour.failedAttempts, "failed attempt")}, ${minutes(hour.audioSeconds)} of audio`;
  return html`<figure class="hours">
    <figcaption>Transcribed per hour <span class="key good">transcribed</span> <span class="key bad">failed attempts</span></figcaption>
    <div class="plot" aria-hidden="true">
      <span class="most">${number(most)}</span>
      ${hours.map(
        (
          hour,
          at,
        ) => html`<div class="hour" key=${hour.startsAt} title="${time(hour.startsAt)} (${utc(hour.startsAt)}): ${told(hour)}">
          <div class="columns">
            <div class="bad" style=${{ height: `${(100 * hour.failedAttempts) / most}%` }}></div>
            <div class="good" style=${{ height: `${(100 * hour.transcribed) / most}%` }}></div>
          </div>
          <span>${at % 4 === 3 ? time(hour.startsAt) : null}</span>
        </div>`,
      )}
    </div>
    <details>
      <summary>As a table</summary>
      <${Table}
        label="Transcribed per hour"
        columns=${[["Hour from", ""], ["Transcribed", "figure"], ["Failed attempts", "figure"], ["Audio", "figure"]]}
        rows=${hours.map((hour) => ({
          key: hour.startsAt,
          cells: [
            html`<${Time} at=${hour.startsAt} as=${time} />`,
            number(hour.transcribed),
            number(hour.failedAttempts),
            minutes(hour.audioSeconds),
          ],
        }))}
      />
    </details>
  </figure>`;
}

function Reasons({ failures }) {
  if (!failures.items.length)
    return html`<${Empty} title="Nothing has failed.">What fails is shown here, with its reason.<//>`;
  const most = failures.items[0].count;
  return html`<ul class="reasons">
    ${failures.items.slice(0, 6).map(
      (each) => html`<li key=${each.code}>
        <${Link} href=${to("recordings", { status: "failed", errorCode: each.code })}>${capital(spelt(each.code))}<//>
        <span class="share" aria-hidden="true"><span style=${{ width: `${(100 * each.count) / most}%` }}></span></span>
        <strong>${number(each.count)}</strong>
        <small>last <${Ago} at=${each.lastAt} /></small>
      </li>`,
    )}
  </ul>
  <p><${Link} href=${to("failures")}>All failures, and how to retry them<//></p>`;
}

function Incomplete({ run }) {
  if (!run)
    return html`<${Empty} title="Nothing has been looked for yet.">The <${Link} href=${to("scheduler")}>schedule<//> says when it is.<//>`;
  if (run.status !== "succeeded")
    return html`<${Empty} title="It is not known which files wait.">
      The last look, <${Ago} at=${run.startedAt} />, ${run.status === "skipped" ? "was skipped" : run.status}: ${run.error} See the <${Link} href=${to("scheduler")}>scheduler<//>.
    <//>`;
  const count = run.counts.waiting ?? 0;
  if (!count)
    return html`<${Empty} title="No file waits.">The last look, <${Ago} at=${run.startedAt} />, found all of them complete.<//>`;
  const longest = run.waiting.toSorted((one, other) => new Date(one.since) - new Date(other.since));
  return html`<p>${plural(count, "file")} ${count === 1 ? "is" : "are"} not complete yet; each is taken up as soon as it is.</p>
    <${Files} files=${longest.slice(0, SHOWN)} />
    ${
      longest.length > SHOWN &&
      html`<details>
        <summary>${number(longest.length - SHOWN)} more</summary>
        <${Files} files=${longest.slice(SHOWN)} />
      </details>`
    }
    ${count > longest.length && html`<p class="help">The run names no more than these; there are ${number(count)}.</p>`}`;
}

const Files = ({ files }) => html`<ul class="waiting-files">
    ${files.map(
      (file) => html`<li key=${file.path}>
        <span class="name" title=${file.path}>${fileName(file.path)}</span>
        <small>${bytes(file.size)}, written <${Ago} at=${file.since} />. ${file.why}</small>
      </li>`,
    )}
  </ul>`;
