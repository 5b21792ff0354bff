// What the views have in common: times, states, notices, tables, a question before something is done.

import { firstPage, Link } from "./address.js";
import { html } from "./html.js";
import { useEffect, useLayoutEffect, useRef, useState } from "./vendor/hooks.js";
import { capital, dayAndTime, near, relative, STATUSES, time, utc, way } from "./words.js";

// A time in the viewer's zone, in UTC on hover. `as`: how it is written.
export function Time({ at, as = dayAndTime }) {
  return at ? html`<time dateTime=${at} title=${utc(at)}>${as(at)}</time>` : null;
}

export const Ago = ({ at }) => html`<${Time} at=${at} as=${relative} />`;

export const Clock = ({ at }) => html`<${Time} at=${at} as=${time} />`;

// Where a recording is on its way: `attempt 2 of 5 · 503 · next 14:05`.
export function Way({ recording }) {
  return way(recording).map((part, at) => {
    const told = Array.isArray(part) ? html`${part[0]} <${Time} at=${part[1]} as=${near} />` : part;
    return html`${at > 0 && " · "}${told}`;
  });
}

export function Status({ status }) {
  return html`<span class="badge ${status}">${STATUSES[status] ?? capital(status)}</span>`;
}

const PATIENCE_MS = 1000; // then who waits is told so
let first = true;

// The beginning of a view. It takes the focus when the view is gone to, so that screen readers begin there.
export function Heading({ title, children }) {
  const heading = useRef(null);
  useEffect(() => {
    document.title = `${title} – Callscribe`;
  }, [title]);
  useEffect(() => {
    if (!first) heading.current.focus({ preventScroll: true });
    first = false;
  }, []);
  return html`<header class="heading">
    <h1 tabindex="-1" ref=${heading}>${title}</h1>
    ${children && html`<div class="actions">${children}</div>`}
  </header>`;
}

// `kind`: bad, good, or nothing; the bad ones are read out at once.
export function Notice({ kind = "", title, children, role }) {
  return html`<div class="notice ${kind}" role=${role ?? (kind === "bad" ? "alert" : "status")}>
    ${title && html`<strong>${title}</strong>`}
    <div>${children}</div>
  </div>`;
}

// What stands where there is nothing to be shown: why, and what to do.
export function Empty({ title, children }) {
  return html`<div class="empty">
    <strong>${title}</strong>
    <div>${children}</div>
  </div>`;
}

// What is read from the API: its children once it is there, before that a sign of waiting, and what went wrong.
export function Live({ live, children }) {
  const { data, error, at, again } = live;
  return html`${
    error &&
    html`<${Notice} kind="bad" title=${data ? "This is not up to date" : "This could not be read"}>
      ${data && html`It is of <${Time} at=${at.toISOString()} />. `}${error.message}${" "}
      ${
        error.code === "invalid_cursor"
          ? html`<${Link} href=${firstPage()}>First page<//>`
          : html`<button type="button" class="link" onClick=${again}>Try again</button>`
      }
    <//>`
  }
    ${data ? children(data) : !error && html`<p class="waiting" role="status">Loading…</p>`}`;
}

// A table that scrolls by itself where it is too wide. `columns`: [title, class]; `rows`: lists of cells.
export function Table({ label, columns, rows }) {
  return html`<div class="scrolls" role="region" aria-label=${label} tabindex="0">
    <table>
      <thead>
        <tr>
          ${columns.map(([title, kind]) => html`<th scope="col" class=${kind}>${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(({ key, cells }) => html`<tr key=${key}>${cells.map((cell, at) => html`<td class=${columns[at][1]}>${cell}</td>`)}</tr>`)}
      </tbody>
    </table>
  </div>`;
}

// Forward through a list; back is the browser's own. `at(cursor)` is the address of a page.
export function Pager({ at, cursor, next }) {
  if (!cursor && !next) return null;
  return html`<nav class="pager" aria-label="Pages">
    ${cursor && html`<${Link} href=${at(null)}>First page<//>`} ${next && html`<${Link} href=${at(next)} rel="next">Next page<//>`}
  </nav>`;
}

// A question before something is done. `question` is null, or { title, text, yes, act }. It is taken away once the browser
// has closed it, and so given the focus back to where it was. The browser reports that a frame later: by then the next
// question can be open, as it is opened at once.
export function Question({ question, close }) {
  const dialog = useRef(null);
  useLayoutEffect(() => {
    if (question && !dialog.current.open) dialog.current.showModal();
  }, [question]);
  if (!question) return null;
  const answer = (yes) => {
    dialog.current.close();
    if (yes) question.act();
  };
  return html`<dialog ref=${dialog} aria-labelledby="question" onClose=${() => dialog.current.open || close()}>
    <h2 id="question">${question.title}</h2>
    <p>${question.text}</p>
    <div class="actions">
      <button type="button" onClick=${() => answer(false)}>Cancel</button>
      <button type="button" class="primary" onClick=${() => answer(true)}>${question.yes}</button>
    </div>
  </dialog>`;
}

// Something that is done at a click: `run(work)` does it, and its words are `told`. As long as it is under way, nothing more
// is done, and its button is `aria-disabled=${busy}`: a disabled one loses the focus, and who uses the keyboard is thrown
// back to the top of the page.
export function useDeed() {
  const [state, setState] = useState({ busy: false, told: null });
  const underWay = useRef(false);
  const run = async (work) => {
    if (underWay.current) return;
    underWay.current = true;
    setState({ busy: true, told: null });
    const waiting = setTimeout(() => setState({ busy: true, told: { kind: "", text: "Working…" } }), PATIENCE_MS);
    const told = await work().then(
      (text) => ({ kind: "good", text }),
      (error) => ({ kind: "bad", text: error.message }),
    );
    clearTimeout(waiting);
    underWay.current = false;
    setState({ busy: false, told });
  };
  return { busy: state.busy, told: state.told, run };
}

// How a deed ended. The place is always there, so that readers of the screen notice what comes into it.
export function Told({ told }) {
  return html`<div class="told" aria-live="polite">${told?.text && html`<p class="notice ${told.kind}">${told.text}</p>`}</div>`;
}
