// Who has no key, or one that is not good any more, is asked for it.

import { ask, key } from "./api.js";
import { html } from "./html.js";
import { Heading, Notice } from "./parts.js";
import { useState } from "./vendor/hooks.js";

const WRONG =
  "This key is not accepted. Copy it again, whole: deployed, the command in the stack’s output ApiKeyCommand shows it; `make demo` prints it.";
const UNSENDABLE = /[^!-~]/;

export function SignIn({ ended, done }) {
  const [problem, setProblem] = useState(ended ? "The key is not accepted any more. Sign in with another one." : "");
  const [busy, setBusy] = useState(false);
  const submitted = async (event) => {
    event.preventDefault();
    if (busy) return;
    const given = new FormData(event.target)
      .get("key")
      .trim()
      .replace(/^Bearer\s+/i, "");
    if (!given || UNSENDABLE.test(given)) return setProblem(given ? WRONG : "Enter the key.");
    setBusy(true);
    setProblem("");
    key.set(given);
    try {
      await ask("/api/call-recordings", { query: { limit: 1 } });
      done();
    } catch (error) {
      key.forget();
      setProblem(error.status === 401 ? WRONG : error.message);
      setBusy(false);
    }
  };
  return html`<main class="sign-in">
    <${Heading} title="Sign in to Callscribe" />
    <form onSubmit=${submitted}>
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
        Deployed: the command in the stack’s output <code>ApiKeyCommand</code> shows it. On your machine:
        <code>make demo</code> prints it. It is kept until this tab is closed.
      </p>
      <button type="submit" class="primary" aria-disabled=${busy}>Sign in</button>
    </form>
    ${problem && html`<${Notice} kind="bad">${problem}<//>`}
  </main>`;
}
