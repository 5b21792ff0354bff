// The audio player. Its URL needs no API key and expires after an hour; then the player gets a new one.

import { request } from "./api.js";
import { ActionResult, Notice, useAction } from "./components.js";
import { fetchInRanges, openDownload, saveFile } from "./download.js";
import { html } from "./html.js";
import { useEffect, useState } from "./vendor/hooks.js";

const NEW_URL_MS = 60_000;
const PLAYBACK_RATES = [0.75, 1, 1.25, 1.5, 2];
const UNPLAYABLE =
  "Your browser does not support the audio format, or the file is damaged or unreachable. Download it to play it elsewhere.";

// `media`: a ref that receives the audio element, for components that seek or follow it. `name`: the name of the file.
export function Player({ id, name, missing, media }) {
  const [state, setState] = useState({ url: null, position: 0, problem: null });
  const fetchUrl = async (position, playing) => {
    try {
      const { url } = await request(audioLinkPath(id));
      // links created within one second are equal, and with an unchanged URL no player retries automatically
      if (media.current?.getAttribute("src") === url) media.current.load();
      setState({ url, fetchedAt: performance.now(), position, playing, problem: null });
    } catch (error) {
      setState({ url: null, position, problem: error.message });
    }
  };
  useEffect(() => {
    if (!missing) fetchUrl(0, false);
  }, [id, missing]);
  const onError = () => {
    const audio = media.current;
    // the media element does not say why: a URL that is not new may have expired, by whatever clock
    if (performance.now() - state.fetchedAt > NEW_URL_MS) return fetchUrl(audio.currentTime, !audio.paused);
    setState((previous) => ({ ...previous, problem: UNPLAYABLE }));
  };
  const onLoadedMetadata = ({ target }) => {
    if (state.position) target.currentTime = state.position;
    if (state.playing) target.play().catch(() => {}); // `onError` reports it
  };
  const setRate = ({ target }) => {
    // the default applies to a URL that is loaded later
    for (const property of ["defaultPlaybackRate", "playbackRate"]) media.current[property] = Number(target.value);
  };
  if (missing) return null;
  const { url, position, problem } = state;
  return html`<div class="player">
    ${
      problem &&
      html`<${Notice} kind="error" title="Playback failed">
        ${problem} <button type="button" class="link" onClick=${() => fetchUrl(position, false)}>Try again</button>
      <//>`
    }
    ${
      url &&
      html`<audio
          ref=${media}
          src=${url}
          controls
          controlslist="nodownload"
          preload="metadata"
          aria-label="Recording"
          onError=${onError}
          onLoadedMetadata=${onLoadedMetadata}
        ></audio>
        <label>
          Speed
          <select onChange=${setRate}>
            ${PLAYBACK_RATES.map((rate) => html`<option value=${rate} selected=${rate === 1}>${rate}×</option>`)}
          </select>
        </label>
        <${DownloadButton} id=${id} name=${name} />`
    }
  </div>`;
}

// S3 serves a file as one download. A file in a folder comes from the API, in ranges.
function DownloadButton({ id, name }) {
  const { busy, result, run } = useAction();
  const download = () =>
    run(async () => {
      const { url } = await request(audioLinkPath(id)); // the player's URL may have expired
      if (url.startsWith("/")) saveFile(await fetchInRanges(url), name);
      else openDownload(url);
    });
  return html`<button type="button" aria-disabled=${busy} onClick=${download}>Download audio</button><${ActionResult} result=${result} />`;
}

const audioLinkPath = (id) => `/api/call-recordings/${id}/audio-link`;
