// The recording's audio. Its address needs no key and expires after an hour; then another one is asked for.

import { ask } from "./api.js";
import { html } from "./html.js";
import { Notice } from "./parts.js";
import { useEffect, useState } from "./vendor/hooks.js";

const RATES = [0.75, 1, 1.25, 1.5, 2];
const UNPLAYABLE =
  "This browser cannot play it: the format is unknown to it, or the file is damaged or cannot be reached.";

// `media`: a ref that becomes the audio element, by which others seek and follow.
export function Player({ id, missing, media }) {
  const [state, setState] = useState({ src: null, at: 0, problem: null });
  const fetchLink = async (at, play) => {
    try {
      const { url, expiresAt } = await ask(`/api/call-recordings/${id}/audio-link`);
      setState({ src: url, expires: new Date(expiresAt), at, play, problem: null });
    } catch (error) {
      setState({ src: null, at, problem: error.message });
    }
  };
  useEffect(() => {
    if (!missing) fetchLink(0, false);
  }, [id, missing]);
  const failed = () => {
    const audio = media.current;
    if (state.expires < Date.now()) return fetchLink(audio.currentTime, !audio.paused);
    setState((before) => ({ ...before, problem: UNPLAYABLE }));
  };
  const loaded = ({ target }) => {
    if (state.at) target.currentTime = state.at;
    if (state.play) target.play().catch(() => {});
  };
  const paced = ({ target }) => {
    if (media.current) media.current.playbackRate = Number(target.value);
  };
  if (missing) return null;
  return html`<div class="player">
    ${state.problem && html`<${Notice} kind="bad" title="There is no sound">${state.problem} ${state.src && html`<a href=${state.src} target="_blank" rel="noopener">Open the file<//>`}<//>`}
    ${
      state.src &&
      html`<audio
          ref=${media}
          controls
          preload="metadata"
          src=${state.src}
          onError=${failed}
          onLoadedMetadata=${loaded}
          aria-label="The call"
        >
      This browser plays no audio.
    </audio>`
    }
    <label>
      Speed
      <select onChange=${paced}>
        ${RATES.map((rate) => html`<option value=${rate} selected=${rate === 1}>${rate}×</option>`)}
      </select>
    </label>
  </div>`;
}
