// The recording's audio. Its address needs no key and expires after an hour; then another one is asked for.

import { ask } from "./api.js";
import { fetchWhole, follow, save } from "./download.js";
import { html } from "./html.js";
import { Notice, Told, useDeed } from "./parts.js";
import { useEffect, useState } from "./vendor/hooks.js";

const FRESH_MS = 60_000;
const RATES = [0.75, 1, 1.25, 1.5, 2];
const UNPLAYABLE = "This browser cannot play it: it does not know the format, or the file is damaged or out of reach.";

// `media`: a ref that becomes the audio element, by which others seek and follow; `name` is that of the file.
export function Player({ id, name, missing, media }) {
  const [state, setState] = useState({ src: null, at: 0, problem: null });
  const fetchLink = async (at, plays) => {
    try {
      const { url } = await ask(linkOf(id));
      // one of the same second is the same, and of that no player makes a new attempt by itself
      if (media.current?.getAttribute("src") === url) media.current.load();
      setState({ src: url, since: performance.now(), at, plays, problem: null });
    } catch (error) {
      setState({ src: null, at, problem: error.message });
    }
  };
  useEffect(() => {
    if (!missing) fetchLink(0, false);
  }, [id, missing]);
  const failed = () => {
    const audio = media.current;
    // why it failed, a player does not tell: an address that is not new may have expired, by whatever clock
    if (performance.now() - state.since > FRESH_MS) return fetchLink(audio.currentTime, !audio.paused);
    setState((before) => ({ ...before, problem: UNPLAYABLE }));
  };
  const loaded = ({ target }) => {
    if (state.at) target.currentTime = state.at;
    if (state.plays) target.play().catch(() => {}); // what hinders it, `failed` tells
  };
  const paced = ({ target }) => {
    // the default is for an address that comes later
    for (const rate of ["defaultPlaybackRate", "playbackRate"]) media.current[rate] = Number(target.value);
  };
  if (missing) return null;
  const { src, problem } = state;
  return html`<div class="player">
    ${
      problem &&
      html`<${Notice} kind="bad" title="There is no sound">
        ${problem} <button type="button" class="link" onClick=${() => fetchLink(state.at, false)}>Try again</button>
      <//>`
    }
    ${
      src &&
      html`<audio
          ref=${media}
          src=${src}
          controls
          controlslist="nodownload"
          preload="metadata"
          aria-label="The call"
          onError=${failed}
          onLoadedMetadata=${loaded}
        ></audio>
        <label>
          Speed
          <select onChange=${paced}>
            ${RATES.map((rate) => html`<option value=${rate} selected=${rate === 1}>${rate}×</option>`)}
          </select>
        </label>
        <${Download} id=${id} name=${name} />`
    }
  </div>`;
}

// S3 hands a file out by itself; one in a folder is fetched here, for the API has it in parts.
function Download({ id, name }) {
  const { busy, told, run } = useDeed();
  const fetchIt = () =>
    run(async () => {
      const { url } = await ask(linkOf(id)); // that of the player may have expired
      if (url.startsWith("/")) save(await fetchWhole(url), name);
      else follow(url);
    });
  return html`<button type="button" aria-disabled=${busy} onClick=${fetchIt}>Audio file</button><${Told} told=${told} />`;
}

const linkOf = (id) => `/api/call-recordings/${id}/audio-link`;
