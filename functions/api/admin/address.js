// What is shown is what the address says: /admin/recordings?status=failed. Links change it without loading the page anew.

import { html } from "./html.js";
import { useEffect, useState } from "./vendor/hooks.js";

const ROOT = "/admin";
const MOVED = "callscribe:moved";

// `path` below /admin, in parts, as it is written there; `query` as an object.
export function here() {
  const path = location.pathname.slice(ROOT.length).split("/").filter(Boolean);
  return { path, query: Object.fromEntries(new URLSearchParams(location.search)) };
}

// An address of this page; what is empty in the query is left out.
export function to(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return `${ROOT}${path && `/${path}`}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
}

// The present address without the page of a list.
export function firstPage() {
  const { path, query } = here();
  return to(path.join("/"), { ...query, cursor: "" });
}

export function go(address, { replace = false } = {}) {
  const same = address === location.pathname + location.search;
  history[replace || same ? "replaceState" : "pushState"](null, "", address);
  dispatchEvent(new Event(MOVED));
}

// Where we are, again at each move.
export function useAddress() {
  const [address, setAddress] = useState(here);
  useEffect(() => {
    const moved = () => setAddress(here());
    addEventListener("popstate", moved);
    addEventListener(MOVED, moved);
    return () => {
      removeEventListener("popstate", moved);
      removeEventListener(MOVED, moved);
    };
  }, []);
  return address;
}

// A link within the page. With a modifier key, or the middle button, it is the browser's own.
export function Link({ href, children, ...rest }) {
  const clicked = (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
      return;
    event.preventDefault();
    go(href);
  };
  return html`<a href=${href} onClick=${clicked} ...${rest}>${children}</a>`;
}
