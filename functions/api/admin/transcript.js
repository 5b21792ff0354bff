// What was said, beside the player: a sentence is heard at a click, and the one that is spoken is lit and followed.

import { html } from "./html.js";
import { Empty } from "./parts.js";
import { useEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
import { capital, clock, plural } from "./words.js";

const SWAPPED = "callscribe.swapped.";
const COLOURS = 6;
const LINGERS = 2; // seconds that a sentence stays lit when nobody speaks: short pauses do not flicker
const ROUNDING = 0.001; // who seeks 259.818 s is at 259.817999 s

// `stored` is the document as the API has it; `media` the ref of the audio element, null where there is no audio.
export function Transcript({ id, stored, media }) {
  const { segments } = stored;
  const [swapped, setSwapped] = useState(() => sessionStorage.getItem(SWAPPED + id) === "yes");
  const [follows, setFollows] = useState(true);
  const [search, setSearch] = useState("");
  const [hit, setHit] = useState(0);
  const list = useRef(null);
  const speakers = useMemo(() => namesOf(segments), [segments]);
  const found = useMemo(() => hits(segments, search), [segments, search]);
  const foundIn = useMemo(() => Map.groupBy(found, (each) => each.at), [found]);
  const spoken = useSpoken(media, segments);

  useEffect(() => {
    if (follows && spoken !== null) show(list.current, `[data-at="${spoken}"]`);
  }, [spoken, follows]);
  useEffect(() => {
    if (found.length) show(list.current, "mark.current");
  }, [hit, search]);

  const hear = (start) => {
    const audio = media?.current;
    if (!audio || start === null) return;
    audio.currentTime = start;
    audio.play().catch(() => {}); // what hinders it, the player tells
  };
  const swap = () => {
    sessionStorage.setItem(SWAPPED + id, swapped ? "no" : "yes");
    setSwapped(!swapped);
  };
  const searched = (event) => {
    setSearch(event.target.value);
    setHit(0);
  };
  const step = (by) => found.length && setHit((hit + by + found.length) % found.length);
  const pressed = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    step(event.shiftKey ? -1 : 1);
  };

  if (!segments.length)
    return html`<${Empty} title="Nobody speaks in this recording.">That is no failure: the service found no speech.<//>`;
  const current = found[hit];
  return html`<div class="bar">
      <label class="wide">
        <span class="unseen">Search in the transcript</span>
        <input type="search" placeholder="Search in the transcript" value=${search} onInput=${searched} onKeyDown=${pressed} />
      </label>
      ${
        search &&
        html`<span role="status">${found.length ? `${hit + 1} of ${plural(found.length, "match", "matches")}` : "no match"}</span>
        <button type="button" aria-label="Match before" disabled=${!found.length} onClick=${() => step(-1)}>↑</button>
        <button type="button" aria-label="Next match" disabled=${!found.length} onClick=${() => step(1)}>↓</button>`
      }
      <label><input type="checkbox" checked=${follows} onChange=${(event) => setFollows(event.target.checked)} /> Follow</label>
      ${speakers.length === 2 && html`<button type="button" aria-pressed=${swapped} onClick=${swap}>Swap sides</button>`}
    </div>
    <ol class="transcript" ref=${list} tabindex="0" aria-label="Transcript" lang=${stored.language}>
      ${segments.map((segment, at) => {
        const side = sideOf(segment, speakers, swapped);
        const begins = at === 0 || segments[at - 1].speaker !== segment.speaker;
        return html`<li
            key=${at}
            data-at=${at}
            class="side-${side.place} speaker-${side.colour} ${at === spoken ? "spoken" : ""}"
            aria-current=${at === spoken ? "true" : null}
          >
          ${begins && side.name && html`<span class="speaker">${side.name}</span>`}
          ${
            segment.start !== null &&
            media &&
            html`<button
              type="button"
              class="at"
              aria-label="Hear from ${clock(segment.start)}"
              onClick=${() => hear(segment.start)}
            >${clock(segment.start)}</button>`
          }
          <p onClick=${() => getSelection().isCollapsed && hear(segment.start)}>${marked(segment.text, foundIn.get(at), current)}</p>
        </li>`;
      })}
    </ol>`;
}

// The speakers in the order in which they are first heard; of a stereo call, the caller first.
function namesOf(segments) {
  const names = [...new Set(segments.map((segment) => segment.speaker).filter(Boolean))];
  return names.sort((one, other) => (other === "caller") - (one === "caller"));
}

// `place`: one side for the first speaker, the other one for all else.
function sideOf(segment, speakers, swapped) {
  const at = speakers.indexOf(segment.speaker);
  if (at < 0) return { place: 0, colour: 0, name: "" };
  const meant = swapped && speakers.length === 2 ? 1 - at : at;
  return { place: meant ? 1 : 0, colour: 1 + (meant % COLOURS), name: spokenName(speakers[meant]) };
}

// `SPEAKER_01` as Speaker 01: by the number that captions have too.
const spokenName = (name) => capital(name.replace(/^SPEAKER_(?=\d+$)/, "Speaker "));

// Which segment is spoken at this moment of the audio; null where none is.
function useSpoken(media, segments) {
  const [spoken, setSpoken] = useState(null);
  useEffect(() => {
    const timed = segments.map((segment, at) => [segment.start, segment.end, at]).filter(([start]) => start !== null);
    timed.sort(([one], [other]) => one - other);
    const look = (event) => {
      if (event.target !== media?.current) return;
      const now = event.target.currentTime;
      const [, end, at] = timed.findLast(([start]) => start <= now + ROUNDING) ?? [];
      setSpoken(at === undefined || (end !== null && now > end + LINGERS) ? null : at);
    };
    // the element comes later than this, and may be another one: its events are caught on their way down
    const kinds = ["timeupdate", "seeking"];
    for (const kind of kinds) document.addEventListener(kind, look, true);
    return () => {
      for (const kind of kinds) document.removeEventListener(kind, look, true);
    };
  }, [segments]);
  return spoken;
}

// Scrolls the list, and nothing else, so that the element is seen.
function show(list, selector) {
  const element = list?.querySelector(selector);
  if (!element) return;
  const [outer, inner] = [list.getBoundingClientRect(), element.getBoundingClientRect()];
  if (inner.top >= outer.top && inner.bottom <= outer.bottom) return;
  list.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 2;
}

// Each place where the words are: { at, from, to } of a segment's text.
function hits(segments, search) {
  const sought = search.trim().replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  if (!sought) return [];
  const pattern = new RegExp(sought, "giu"); // in small letters, some texts are longer
  return segments.flatMap(({ text }, at) =>
    Array.from(text.matchAll(pattern), ({ 0: words, index }) => ({ at, from: index, to: index + words.length })),
  );
}

// The text with its hits marked.
function marked(text, found = [], current = null) {
  const parts = [];
  let done = 0;
  for (const hit of found) {
    parts.push(
      text.slice(done, hit.from),
      html`<mark class=${hit === current ? "current" : ""}>${text.slice(hit.from, hit.to)}</mark>`,
    );
    done = hit.to;
  }
  return [...parts, text.slice(done)];
}
