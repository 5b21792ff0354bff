// The URL decides what the page shows: /admin/recordings?status=failed. Links change it without loading the page again.

import { html } from "./html.js";
import { useEffect, useState } from "./vendor/hooks.js";

const ROOT = "/admin";
const NAVIGATED = "callscribe:navigated";

// `path` below /admin, split at the slashes and still percent-encoded; `query` as an object.
export function currentRoute() {
  const path = location.pathname.slice(ROOT.length).split("/").filter(Boolean);
  return { path, query: Object.fromEntries(new URLSearchParams(location.search)) };
}

// `path` with the parameters that are not empty.
export function withQuery(path, query = {}) {
  const parameters = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return parameters.length ? `${path}?${new URLSearchParams(parameters)}` : path;
}

// The URL of a view of this page.
export const urlFor = (path, query) => withQuery(`${ROOT}${path && `/${path}`}`, query);

// The current URL at the first page of its list.
export function firstPageUrl() {
  const { path, query } = currentRoute();
  return urlFor(path.join("/"), { ...query, cursor: "" });
}

export function navigate(url, { replace = false } = {}) {
  const unchanged = url === location.pathname + location.search;
  history[replace || unchanged ? "replaceState" : "pushState"](null, "", url);
  dispatchEvent(new Event(NAVIGATED));
}

// The current route; renders again when it changes.
export function useRoute() {
  const [route, setRoute] = useState(currentRoute);
  useEffect(() => {
    const update = () => setRoute(currentRoute());
    addEventListener("popstate", update);
    addEventListener(NAVIGATED, update);
    return () => {
      removeEventListener("popstate", update);
      removeEventListener(NAVIGATED, update);
    };
  }, []);
  return route;
}

// A link within the page. With a modifier key or the middle button, the browser handles it.
export function Link({ href, children, ...rest }) {
  const onClick = (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
      return;
    event.preventDefault();
    navigate(href);
  };
  return html`<a href=${href} onClick=${onClick} ...${rest}>${children}</a>`;
}
