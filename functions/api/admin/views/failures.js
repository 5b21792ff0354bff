// What failed, by reason, and how to retry a group of them.

import { Link, to } from "../address.js";
import { ask } from "../api.js";
import { html } from "../html.js";
import { useAtChange, useLive } from "../live.js";
import { Ago, Empty, Heading, Live, Notice, Time, Told } from "../parts.js";
import { useRetry } from "../retry.js";
import { capital, number, spelt } from "../words.js";

const SECONDS = 300;

export default function Failures({ summary }) {
  const live = useLive((signal) => ask("/api/call-recordings/failure-summary", { signal }), [], SECONDS);
  const { busy, told, retryAll, question } = useRetry(live.again);
  useAtChange(summary.data?.failed, live.again, 60);
  const retry = ({ code }) =>
    retryAll(
      { errorCode: code },
      `All that failed with “${spelt(code)}” go back in line, with all attempts before them.`,
    );
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
    ${question}`;
}

function Group({ group, busy, retry }) {
  const { code, httpStatus, count, final, message, firstAt, lastAt } = group;
  const waiting = count - final;
  return html`<li>
    <h2>${capital(spelt(code))}${httpStatus && html` <small>last HTTP ${httpStatus}</small>`}</h2>
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
