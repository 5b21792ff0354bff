// The metadata of a call with the source of each field, and a form to edit it.

import { request } from "./api.js";
import { ActionResult, useAction } from "./components.js";
import { DIRECTION_LABELS, formatBytes, formatPosition } from "./format.js";
import { html } from "./html.js";
import { useOnChange } from "./polling.js";
import { Link, urlFor } from "./router.js";
import { useEffect, useRef, useState } from "./vendor/hooks.js";

// By the names that the API gives them.
const FIELDS = {
  direction: { title: "Direction", format: (value) => DIRECTION_LABELS[value] },
  caller: { title: "Caller" },
  callee: { title: "Callee" },
  remoteNumber: { title: "External number" },
  extension: { title: "Extension" },
  party: { title: "Name" },
  startedAt: { title: "Started", format: (value) => value.replace("T", " "), hint: "As written by the phone system" },
  utcOffset: { title: "UTC offset", readOnly: true },
  callId: { title: "Call ID" },
  phoneSystem: { title: "Phone system", readOnly: true },
  kind: { title: "Kind", readOnly: true },
};

const LOCAL_TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?$/;

const SOURCE_LABELS = {
  user: "edited",
  sidecar: "sidecar",
  index: "index",
  tags: "audio tags",
  pattern: "your pattern",
  name: "file name",
  folder: "folder",
};

export function Metadata({ recording, refresh }) {
  const [editing, setEditing] = useState(false);
  const button = useRef(null);
  useOnChange(editing, () => editing || button.current.focus());
  const onSaved = () => {
    setEditing(false);
    refresh();
  };
  return html`<section aria-labelledby="call">
    <div class="heading">
      <h2 id="call">Call</h2>
      ${
        !editing &&
        html`<button
          type="button"
          ref=${button}
          disabled=${recording.transcriptionStatus === "processing"}
          onClick=${() => setEditing(true)}
        >Edit</button>`
      }
    </div>
    ${
      editing
        ? html`<${MetadataForm} recording=${recording} onSaved=${onSaved} onCancel=${() => setEditing(false)} />`
        : html`<${MetadataList} recording=${recording} />`
    }
  </section>`;
}

function MetadataList({ recording }) {
  const { audio, metadataOrigins, path, size, id } = recording;
  const known = Object.entries(FIELDS).filter(([name]) => recording[name] !== null);
  const file = {
    File: html`<span class="path" dir="auto">${path}</span>`,
    Size: formatBytes(size),
    Audio: audio && formatAudio(audio),
    ID: html`<code>${id}</code>`,
  };
  return html`<dl class="metadata">
      ${known.map(
        ([name, { title, format = String, hint }]) => html`<div key=${name} title=${hint}>
          <dt>${title}</dt>
          <dd><span dir="auto">${format(recording[name])}</span> <small title="Source">${SOURCE_LABELS[metadataOrigins[name]] ?? ""}</small></dd>
        </div>`,
      )}
      ${Object.entries(file).map(([title, value]) => value && html`<div key=${title}><dt>${title}</dt><dd>${value}</dd></div>`)}
    </dl>
    ${!known.length && html`<p class="help">The file name contains no known call data. Choose Edit to enter it. To read future names, add a pattern in <${Link} href=${urlFor("settings")}>Settings<//>.</p>`}`;
}

function formatAudio({ codec, sampleRate, channels, duration }) {
  const layout = channels && ({ 1: "mono", 2: "stereo" }[channels] ?? `${channels} channels`);
  const parts = [codec, sampleRate && `${sampleRate / 1000} kHz`, layout, duration && formatPosition(duration)];
  return parts.filter(Boolean).join(" · ");
}

// A time is edited as it is shown: in the zone of the phone system, if that is known. Without an offset, the API would use
// the zone of the settings.
const withOffset = (time, offset) => (offset && LOCAL_TIME.test(time) ? `${time}${offset}` : time);

// Edited fields take precedence over all other sources. Only changed fields are sent; an empty one is cleared.
function MetadataForm({ recording, onSaved, onCancel }) {
  const { busy, result, run } = useAction();
  const [errors, setErrors] = useState({});
  const form = useRef(null);
  const fields = Object.entries(FIELDS).filter(([, { readOnly }]) => !readOnly);
  useEffect(() => form.current.elements[0].focus(), []);
  const onSubmit = (event) => {
    event.preventDefault();
    const values = new FormData(event.target);
    const changed = fields
      .map(([name]) => [name, values.get(name).trim()])
      .filter(([name, value]) => value !== (recording[name] ?? ""))
      .map(([name, value]) => [name, name === "startedAt" ? withOffset(value, recording.utcOffset) : value]);
    if (!changed.length) return onCancel();
    run(async () => {
      const body = Object.fromEntries(changed.map(([name, value]) => [name, value || null]));
      try {
        await request(`/api/call-recordings/${recording.id}`, { method: "PUT", body });
      } catch (error) {
        setErrors(Object.fromEntries(error.details.map(({ field, message }) => [field.split(".").at(-1), message])));
        throw error;
      }
      onSaved();
    });
  };
  const input = (name) => {
    const invalid = name in errors;
    const attributes = { name, "aria-invalid": invalid, "aria-describedby": invalid ? `${name}-error` : null };
    const value = recording[name] ?? "";
    if (name !== "direction")
      return html`<input type="text" dir="auto" autocomplete="off" maxlength="100" defaultValue=${value} ...${attributes} />`;
    return html`<select ...${attributes}>
      <option value="" selected=${!value}>Unknown</option>
      ${Object.entries(DIRECTION_LABELS).map(([direction, text]) => html`<option value=${direction} selected=${direction === value}>${text}</option>`)}
    </select>`;
  };
  return html`<form class="metadata-form" ref=${form} onSubmit=${onSubmit}>
    ${fields.map(
      ([name, { title }]) => html`<div key=${name}>
        <label>${title} ${input(name)}</label>
        ${errors[name] && html`<strong class="error help" id="${name}-error">${errors[name]}</strong>`}
      </div>`,
    )}
    <p class="help">
      Leave a field empty to clear it. Enter times like 2026-11-18T09:30:00, in the time zone of the phone system, or with
      an offset: +01:00.
    </p>
    <${ActionResult} result=${result} />
    <div class="actions">
      <button type="button" onClick=${onCancel}>Cancel</button>
      <button type="submit" class="primary" aria-disabled=${busy}>Save</button>
    </div>
  </form>`;
}
