// Retrying all failed recordings that match filters: counts them, shows a confirmation, then retries.

import { request } from "./api.js";
import { ConfirmDialog, useAction } from "./components.js";
import { formatNumber, pluralize } from "./format.js";
import { html } from "./html.js";
import { useState } from "./vendor/hooks.js";

// An action as `useAction` returns it, with two additions: `retryAll(filters, text)`, where `text` says in the dialog which
// recordings these are, and `dialog`, which the view must render. `onDone()` is called when something may have changed.
export function useRetry(onDone) {
  const [confirmation, setConfirmation] = useState(null);
  const action = useAction();
  const sendRetry = (body) => request("/api/call-recordings/retry", { method: "POST", body });
  const retryAll = (filters, text) =>
    action.run(async () => {
      const given = Object.fromEntries(Object.entries(filters).filter(([, value]) => value));
      const { count, exact } = await sendRetry({ ...given, dryRun: true });
      if (!count && exact) {
        onDone();
        return "There is nothing left to retry: none of these recordings has the status Failed.";
      }
      setConfirmation({
        title: `Retry ${countLabel(count, exact)}?`,
        text,
        confirmLabel: `Retry ${exact ? formatNumber(count) : "all"}`,
        action: () =>
          action.run(async () => {
            const run = await sendRetry(given);
            onDone();
            return resultText(run);
          }),
      });
    });
  const dialog = html`<${ConfirmDialog} confirmation=${confirmation} close=${() => setConfirmation(null)} />`;
  return { ...action, retryAll, dialog };
}

// If counting takes longer than one request may, the count is a lower bound, possibly zero.
function countLabel(count, exact) {
  if (exact) return pluralize(count, "failed recording");
  return count ? `at least ${pluralize(count, "failed recording")}` : "all matching recordings";
}

function resultText({ status, counts: { queued = 0, conflicts = 0 } }) {
  if (status === "running") return "The retry continues in the background. See Scheduler for its progress.";
  const changed = conflicts ? `; ${pluralize(conflicts, "other")} changed in the meantime` : "";
  return `${pluralize(queued, "recording")} requeued${changed}.`;
}
