// The failed recordings, grouped by error, with a way to retry each group.

import { request } from "../api.js";
import { ActionResult, Ago, EmptyState, Notice, PageHeading, Polled, Time } from "../components.js";
import { capitalize, formatNumber, humanize } from "../format.js";
import { html } from "../html.js";
import { useOnChange, usePolling } from "../polling.js";
import { useRetry } from "../retry.js";
import { Link, urlFor } from "../router.js";

const REFRESH_SECONDS = 300;
const MIN_REFRESH_SECONDS = 60;

export default function Failures({ summary }) {
  const failures = usePolling(
    (signal) => request("/api/call-recordings/failure-summary", { signal }),
    [],
    REFRESH_SECONDS,
  );
  const { busy, result, retryAll, dialog } = useRetry(failures.refresh);
  useOnChange(summary.data?.failed, failures.refresh, MIN_REFRESH_SECONDS);
  const retry = ({ code }) =>
    retryAll(
      { errorCode: code },
      `All recordings that failed with “${humanize(code)}” are requeued, with their attempts reset.`,
    );
  return html`<${PageHeading} title="Failures" />
    <p class="help">Recordings whose last attempt failed, grouped by error. This includes those that will be retried automatically.</p>
    <${ActionResult} result=${result} />
    <${Polled} source=${failures}>
      ${({ items, exact }) =>
        items.length
          ? html`${!exact && html`<${Notice}>There are too many failures to count in one request. The numbers are lower bounds.<//>`}
              <ul class="failure-groups">
                ${items.map((group) => html`<${FailureGroup} key=${group.code} group=${group} busy=${busy} retry=${() => retry(group)} />`)}
              </ul>`
          : html`<${EmptyState} title="No failures.">Failed recordings appear here, with their error and a button to retry them.<//>`}
    <//>
    ${dialog}`;
}

function FailureGroup({ group, busy, retry }) {
  const { code, httpStatus, count, final, message, firstAt, lastAt } = group;
  return html`<li>
    <h2>${capitalize(humanize(code))}${httpStatus && html` <small>last HTTP status ${httpStatus}</small>`}</h2>
    <strong class="total">${formatNumber(count)}</strong>
    <p>${message}</p>
    <dl class="stats small">
      <div><dt>First seen</dt><dd><${Time} at=${firstAt} /></dd></div>
      <div><dt>Last seen</dt><dd><${Time} at=${lastAt} /> <small><${Ago} at=${lastAt} /></small></dd></div>
      <div><dt>Will retry automatically</dt><dd>${formatNumber(count - final)}</dd></div>
      <div><dt>Need manual retry</dt><dd>${formatNumber(final)}</dd></div>
    </dl>
    <div class="actions">
      <${Link} href=${urlFor("recordings", { status: "failed", errorCode: code })}>View recordings<//>
      <button type="button" aria-disabled=${busy} aria-label="Retry all: ${humanize(code)}" onClick=${retry}>Retry all…</button>
    </div>
  </li>`;
}
