// Retrying all failed recordings that match: counted first, asked about, and then done.

import { ask } from "./api.js";
import { html } from "./html.js";
import { Question, useDeed } from "./parts.js";
import { useState } from "./vendor/hooks.js";
import { number, plural } from "./words.js";

const RETRY = "/api/call-recordings/retry";

// A deed as `useDeed` has it, and with it `retryAll(filters, text)`; `text` says in the question which ones these are.
// `question` is to stand somewhere on the page. `done()` is called when something may have changed.
export function useRetry(done) {
  const [question, setQuestion] = useState(null);
  const deed = useDeed();
  const send = (body) => ask(RETRY, { method: "POST", body });
  const retryAll = (filters, text) =>
    deed.run(async () => {
      const given = Object.fromEntries(Object.entries(filters).filter(([, value]) => value));
      const { count, exact } = await send({ ...given, dryRun: true });
      if (!count && exact) {
        done();
        return "None of them is failed any more.";
      }
      setQuestion({
        title: `Retry ${counted(count, exact)}?`,
        text,
        yes: `Retry ${exact ? number(count) : "all"}`,
        act: () =>
          deed.run(async () => {
            const run = await send(given);
            done();
            return ended(run);
          }),
      });
    });
  return { ...deed, retryAll, question: html`<${Question} question=${question} close=${() => setQuestion(null)} />` };
}

// Not all could be counted within one request: then there are at least so many, if any were found by then.
function counted(count, exact) {
  if (exact) return plural(count, "failed recording");
  return count ? `at least ${plural(count, "failed recording")}` : "all that match";
}

function ended({ status, counts: { queued = 0, conflicts: changed = 0 } }) {
  if (status === "running") return "It goes on by itself: see Scheduler.";
  return `${plural(queued, "recording")} back in line${changed ? `; ${plural(changed, "other")} had changed meanwhile` : ""}.`;
}
