// The page: signing in, what is around each view, and which view an address shows.

import { Link, to, useAddress } from "./address.js";
import { ask, key, onRefused, SIGNED_OUT } from "./api.js";
import { html } from "./html.js";
import { inTurn } from "./in_turn.js";
import { useLive } from "./live.js";
import { Ago, Clock, Empty, Heading, Notice } from "./parts.js";
import { SignIn } from "./sign_in.js";
import { useCallback, useEffect, useErrorBoundary, useState } from "./vendor/hooks.js";
import { render } from "./vendor/preact.js";
import { number } from "./words.js";

const SUMMARY_SECONDS = 10;

// Their titles, and the files that each needs besides those of the page itself; the last is the view.
const VIEWS = {
  "": ["Overview", "views/overview.js"],
  recordings: ["Recordings", "filters.js", "retry.js", "views/recordings.js"],
  failures: ["Failures", "retry.js", "views/failures.js"],
  scheduler: ["Scheduler", "filters.js", "views/scheduler.js"],
  calls: ["Calls", "filters.js", "views/calls.js"],
  settings: ["Settings", "forms.js", "views/settings.js"],
};
const ID = /^[a-z2-7]{20}$/;
const RECORDING = ["download.js", "player.js", "transcript.js", "history.js", "metadata.js", "views/recording.js"];

const THEME = "callscribe.theme";
const THEMES = { "": "Auto", light: "Light", dark: "Dark" };

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem(THEME, theme);
}

function App() {
  const [state, setState] = useState(key.get() ? "in" : "out");
  useEffect(() => {
    onRefused(() => {
      key.forget();
      setState((before) => (before === "in" ? "ended" : before));
    });
  }, []);
  const signOut = useCallback(() => {
    key.forget();
    dispatchEvent(new Event(SIGNED_OUT));
    setState("out");
  }, []);
  if (state === "in") return html`<${Frame} signOut=${signOut} />`;
  return html`<${SignIn} ended=${state === "ended"} done=${() => setState("in")} />`;
}

let moved = false;

function Frame({ signOut }) {
  const { path, query } = useAddress();
  const summary = useLive((signal) => ask("/api/call-recordings/status-summary", { signal }), [], SUMMARY_SECONDS);
  const [name = ""] = path;
  useEffect(() => {
    // a link that is gone with where it led to leaves the focus to nobody
    if (document.activeElement === document.body && moved) document.querySelector("h1")?.focus();
    moved = true;
  }, [JSON.stringify(query)]);
  return html`<a class="skip" href="#main">To the content</a>
    <header class="top">
      <${Link} class="brand" href=${to("")}>Callscribe<//>
      <nav aria-label="Views">
        ${Object.entries(VIEWS).map(
          ([each, [title]]) => html`<${Link} href=${to(each)} aria-current=${each === name ? "page" : null}>
            ${title}${each === "failures" && summary.data?.failed ? html` <span class="count">${number(summary.data.failed)}</span>` : null}
          <//>`,
        )}
      </nav>
      <div class="session">
        <label>
          <span class="unseen">Colours</span>
          <select value=${localStorage.getItem(THEME) ?? ""} onChange=${(event) => setTheme(event.target.value)}>
            ${Object.entries(THEMES).map(([value, title]) => html`<option value=${value}>${title}</option>`)}
          </select>
        </label>
        <button type="button" onClick=${signOut}>Sign out</button>
      </div>
    </header>
    <main id="main" tabindex="-1">
      <${Outage} outage=${summary.data?.outage} />
      <${View} key=${path.join("/")} path=${path} query=${query} summary=${summary} />
    </main>`;
}

// It is read out when it comes, and not again whenever its times are told anew.
function Outage({ outage }) {
  if (!outage) return null;
  return html`<${Notice} kind="bad" title="The transcription service is unavailable">
    <p aria-live="off">
      Since <${Clock} at=${outage.since} /> (<${Ago} at=${outage.since} />), next try at <${Clock} at=${outage.nextTryAt} />.
      ${" "}Tried in vain so far: ${number(outage.failures)}. Last error: ${outage.message}
    </p>
    <p>No recording is lost and none loses an attempt: it goes on by itself. <${Link} href=${to("settings")}>Test the connection<//></p>
  <//>`;
}

// Loads a view's files when it is first gone to.
function View({ path, query, summary }) {
  const [loaded, setLoaded] = useState(null);
  const [fault] = useErrorBoundary((error) => console.error(error));
  const [name = "", id] = path;
  const known = path.length < 3 && Object.hasOwn(VIEWS, name) && (!id || (name === "recordings" && ID.test(id)));
  useEffect(() => {
    if (!known) return;
    const files = id ? RECORDING : VIEWS[name].slice(1);
    inTurn(...files).then(
      (module) => setLoaded({ Shown: module.default }),
      () => setLoaded({ gone: true }),
    );
  }, []);
  if (!known) {
    return html`<${Heading} title="There is no such page" />
      <${Empty} title="Nothing is at this address."><${Link} href=${to("")}>Go to the overview<//><//>`;
  }
  if (fault || loaded?.gone) {
    return html`<${Notice} kind="bad" title=${fault ? "A fault in this page" : "This part of the page could not be loaded"}>
      ${fault ? "The console of the browser says more." : "The network failed, or Callscribe was updated."}${" "}
      <button type="button" class="link" onClick=${() => location.reload()}>Load the page again</button>
    <//>`;
  }
  if (!loaded) return html`<p class="waiting" role="status">Loading…</p>`;
  return html`<${loaded.Shown} id=${id} query=${query} summary=${summary} />`;
}

export function start(element) {
  setTheme(localStorage.getItem(THEME) ?? "");
  element.replaceChildren();
  render(html`<${App} />`, element);
}
