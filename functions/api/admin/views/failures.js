// What failed, by reason, and how to retry a group of them.

import { Link, to } from "../address.js";
import { ask } from "../api.js";
import { html } from "../html.js";
import { useAtChange, useLive } from "../live.js";
import { Ago, Empty, Heading, Live, Notice, Question, retried, Time, Told, useDeed } from "../parts.js";
import { useState } from "../vendor/hooks.js";
import { capital, number, plural, spelt } from "../words.js";

const SECONDS = 300;

export default function Failures({ summary }) {
  const live = useLive((signal) => ask("/api/call-recordings/failure-summary", { signal }), [], SECONDS);
  const [question, setQuestion] = useState(null);
  const { busy, told, run } = useDeed();
  useAtChange(summary.data?.failed, live.again);
  const retry = ({ code }) =>
    run(async () => {
      const body = { errorCode: code };
      const { count, exact } = await ask("/api/call-recordings/retry", {
        method: "POST",
        body: { ...body, dryRun: true },
      });
      if (!count) {
        live.again();
        return "None of them is failed any more.";
      }
      const words = `${exact ? "" : "at least "}${plural(count, "recording")}`;
      setQuestion({
        title: `Retry ${words}?`,
        text: `All that failed with “${spelt(code)}” go back in line, with all attempts before them.`,
        yes: `Retry ${exact ? number(count) : "all"}`,
        act: () =>
          run(async () => {
            const ended = await ask("/api/call-recordings/retry", { method: "POST", body });
            live.again();
            return retried(ended);
          }),
      });
      return "";
    });
  return html`<${Heading} title="Failures" />
    <p class="help">Recordings whose last attempt failed, by the reason. Those that are retried by themselves are among them.</p>
    <${Told} told=${told} />
    <${Live} live=${live}>
      ${({ items, exact }) =>
        items.length
          ? html`${!exact && html`<${Notice}>There are more than could be counted within one request: these are at least so many.<//>`}
              <ul class="groups">
                ${items.map((each) => html`<${Group} key=${each.code} group=${each} busy=${busy} retry=${() => retry(each)} />`)}
              </ul>`
          : html`<${Empty} title="Nothing has failed.">What fails is shown here, by reason, with the way to retry it.<//>`}
    <//>
    <${Question} question=${question} close=${() => setQuestion(null)} />`;
}

function Group({ group, busy, retry }) {
  const { code, httpStatus, count, final, message, firstAt, lastAt } = group;
  const waiting = count - final;
  return html`<li>
    <h2>${capital(spelt(code))}${httpStatus && html` <small>HTTP ${httpStatus}</small>`}</h2>
    <strong class="size">${number(count)}</strong>
    <p>${message}</p>
    <dl class="figures small">
      <div><dt>First seen</dt><dd><${Time} at=${firstAt} /></dd></div>
      <div><dt>Last seen</dt><dd><${Time} at=${lastAt} /> <small><${Ago} at=${lastAt} /></small></dd></div>
      <div><dt>Retried by themselves</dt><dd>${number(waiting)}</dd></div>
      <div><dt>Wait for you</dt><dd>${number(final)}</dd></div>
    </dl>
    <div class="actions">
      <${Link} href=${to("recordings", { status: "failed", errorCode: code })}>Show them<//>
      <button type="button" aria-disabled=${busy} aria-label="Retry all of ${spelt(code)}" onClick=${retry}>Retry all…</button>
    </div>
  </li>`;
}
