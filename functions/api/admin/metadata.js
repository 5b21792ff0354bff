// What is known of a call and where it was read, and the way to correct it.

import { Link, to } from "./address.js";
import { ask } from "./api.js";
import { html } from "./html.js";
import { useAtChange } from "./live.js";
import { Told, useDeed } from "./parts.js";
import { useEffect, useRef, useState } from "./vendor/hooks.js";
import { bytes, clock, DIRECTIONS } from "./words.js";

// By their names in the API; `words` is how a value is shown.
const FIELDS = {
  direction: { title: "Direction", words: (value) => DIRECTIONS[value] },
  caller: { title: "Caller" },
  callee: { title: "Called" },
  remoteNumber: { title: "Outside number" },
  extension: { title: "Extension" },
  party: { title: "Name" },
  startedAt: { title: "Started", words: (value) => value.replace("T", " "), hint: "As the phone system wrote it" },
  utcOffset: { title: "UTC offset", fixed: true },
  callId: { title: "Call id" },
  phoneSystem: { title: "Phone system", fixed: true },
  kind: { title: "Kind", fixed: true },
};

const LOCAL = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?$/;

const ORIGINS = {
  person: "a person",
  sidecar: "sidecar",
  index: "index",
  tags: "audio tags",
  pattern: "your pattern",
  name: "file name",
  folder: "folder",
};

export function Metadata({ recording, again }) {
  const [correcting, setCorrecting] = useState(false);
  const button = useRef(null);
  useAtChange(correcting, () => correcting || button.current.focus());
  const done = () => {
    setCorrecting(false);
    again();
  };
  return html`<section aria-labelledby="call">
    <div class="heading">
      <h2 id="call">The call</h2>
      ${
        !correcting &&
        html`<button
          type="button"
          ref=${button}
          disabled=${recording.transcriptionStatus === "processing"}
          onClick=${() => setCorrecting(true)}
        >Correct…</button>`
      }
    </div>
    ${
      correcting
        ? html`<${Correction}
        recording=${recording}
        done=${done}
        cancel=${() => setCorrecting(false)}
      />`
        : html`<${Facts} recording=${recording} />`
    }
  </section>`;
}

function Facts({ recording }) {
  const { audio, metadataOrigins, path, size, id } = recording;
  const known = Object.entries(FIELDS).filter(([name]) => recording[name] !== null);
  const file = {
    File: html`<span class="path">${path}</span>`,
    Size: bytes(size),
    Audio: audio && spelled(audio),
    Id: html`<code>${id}</code>`,
  };
  return html`<dl class="facts">
      ${known.map(
        ([name, { title, words = String, hint }]) => html`<div key=${name} title=${hint}>
          <dt>${title}</dt>
          <dd>${words(recording[name])} <small title="Where it was read">${ORIGINS[metadataOrigins[name]] ?? ""}</small></dd>
        </div>`,
      )}
      ${Object.entries(file).map(([title, value]) => value && html`<div key=${title}><dt>${title}</dt><dd>${value}</dd></div>`)}
    </dl>
    ${!known.length && html`<p class="help">The name tells nothing of the call. A pattern of your own can read it: <${Link} href=${to("settings")}>Settings<//>.</p>`}`;
}

function spelled({ codec, sampleRate, channels, duration }) {
  const of = channels && (channels === 1 ? "mono" : channels === 2 ? "stereo" : `${channels} channels`);
  return [codec, sampleRate && `${sampleRate / 1000} kHz`, of, duration && clock(duration)].filter(Boolean).join(" · ");
}

// A time is corrected as it is shown: in the zone of the phone system, where that is known. The API would take the site's.
const inItsZone = (time, offset) => (offset && LOCAL.test(time) ? `${time}${offset}` : time);

// What a person knows better counts more than what was read. Only what was changed is sent; empty forgets a field.
function Correction({ recording, done, cancel }) {
  const { busy, told, run } = useDeed();
  const [faults, setFaults] = useState({});
  const form = useRef(null);
  const fields = Object.entries(FIELDS).filter(([, { fixed }]) => !fixed);
  useEffect(() => form.current.elements[0].focus(), []);
  const submitted = (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    const changed = fields
      .map(([name]) => [name, given.get(name).trim()])
      .filter(([name, value]) => value !== (recording[name] ?? ""))
      .map(([name, value]) => [name, name === "startedAt" ? inItsZone(value, recording.utcOffset) : value]);
    if (!changed.length) return cancel();
    run(async () => {
      const body = Object.fromEntries(changed.map(([name, value]) => [name, value || null]));
      try {
        await ask(`/api/call-recordings/${recording.id}`, { method: "PUT", body });
      } catch (error) {
        setFaults(Object.fromEntries(error.details.map((each) => [each.field.split(".").at(-1), each.message])));
        throw error;
      }
      done();
    });
  };
  const control = (name) => {
    const rest = { name, "aria-invalid": name in faults, "aria-describedby": name in faults ? `${name}-fault` : null };
    if (name !== "direction")
      return html`<input type="text" autocomplete="off" maxlength="100" defaultValue=${recording[name] ?? ""} ...${rest} />`;
    return html`<select ...${rest}>
      <option value="" selected=${!recording.direction}>Unknown</option>
      ${Object.entries(DIRECTIONS).map(([value, words]) => html`<option value=${value} selected=${value === recording.direction}>${words}</option>`)}
    </select>`;
  };
  return html`<form class="correct" ref=${form} onSubmit=${submitted}>
    ${fields.map(
      ([name, { title }]) => html`<div key=${name}>
        <label>${title} ${control(name)}</label>
        ${faults[name] && html`<strong class="bad help" id="${name}-fault">${faults[name]}</strong>`}
      </div>`,
    )}
    <p class="help">Empty forgets a field. Times as 2026-11-18T09:30:00, in the time zone of the phone system, or with their own: +01:00.</p>
    <${Told} told=${told} />
    <div class="actions">
      <button type="button" onClick=${cancel}>Cancel</button>
      <button type="submit" class="primary" aria-disabled=${busy}>Save</button>
    </div>
  </form>`;
}
