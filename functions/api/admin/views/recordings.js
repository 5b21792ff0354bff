// The list: filters in the address, a page at a time, and what can be done with those that failed.

import { Link, to } from "../address.js";
import { ask } from "../api.js";
import { Choice, Filters } from "../filters.js";
import { html } from "../html.js";
import { useLive } from "../live.js";
import { Empty, Heading, Live, Pager, Status, Time, Told, Way } from "../parts.js";
import { useRetry } from "../retry.js";
import { useMemo, useState } from "../vendor/hooks.js";
import { between, clock, DIRECTIONS, fileName, number, plural, STATUSES, spelt } from "../words.js";

const SECONDS = 30;
const PAGE = 50;
const PAGES = 5; // of the API, looked through before a person is asked to go on
const AT_ONCE = 4;

// What the address says as the API's filters: days are the viewer's own, from their first moment to their last.
function filtersOf({ status, search, direction, errorCode, from, to }) {
  const moment = (day, end) => {
    const at = new Date(`${day}T${end ? "23:59:59.999" : "00:00:00"}`);
    return day && !Number.isNaN(at.getTime()) ? at.toISOString() : null;
  };
  return { transcriptionStatus: status, search, direction, errorCode, from: moment(from), to: moment(to, true) };
}

export default function Recordings({ query }) {
  const filters = filtersOf(query);
  const live = useLive(
    (signal) => page({ ...filters, limit: PAGE, cursor: query.cursor }, signal),
    [filters, query.cursor],
    SECONDS,
  );
  const [turn, setTurn] = useState(0);
  const again = () => {
    setTurn(turn + 1);
    return live.again();
  };
  return html`<${Heading} title="Recordings">
      ${live.data && html`<${Count} key=${turn} data=${live.data} filters=${filters} cursor=${query.cursor} />`}
    <//>
    <${Filters} path="recordings" query=${query} label="Recordings">
      <label class="wide">
        Number, call id or file name
        <input type="search" name="search" maxlength="256" placeholder="2025550143, or how a name begins" />
      </label>
      <${Choice} name="status" title="Status" choices=${STATUSES} />
      <${Choice} name="direction" title="Direction" choices=${DIRECTIONS} />
      <label>From <input type="date" min="2000-01-01" name="from" /></label>
      <label>To <input type="date" min="2000-01-01" name="to" /></label>
      <button type="submit">Search</button>
      ${
        query.errorCode &&
        html`<${Link} class="chip" href=${to("recordings", { ...query, errorCode: "", cursor: "" })}>
          Reason: ${spelt(query.errorCode)} <span aria-hidden="true">×</span><span class="unseen">, remove</span>
        <//>`
      }
      ${Object.keys(query).some((name) => name !== "cursor") && html`<${Link} href=${to("recordings")}>Clear all<//>`}
    <//>
    <${Live} live=${live}>
      ${(data) => html`<${List}
          items=${data.items}
          next=${data.nextCursor}
          filters=${filters}
          query=${query}
          again=${again}
        />
        <${Pager} at=${(cursor) => to("recordings", { ...query, cursor })} cursor=${query.cursor} next=${data.nextCursor} />`}
    <//>`;
}

// Few that are looked for among very many: the API answers before it has gone through all of them, so it is asked to go on.
async function page(query, signal) {
  let found = await ask("/api/call-recordings", { query, signal });
  for (let more = 1; more < PAGES && !found.items.length && found.nextCursor; more += 1) {
    found = await ask("/api/call-recordings", { query: { ...query, cursor: found.nextCursor }, signal });
  }
  return found;
}

// How many match. Where all are in sight, nobody has to be asked.
function Count({ data, filters, cursor }) {
  const whole = !cursor && !data.nextCursor;
  const live = useLive(
    (signal) => (whole ? null : ask("/api/call-recordings/count", { query: filters, signal })),
    [filters, whole],
  );
  const { count, exact } = whole ? { count: data.items.length, exact: true } : (live.data ?? {});
  return html`<span class="help" role="status">${count !== undefined && `${exact ? "" : "at least "}${plural(count, "recording")}`}</span>`;
}

function List({ items, next, filters, query, again }) {
  const [chosen, setChosen] = useState(() => new Set());
  const { busy, told, run, retryAll, question } = useRetry(again);
  const failed = useMemo(
    () => items.filter((each) => each.transcriptionStatus === "failed").map((each) => each.id),
    [items],
  );
  const selected = failed.filter((id) => chosen.has(id));
  const choose = (ids, yes) =>
    setChosen((before) => {
      const after = new Set(before);
      for (const id of ids) after[yes ? "add" : "delete"](id);
      return after;
    });

  const retrySelected = () =>
    selected.length &&
    run(async () => {
      const words = await retryEach(selected);
      setChosen(new Set());
      again();
      return words;
    });
  // failed ones, whatever status the list shows
  const retryMatching = () =>
    retryAll(
      { ...filters, transcriptionStatus: "failed" },
      "All that match the filters go back in line, with all attempts before them.",
    );

  if (!items.length) return html`<${Told} told=${told} /><${Nothing} query=${query} next=${next} />`;
  return html`${
    (failed.length > 0 || query.status === "failed") &&
    html`<div class="bar">
      <label><input
        type="checkbox"
        disabled=${!failed.length}
        checked=${failed.length > 0 && selected.length === failed.length}
        onChange=${(event) => choose(failed, event.target.checked)}
      /> All failed of this page</label>
      <button
        type="button"
        aria-disabled=${busy || !selected.length}
        onClick=${retrySelected}
      >Retry selected (${number(selected.length)})</button>
      <button type="button" aria-disabled=${busy} onClick=${retryMatching}>Retry all that match…</button>
    </div>`
  }
    <${Told} told=${told} />
    <ul class="recordings">
      ${items.map(
        (each) => html`<${Row}
          key=${each.id}
          recording=${each}
          chosen=${chosen.has(each.id)}
          choose=${(yes) => choose([each.id], yes)}
        />`,
      )}
    </ul>
    ${question}`;
}

function Row({ recording, chosen, choose }) {
  const { id, path, recordedAt, transcriptionStatus: status, direction, transcript, audio, error } = recording;
  const known = between(recording);
  const name = known ?? fileName(path);
  const seconds = audio?.duration ?? transcript?.duration;
  return html`<li class=${status}>
    <div class="choice">
      ${
        status === "failed" &&
        html`<input
          type="checkbox"
          aria-label="Select ${name}"
          checked=${chosen}
          onChange=${(event) => choose(event.target.checked)}
        />`
      }
    </div>
    <div class="call">
      <${Link} class="parties" href=${to(`recordings/${id}`)}>${name}<//>
      <small>
        <${Time} at=${recordedAt} />${direction && ` · ${DIRECTIONS[direction]}`}${seconds ? ` · ${clock(seconds)}` : ""}
      </small>
    </div>
    <div class="where">
      <${Status} status=${status} />
      <small title=${error?.message}><${Way} recording=${recording} />${recording.sourceMissing ? " · file gone" : ""}${recording.sourceChanged ? " · file changed" : ""}</small>
    </div>
    <p class="preview" title=${path}>${transcript?.preview || (known ? fileName(path) : "")}</p>
  </li>`;
}

function Nothing({ query, next }) {
  const any = Object.keys(query).length > 0;
  // few are looked for among very many: the API answers before it has gone through all of them
  if (next)
    return html`<${Empty} title="None found so far."><${Link} href=${to("recordings", { ...query, cursor: next })}>Look further back<//><//>`;
  if (query.cursor)
    return html`<${Empty} title="Nothing on this page."><${Link} href=${to("recordings", { ...query, cursor: "" })}>Back to the first page<//><//>`;
  if (any)
    return html`<${Empty} title="No recording matches."><${Link} href=${to("recordings")}>Clear the filters<//>, or search by the last four digits of a number.<//>`;
  return html`<${Empty} title="There are no recordings yet.">
    Put some where Callscribe looks for them (<${Link} href=${to("settings")}>Settings<//> say where); then <${Link} href=${to("scheduler")}>find them now<//>.
  <//>`;
}

// A few at once, each by itself: one that cannot be retried does not hold up the others.
async function retryEach(ids) {
  const left = [...ids];
  const refused = [];
  const worker = async () => {
    for (let id = left.pop(); id; id = left.pop()) {
      try {
        await ask(`/api/call-recordings/${id}`, { method: "PUT", body: { transcriptionStatus: "queued" } });
      } catch (error) {
        refused.push(error.message);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const done = ids.length - refused.length;
  if (!done) throw new Error(refused[0]);
  return `${plural(done, "recording")} back in line.${refused.length ? ` ${plural(refused.length, "other")} could not be: ${refused[0]}` : ""}`;
}
