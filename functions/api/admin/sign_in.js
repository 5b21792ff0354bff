// The sign-in form, for users without a key or with one that has been revoked.

import { apiKey, request } from "./api.js";
import { Notice, PageHeading } from "./components.js";
import { html } from "./html.js";
import { useState } from "./vendor/hooks.js";

const WRONG_KEY =
  "This key is not valid. Copy the whole key again. Deployed stacks: run the command in the stack output ApiKeyCommand. Local demo: `make demo` prints the key.";
const REVOKED_KEY = "Your key has been revoked. Sign in with another one.";
const NOT_PRINTABLE_ASCII = /[^!-~]/; // cannot be sent in a header

// `isRevoked`: whether the key of this session has just been refused.
export function SignIn({ isRevoked, onSignedIn }) {
  const [problem, setProblem] = useState(isRevoked ? REVOKED_KEY : "");
  const [busy, setBusy] = useState(false);
  const onSubmit = async (event) => {
    event.preventDefault();
    if (busy) return;
    const entered = new FormData(event.target)
      .get("key")
      .trim()
      .replace(/^Bearer\s+/i, "");
    if (!entered) return setProblem("Enter your API key.");
    if (NOT_PRINTABLE_ASCII.test(entered)) return setProblem(WRONG_KEY);
    setBusy(true);
    setProblem("");
    apiKey.set(entered);
    try {
      await request("/api/call-recordings", { query: { limit: 1 } });
      onSignedIn();
    } catch (error) {
      apiKey.clear();
      setProblem(error.status === 401 ? WRONG_KEY : error.message);
      setBusy(false);
    }
  };
  return html`<main class="sign-in">
    <${PageHeading} title="Sign in to Callscribe" />
    <form onSubmit=${onSubmit}>
      <label for="key">API key</label>
      <input
        id="key"
        name="key"
        type="password"
        autocomplete="off"
        spellcheck=${false}
        required
        aria-invalid=${Boolean(problem)}
        aria-describedby="key-help"
      />
      <p id="key-help" class="help">
        Deployed stacks: run the command in the stack output <code>ApiKeyCommand</code>. Local demo:${" "}
        <code>make demo</code> prints the key. It is kept until you close this tab.
      </p>
      <button type="submit" class="primary" aria-disabled=${busy}>Sign in</button>
    </form>
    ${problem && html`<${Notice} kind="error">${problem}<//>`}
  </main>`;
}
