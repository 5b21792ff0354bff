// The transcript, next to the player: a click on a segment plays it, and the spoken segment is highlighted and followed.

import { EmptyState, Notice } from "./components.js";
import { capitalize, formatPosition, humanize, pluralize } from "./format.js";
import { html } from "./html.js";
import { Link, urlFor } from "./router.js";
import { useEffect, useMemo, useRef, useState } from "./vendor/hooks.js";

const SWAPPED_STORAGE_KEY = "callscribe.swapped.";
const SPEAKER_COLOURS = 6;
const LINGER_SECONDS = 2; // a segment stays highlighted in a pause, so that short pauses do not flicker
const FREQUENT_SHARE = 0.2; // from this share of doubtful segments on, settings are the likely cause

// Why a segment may not have been said, by its flag.
const FLAG_LABELS = {
  beyond_recording: "its times are after the end of the recording",
  repetition: "it repeats itself",
  too_fast: "nobody speaks this fast",
  subtitle_phrase: "it is a phrase from video subtitles, or describes a sound",
  low_confidence: "the server was unsure of the words",
  likely_no_speech: "the server heard no speech here",
};

const ROUNDING_SECONDS = 0.001; // after a seek to 259.818 s, the player is at 259.817999 s

// `transcript` is the document as the API returns it; `media` the ref of the audio element, null if there is no audio.
export function Transcript({ id, transcript, media }) {
  const { segments, language, producedBy } = transcript;
  const [swapped, setSwapped] = useState(() => sessionStorage.getItem(SWAPPED_STORAGE_KEY + id) === "yes");
  const [following, setFollowing] = useState(true);
  const [search, setSearch] = useState("");
  const [matchIndex, setMatchIndex] = useState(0);
  const list = useRef(null);
  const speakers = useMemo(() => listSpeakers(segments), [segments]);
  const matches = useMemo(() => findMatches(segments, search), [segments, search]);
  const matchesBySegment = useMemo(() => Map.groupBy(matches, ({ segment }) => segment), [matches]);
  const currentMatch = matches[matchIndex];
  const spoken = useSpokenSegment(media, segments);

  useEffect(() => {
    if (following && spoken !== null) scrollTo(list.current, `[data-segment="${spoken}"]`);
  }, [spoken, following]);
  useEffect(() => {
    if (!matches.length) return;
    list.current.scrollIntoView({ block: "nearest" });
    scrollTo(list.current, "mark.current");
  }, [matchIndex, search]);

  const playFrom = (seconds) => {
    const audio = media?.current;
    if (!audio || seconds === null) return;
    audio.currentTime = seconds;
    audio.play().catch(() => {}); // the player reports it
  };
  const swap = () => {
    sessionStorage.setItem(SWAPPED_STORAGE_KEY + id, swapped ? "no" : "yes");
    setSwapped(!swapped);
  };
  const onSearch = (event) => {
    setSearch(event.target.value);
    setMatchIndex(0);
  };
  const goToMatch = (step) => matches.length && setMatchIndex((matchIndex + step + matches.length) % matches.length);
  const onKeyDown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    goToMatch(event.shiftKey ? -1 : 1);
  };

  if (!segments.length)
    return html`<${EmptyState} title="No speech in this recording.">
      ${
        producedBy.nearSilence
          ? "It holds less than a second of sound, and the server failed on it."
          : "It holds no sound, or the server found nothing to transcribe."
      }
      ${" "}This is not an error.
    <//>`;
  return html`<div class="bar">
      <label class="wide">
        <span class="visually-hidden">Search in the transcript</span>
        <input type="search" dir="auto" placeholder="Search in the transcript" value=${search} onInput=${onSearch} onKeyDown=${onKeyDown} />
      </label>
      ${
        search &&
        html`<span role="status">${matches.length ? `${matchIndex + 1} of ${pluralize(matches.length, "match", "matches")}` : "No matches"}</span>
        <button type="button" aria-label="Previous match" disabled=${!matches.length} onClick=${() => goToMatch(-1)}>↑</button>
        <button type="button" aria-label="Next match" disabled=${!matches.length} onClick=${() => goToMatch(1)}>↓</button>`
      }
      <label><input type="checkbox" checked=${following} onChange=${(event) => setFollowing(event.target.checked)} /> Follow</label>
      ${speakers.length === 2 && html`<button type="button" aria-pressed=${swapped} onClick=${swap}>Swap speakers</button>`}
    </div>
    <${DoubtfulSegments} segments=${segments} />
    <${LeftOut} producedBy=${producedBy} />
    <ol class="transcript" ref=${list} tabindex="0" aria-label="Transcript" lang=${language}>
      ${segments.map(({ start, speaker, text, flags = [] }, index) => {
        const { side, colour, name } = speakerStyle(speaker, speakers, swapped);
        const isNewSpeaker = index === 0 || segments[index - 1].speaker !== speaker;
        return html`<li
            key=${index}
            data-segment=${index}
            class="side-${side} speaker-${colour} ${index === spoken ? "spoken" : ""}"
            aria-current=${index === spoken ? "true" : null}
          >
          ${isNewSpeaker && name && html`<span class="speaker" dir="auto">${name}</span>`}
          ${
            start !== null &&
            media &&
            html`<button
              type="button"
              class="position"
              aria-label="Play from ${formatPosition(start)}"
              onClick=${() => playFrom(start)}
            >${formatPosition(start)}</button>`
          }
          <p dir="auto" onClick=${() => getSelection().isCollapsed && playFrom(start)}>${highlight(text, matchesBySegment.get(index), currentMatch)}</p>
          ${flags.length > 0 && html`<small class="flag">May not have been said: ${flags.map((flag) => FLAG_LABELS[flag] ?? humanize(flag)).join("; ")}.</small>`}
        </li>`;
      })}
    </ol>`;
}

// How many segments are doubtful, and what to change if they are many.
function DoubtfulSegments({ segments }) {
  const count = segments.filter(({ flags }) => flags?.length).length;
  if (!count) return null;
  return html`<${Notice} role="note" title="${count} of ${pluralize(segments.length, "segment")} may not have been said">
    Whisper invents text for silence, noise and music.${" "}
    ${
      count >= FREQUENT_SHARE * segments.length &&
      html`For fewer of these, set the language in <${Link} href=${urlFor("settings")}>Settings<//>, and add${" "}
      <code>vad_filter=true</code> to the additional options if your server has this option.`
    }
  <//>`;
}

// What is not in the transcript although it is in the audio. Transcripts of earlier versions do not say it.
function LeftOut({ producedBy: { echoSegments = 0, nearSilence = false } }) {
  return html`${echoSegments > 0 && html`<p class="help">Left out ${pluralize(echoSegments, "passage")} in which one channel repeated the other party’s voice.</p>`}
    ${nearSilence && html`<p class="help">One channel holds less than a second of sound, and the server failed on it. It was completed without speech.</p>`}`;
}

// The speakers in the order of their first segment; of a stereo call, the caller first.
function listSpeakers(segments) {
  const speakers = [...new Set(segments.map(({ speaker }) => speaker).filter(Boolean))];
  return speakers.sort((one, other) => (other === "caller") - (one === "caller"));
}

// The first speaker is on one side, all others on the other one.
function speakerStyle(speaker, speakers, swapped) {
  const index = speakers.indexOf(speaker);
  if (index < 0) return { side: 0, colour: 0, name: "" };
  const shown = swapped && speakers.length === 2 ? 1 - index : index;
  return { side: shown ? 1 : 0, colour: 1 + (shown % SPEAKER_COLOURS), name: speakerName(speakers[shown]) };
}

// `SPEAKER_01` as Speaker 01: with the same number as in captions.
const speakerName = (label) => capitalize(label.replace(/^SPEAKER_(?=\d+$)/, "Speaker "));

// The index of the segment at the current playback position; null if there is none.
function useSpokenSegment(media, segments) {
  const [spoken, setSpoken] = useState(null);
  useEffect(() => {
    const timed = segments
      .map(({ start, end }, index) => ({ start, end, index }))
      .filter(({ start }) => start !== null)
      .sort((one, other) => one.start - other.start);
    const update = ({ target }) => {
      if (target !== media?.current) return;
      const position = target.currentTime;
      const { end, index } = timed.findLast(({ start }) => start <= position + ROUNDING_SECONDS) ?? {};
      const isOver = index === undefined || (end !== null && position > end + LINGER_SECONDS);
      setSpoken(isOver ? null : index);
    };
    // the audio element is created later than this, and may be replaced: its events are captured at the document
    const events = ["timeupdate", "seeking"];
    for (const event of events) document.addEventListener(event, update, true);
    return () => {
      for (const event of events) document.removeEventListener(event, update, true);
    };
  }, [segments]);
  return spoken;
}

// Scrolls the list, and nothing else, until the element is visible.
function scrollTo(list, selector) {
  const element = list?.querySelector(selector);
  if (!element) return;
  const [outer, inner] = [list.getBoundingClientRect(), element.getBoundingClientRect()];
  if (inner.top >= outer.top && inner.bottom <= outer.bottom) return;
  list.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 2;
}

// Every occurrence of the search text: { segment, start, end }, its index and the offsets in its text.
function findMatches(segments, search) {
  const escaped = search.trim().replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  if (!escaped) return [];
  const pattern = new RegExp(escaped, "giu"); // not toLowerCase(): it makes some texts longer
  return segments.flatMap(({ text }, segment) =>
    Array.from(text.matchAll(pattern), ({ 0: { length }, index }) => ({ segment, start: index, end: index + length })),
  );
}

// The text with its matches marked.
function highlight(text, matches = [], currentMatch = null) {
  const parts = [];
  let offset = 0;
  for (const match of matches) {
    parts.push(
      text.slice(offset, match.start),
      html`<mark class=${match === currentMatch ? "current" : ""}>${text.slice(match.start, match.end)}</mark>`,
    );
    offset = match.end;
  }
  return [...parts, text.slice(offset)];
}
