// Components that several views share: times, badges, notices, tables, confirmation dialogs, actions.

import {
  capitalize,
  formatDateTime,
  formatRelativeTime,
  formatShortDateTime,
  formatTime,
  formatUtc,
  progressSummary,
  RUN_STATUS_LABELS,
  STATUS_LABELS,
} from "./format.js";
import { html } from "./html.js";
import { firstPageUrl, Link } from "./router.js";
import { useEffect, useLayoutEffect, useRef, useState } from "./vendor/hooks.js";

// A timestamp in the viewer's time zone, with UTC as its tooltip.
export function Time({ at, format = formatDateTime }) {
  return at ? html`<time dateTime=${at} title=${formatUtc(at)}>${format(at)}</time>` : null;
}

export const Ago = ({ at }) => html`<${Time} at=${at} format=${formatRelativeTime} />`;

export const Clock = ({ at }) => html`<${Time} at=${at} format=${formatTime} />`;

// The progress of a recording: `attempt 2 of 5 · 503 · next attempt 14:05`.
export function Progress({ recording }) {
  return progressSummary(recording).map((part, index) => {
    const [text, at] = [part].flat();
    return html`${index > 0 && " · "}${text}${at && html` <${Time} at=${at} format=${formatShortDateTime} />`}`;
  });
}

// The status of a recording or of a run.
export function StatusBadge({ status }) {
  return html`<span class="badge ${status}">${STATUS_LABELS[status] ?? RUN_STATUS_LABELS[status] ?? capitalize(status)}</span>`;
}

let isFirstView = true;

// The heading of a view. It takes the focus after a navigation, so that screen readers start there.
export function PageHeading({ title, children }) {
  const heading = useRef(null);
  useEffect(() => {
    document.title = `${title} – Callscribe`;
  }, [title]);
  useEffect(() => {
    if (!isFirstView) heading.current.focus({ preventScroll: true });
    isFirstView = false;
  }, []);
  return html`<header class="heading">
    <h1 tabindex="-1" dir="auto" ref=${heading}>${title}</h1>
    ${children && html`<div class="actions">${children}</div>`}
  </header>`;
}

// `kind`: "error", "success", or empty. Screen readers announce errors immediately.
export function Notice({ kind = "", title, children, role }) {
  return html`<div class="notice ${kind}" role=${role ?? (kind === "error" ? "alert" : "status")}>
    ${title && html`<strong>${title}</strong>`}
    <div>${children}</div>
  </div>`;
}

// Shown instead of an empty list: why it is empty, and what to do next.
export function EmptyState({ title, children }) {
  return html`<div class="empty">
    <strong>${title}</strong>
    <div>${children}</div>
  </div>`;
}

// Renders what `usePolling` returns: a loading message, an error with a way to retry, and `children(data)` once loaded.
export function Polled({ source, children }) {
  const { data, error, loadedAt, refresh } = source;
  return html`${
    error &&
    html`<${Notice} kind="error" title=${data ? "This is out of date" : "Loading failed"}>
      ${data && html`Last updated <${Time} at=${loadedAt.toISOString()} />. `}${error.message}${" "}
      ${
        error.code === "invalid_cursor"
          ? html`<${Link} href=${firstPageUrl()}>First page<//>`
          : html`<button type="button" class="link" onClick=${refresh}>Try again</button>`
      }
    <//>`
  }
    ${data ? children(data) : !error && html`<p class="loading" role="status">Loading…</p>`}`;
}

// A table that scrolls horizontally if it is too wide. `columns`: [title, class]; `rows`: { key, cells }.
export function Table({ label, columns, rows }) {
  return html`<div class="table-scroll" role="region" aria-label=${label} tabindex="0">
    <table>
      <thead>
        <tr>
          ${columns.map(([title, className]) => html`<th scope="col" class=${className}>${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(({ key, cells }) => html`<tr key=${key}>${cells.map((cell, index) => html`<td class=${columns[index][1]}>${cell}</td>`)}</tr>`)}
      </tbody>
    </table>
  </div>`;
}

// Links to the first and the next page of a list; the browser itself goes back. `pageUrl(cursor)` is the URL of a page.
export function Pagination({ pageUrl, cursor, nextCursor }) {
  if (!cursor && !nextCursor) return null;
  return html`<nav class="pagination" aria-label="Pages">
    ${cursor && html`<${Link} href=${pageUrl(null)}>First page<//>`}
    ${nextCursor && html`<${Link} href=${pageUrl(nextCursor)} rel="next">Next page<//>`}
  </nav>`;
}

// `confirmation` is null, or { title, text, confirmLabel, action }. The dialog is removed only after the browser has closed
// it and has returned the focus. The close event arrives a frame later, when the next dialog may be open already.
export function ConfirmDialog({ confirmation, close }) {
  const dialog = useRef(null);
  useLayoutEffect(() => {
    if (confirmation && !dialog.current.open) dialog.current.showModal();
  }, [confirmation]);
  if (!confirmation) return null;
  const { title, text, confirmLabel, action } = confirmation;
  const confirm = () => {
    dialog.current.close();
    action();
  };
  return html`<dialog ref=${dialog} aria-labelledby="dialog-title" onClose=${() => dialog.current.open || close()}>
    <h2 id="dialog-title">${title}</h2>
    <p>${text}</p>
    <div class="actions">
      <button type="button" onClick=${() => dialog.current.close()}>Cancel</button>
      <button type="button" class="primary" onClick=${confirm}>${confirmLabel}</button>
    </div>
  </dialog>`;
}

const WORKING_DELAY_MS = 1000;

// Something the user starts with a button: `run(work)` runs it and shows the text that it resolves to, or its error, as
// `result`. While it runs, further calls are ignored. Set `aria-disabled=${busy}` on the button, not `disabled`: a disabled
// button loses the focus, and keyboard users are sent back to the top of the page.
export function useAction() {
  const [state, setState] = useState({ busy: false, result: null });
  const isRunning = useRef(false);
  const run = async (work) => {
    if (isRunning.current) return;
    isRunning.current = true;
    setState({ busy: true, result: null });
    const showWorking = () => setState({ busy: true, result: { kind: "", text: "Working…" } });
    const timer = setTimeout(showWorking, WORKING_DELAY_MS);
    const result = await work().then(
      (text) => ({ kind: "success", text }),
      (error) => ({ kind: "error", text: error.message }),
    );
    clearTimeout(timer);
    isRunning.current = false;
    setState({ busy: false, result });
  };
  return { ...state, run };
}

// The result of an action. The element is always there, so that screen readers announce what is put into it.
export function ActionResult({ result }) {
  return html`<div class="action-result" aria-live="polite">${result?.text && html`<p class="notice ${result.kind}">${result.text}</p>`}</div>`;
}
