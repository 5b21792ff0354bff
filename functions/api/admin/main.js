// The page: sign-in, the layout around each view, and which view belongs to a URL.

import { apiKey, onUnauthorized, request, SIGNED_OUT } from "./api.js";
import { Ago, Clock, EmptyState, Notice, PageHeading } from "./components.js";
import { formatNumber, pluralize } from "./format.js";
import { html } from "./html.js";
import { loadInOrder } from "./load_in_order.js";
import { usePolling } from "./polling.js";
import { Link, urlFor, useRoute } from "./router.js";
import { SignIn } from "./sign_in.js";
import { useCallback, useEffect, useErrorBoundary, useState } from "./vendor/hooks.js";
import { render } from "./vendor/preact.js";

const SUMMARY_SECONDS = 10;

// The title of each view, and the files that it needs in addition to those of the page; the last one is the view.
const VIEWS = {
  "": ["Overview", "views/overview.js"],
  recordings: ["Recordings", "filters.js", "retry.js", "views/recordings.js"],
  failures: ["Failures", "retry.js", "views/failures.js"],
  scheduler: ["Scheduler", "filters.js", "views/scheduler.js"],
  "server-requests": ["Server requests", "filters.js", "views/server_requests.js"],
  settings: ["Settings", "forms.js", "views/settings.js"],
};
const RECORDING_ID = /^[a-z2-7]{20}$/;
const RECORDING = ["download.js", "player.js", "transcript.js", "history.js", "metadata.js", "views/recording.js"];

const THEME_STORAGE_KEY = "callscribe.theme";
const THEMES = { "": "Auto", light: "Light", dark: "Dark" };

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem(THEME_STORAGE_KEY, theme);
}

function App() {
  const [session, setSession] = useState(apiKey.get() ? "signed-in" : "signed-out");
  useEffect(() => {
    onUnauthorized(() => {
      apiKey.clear();
      setSession((previous) => (previous === "signed-in" ? "revoked" : previous));
    });
  }, []);
  const signOut = useCallback(() => {
    apiKey.clear();
    dispatchEvent(new Event(SIGNED_OUT));
    setSession("signed-out");
  }, []);
  if (session === "signed-in") return html`<${Layout} signOut=${signOut} />`;
  return html`<${SignIn} isRevoked=${session === "revoked"} onSignedIn=${() => setSession("signed-in")} />`;
}

let hasNavigated = false;

function Layout({ signOut }) {
  const { path, query } = useRoute();
  const summary = usePolling(
    (signal) => request("/api/call-recordings/status-summary", { signal }),
    [],
    SUMMARY_SECONDS,
  );
  const [viewName = ""] = path;
  useEffect(() => {
    // a link that its own navigation removed leaves the focus on the body
    if (document.activeElement === document.body && hasNavigated) document.querySelector("h1")?.focus();
    hasNavigated = true;
  }, [JSON.stringify(query)]);
  return html`<a class="skip-link" href="#main">Skip to content</a>
    <header class="site-header">
      <${Link} class="brand" href=${urlFor("")}>Callscribe<//>
      <nav aria-label="Views">
        ${Object.entries(VIEWS).map(
          ([name, [title]]) => html`<${Link} href=${urlFor(name)} aria-current=${name === viewName ? "page" : null}>
            ${title}${name === "failures" && summary.data?.failed ? html` <span class="count">${formatNumber(summary.data.failed)}</span>` : null}
          <//>`,
        )}
      </nav>
      <div class="session">
        <label>
          <span class="visually-hidden">Theme</span>
          <select value=${localStorage.getItem(THEME_STORAGE_KEY) ?? ""} onChange=${(event) => setTheme(event.target.value)}>
            ${Object.entries(THEMES).map(([value, title]) => html`<option value=${value}>${title}</option>`)}
          </select>
        </label>
        <button type="button" onClick=${signOut}>Sign out</button>
      </div>
    </header>
    <main id="main" tabindex="-1">
      <${OutageBanner} outage=${summary.data?.outage} />
      <${LostJobsBanner} jobs=${summary.data?.lostJobs} />
      <${View} key=${path.join("/")} path=${path} query=${query} summary=${summary} />
    </main>`;
}

// Codes of outages that last until a user acts: a setting, a permission or the server's configuration is wrong.
const NEEDS_USER = new Set([
  "access_denied",
  "authentication_failed",
  "certificate",
  "endpoint_not_found",
  "invalid_options",
  "payment_required",
  "wrong_settings",
]);

function outageTitle(code) {
  if (code === "access_denied") return "The recordings cannot be read";
  return NEEDS_USER.has(code) ? "The recordings cannot be transcribed" : "The WhisperX server is unavailable";
}

// Screen readers announce it when it appears, but not each time its relative times change.
function OutageBanner({ outage }) {
  if (!outage) return null;
  return html`<${Notice} kind="error" title=${outageTitle(outage.code)}>
    <p aria-live="off">
      Since <${Clock} at=${outage.since} /> (<${Ago} at=${outage.since} />).
      ${" "}${pluralize(outage.failures, "try", "tries")} failed; the next is at <${Clock} at=${outage.nextTryAt} />.
      ${" "}Last error: ${outage.message}
    </p>
    <p>
      Transcription resumes automatically${NEEDS_USER.has(outage.code) && " once this is corrected"}. No recording is lost or loses an attempt.${" "}
      <${Link} href=${urlFor("settings")}>Test the connection<//>
    </p>
  <//>`;
}

function LostJobsBanner({ jobs }) {
  if (!jobs) return null;
  return html`<${Notice} title="Jobs may be lost">
    <p aria-live="off">
      The WhisperX server was restarted, or ${pluralize(jobs.count, "job")} took too long. Callscribe waits for the results until${" "}
      <${Clock} at=${jobs.until} />, then sends the audio again. These jobs do not hold up other recordings.
    </p>
  <//>`;
}

// Loads the files of a view when it is first opened.
function View({ path, query, summary }) {
  const [loaded, setLoaded] = useState(null);
  const [crash] = useErrorBoundary((error) => console.error(error));
  const [name = "", id] = path;
  const exists =
    path.length < 3 && Object.hasOwn(VIEWS, name) && (!id || (name === "recordings" && RECORDING_ID.test(id)));
  useEffect(() => {
    if (!exists) return;
    const files = id ? RECORDING : VIEWS[name].slice(1);
    loadInOrder(...files).then(
      (namespace) => setLoaded({ Component: namespace.default }),
      () => setLoaded({ failed: true }),
    );
  }, []);
  if (!exists) {
    return html`<${PageHeading} title="Page not found" />
      <${EmptyState} title="There is no page at this address."><${Link} href=${urlFor("")}>Go to the overview<//><//>`;
  }
  if (crash || loaded?.failed) {
    return html`<${Notice} kind="error" title=${crash ? "The page has crashed" : "This view could not be loaded"}>
      ${crash ? "The browser console has the details." : "The network failed, or Callscribe was updated."}${" "}
      <button type="button" class="link" onClick=${() => location.reload()}>Reload the page</button>
    <//>`;
  }
  if (!loaded) return html`<p class="loading" role="status">Loading…</p>`;
  return html`<${loaded.Component} id=${id} query=${query} summary=${summary} />`;
}

export function start(element) {
  setTheme(localStorage.getItem(THEME_STORAGE_KEY) ?? "");
  element.replaceChildren();
  render(html`<${App} />`, element);
}
