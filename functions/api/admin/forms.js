// The fields of both modules' settings: labels, help texts, and inputs.

import { html } from "./html.js";
import { useState } from "./vendor/hooks.js";

const DIALECTS = {
  asr: "asr – whisper-asr-webservice, whisperx-asr-service",
  tasks: "tasks – whisperX-FastAPI",
  openai: "openai – whisperx-api-server, speaches and others",
};
const CHANNEL_MODES = {
  auto: "auto – the layout of the phone system, if known",
  mono: "mono – send the recording unchanged",
  "caller-left": "caller-left – the caller is on the left channel",
  "caller-right": "caller-right – the caller is on the right channel",
  "calling-side-left": "calling-side-left – the side that called is on the left channel",
};
const TIME_ZONES = Intl.supportedValuesOf("timeZone");

// A label, the input, the help text, the error of this field, and a button that resets it to the template's value.
function Field({ name, title, help, errors, saved, reset, children }) {
  const error = errors[name];
  return html`<div class="field">
    <label for=${name}>${title}</label>
    ${children({ id: name, name, "aria-invalid": Boolean(error), "aria-describedby": `${name}-help` })}
    <p id="${name}-help" class="help">
      ${error && html`<strong class="error">${error}</strong>`} ${help}
      ${
        saved.changed.includes(name) &&
        html` <button
          type="button"
          class="link"
          aria-label="${title}: reset to default"
          onClick=${() => reset(name)}
        >Reset to default</button>`
      }
    </p>
  </div>`;
}

const TextField = ({ values, set, list, ...rest }) =>
  html`<${Field} ...${rest}>
    ${(attributes) => html`<input
        type="text"
        spellcheck=${false}
        autocomplete="off"
        list=${list}
        value=${values[rest.name]}
        onInput=${(event) => set(rest.name, event.target.value)}
        onChange=${(event) => set(rest.name, event.target.value.trim())}
        ...${attributes}
      />`}
  <//>`;

const CheckboxField = ({ values, set, ...rest }) =>
  html`<${Field} ...${rest}>
    ${(attributes) => html`<input
        type="checkbox"
        checked=${values[rest.name]}
        onChange=${(event) => set(rest.name, event.target.checked)}
        ...${attributes}
      />`}
  <//>`;

const SelectField = ({ values, set, options, ...rest }) =>
  html`<${Field} ...${rest}>
    ${(attributes) => html`<select
        value=${values[rest.name]}
        onChange=${(event) => set(rest.name, event.target.value)}
        ...${attributes}
      >
        ${Object.entries(options).map(([value, text]) => html`<option value=${value}>${text}</option>`)}
      </select>`}
  <//>`;

// A list of values, separated by spaces or newlines. The text is kept as typed while it has the same values as the setting.
function MultiValueField({ values, set, separator, rows, ...rest }) {
  const [typed, setTyped] = useState("");
  const parse = (text) =>
    text
      .split(separator === " " ? /\s+/ : separator)
      .map((value) => value.trim())
      .filter(Boolean);
  const current = values[rest.name].join(separator);
  const text = parse(typed).join(separator) === current ? typed : current;
  const onInput = ({ target }) => {
    setTyped(target.value);
    set(rest.name, parse(target.value));
  };
  return html`<${Field} ...${rest}>
    ${(attributes) => html`<textarea
        rows=${rows}
        spellcheck=${false}
        value=${text}
        onInput=${onInput}
        ...${attributes}
      ></textarea>`}
  <//>`;
}

const CA_CERTIFICATE_HELP =
  "For https:// with a private authority: the certificate of that authority in PEM format, or the server’s own if it is self-signed. Public authorities stay trusted.";
const HEADERS_HELP = {
  set: (names) => `Set: ${names.join(", ")}. The values are never shown. Enter all of them again to change one.`,
  missing: () =>
    "Only for a server or proxy that requires more than the API key. One per line, such as X-API-Key: VALUE or Authorization: Basic USER:PASSWORD. Stored like the key.",
  removed: () => "The headers will be removed when you save.",
};

// Headers that are not saved yet are shown as typed. A line without a colon has an empty value, which the API rejects.
function HeadersField({ values, draft, set, ...rest }) {
  const [typed, setTyped] = useState("");
  const parse = (text) =>
    Object.fromEntries(
      text
        .split("\n")
        .map((line) => line.trim())
        .filter(Boolean)
        .map((line) => [line.split(":")[0].trim(), line.split(":").slice(1).join(":").trim()]),
    );
  const text = draft.headers ? typed || toLines(draft.headers) : "";
  const onInput = ({ target }) => {
    setTyped(target.value);
    const headers = parse(target.value);
    set("headers", Object.keys(headers).length ? headers : "");
  };
  const state = draft.headers === null ? "removed" : values.headerNames.length ? "set" : "missing";
  return html`<${Field} ...${rest} name="headers" title="Server headers" help=${HEADERS_HELP[state](values.headerNames)}>
      ${(attributes) => html`<textarea
          rows="2"
          spellcheck=${false}
          autocomplete="off"
          value=${text}
          onInput=${onInput}
          ...${attributes}
        ></textarea>`}
    <//>
    ${
      values.headerNames.length > 0 &&
      html`<button
        type="button"
        class="link"
        aria-disabled=${draft.headers === null}
        onClick=${() => set("headers", null)}
      >Remove headers</button>`
    }`;
}

const toLines = (headers) =>
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n");

const API_KEY_HELP = {
  set: "A key is set. It is never shown. Enter a new one to replace it.",
  missing: "No key is set. Keys are stored in Secrets Manager and never shown.",
  removed: "The key will be removed when you save.",
};

// `values` are the saved settings with the unsaved changes of `draft` applied; `rest` is what each Field needs.
export function WhisperXFields({ values, draft, set, ...rest }) {
  const field = { values, set, ...rest };
  return html`<${TextField}
      ...${field}
      name="baseUrl"
      title="Server URL"
      help="The URL that Lambda can reach: http://gpu-box:9000"
    />
    <${SelectField}
      ...${field}
      name="dialect"
      title="Dialect"
      options=${DIALECTS}
      help="The HTTP API of the server. The connection test recognises it."
    />
    <${TextField}
      ...${field}
      name="language"
      title="Language"
      help="Two or three letters, such as en. Leave empty to let the server detect it, which is unreliable on silence."
    />
    <${TextField}
      ...${field}
      name="model"
      title="Model"
      help="For servers with several models. Leave empty for the server’s default."
    />
    <${TextField}
      ...${field}
      name="options"
      title="Additional options"
      help="Request parameters of the server: compute_type=int8. Do not enter secrets."
    />
    <${CheckboxField}
      ...${field}
      name="diarize"
      title="Speaker diarization"
      help="Request speaker labels from the server."
    />
    <${Field} ...${rest} name="caCertificate" title="CA certificate" help=${CA_CERTIFICATE_HELP}>
      ${(attributes) => html`<textarea
          rows="2"
          spellcheck=${false}
          value=${values.caCertificate}
          onInput=${(event) => set("caCertificate", event.target.value)}
          onChange=${(event) => set("caCertificate", event.target.value.trim())}
          ...${attributes}
        ></textarea>`}
    <//>
    <${Field}
      ...${rest}
      name="apiKey"
      title="Server API key"
      help=${API_KEY_HELP[draft.apiKey === null ? "removed" : values.apiKeySet ? "set" : "missing"]}
    >
      ${(attributes) => html`<input
          type="password"
          autocomplete="new-password"
          value=${draft.apiKey ?? ""}
          onInput=${(event) => set("apiKey", event.target.value)}
          ...${attributes}
        />`}
    <//>
    ${
      values.apiKeySet &&
      html`<button
        type="button"
        class="link"
        aria-disabled=${draft.apiKey === null}
        onClick=${() => set("apiKey", null)}
      >Remove key</button>`
    }
    <${HeadersField} values=${values} draft=${draft} set=${set} ...${rest} />`;
}

export function CallRecordingsFields({ values, saved, set, ...rest }) {
  const field = { values, saved, set, ...rest };
  const phoneSystems = { "": "Detect from file names", ...Object.fromEntries(saved.phoneSystems.map((s) => [s, s])) };
  return html`<${TextField}
      ...${field}
      name="recordingsPath"
      title="Recordings path"
      help="s3://bucket/prefix/, or the path of a folder. Validated before saving."
    />
    <${SelectField}
      ...${field}
      name="phoneSystem"
      title="Phone system"
      options=${phoneSystems}
      help="The system that records the calls."
    />
    <${TextField}
      ...${field}
      name="timeZone"
      title="Time zone"
      list="time-zones"
      help="Used when a timestamp has no zone: Europe/Berlin."
    />
    <datalist id="time-zones">${TIME_ZONES.map((zone) => html`<option value=${zone}></option>`)}</datalist>
    <${SelectField}
      ...${field}
      name="channels"
      title="Channels"
      options=${CHANNEL_MODES}
      help="The channel of the external party in stereo recordings. Transcripts name this party the caller, in outbound calls too, and the other one the agent. With calling-side-left, the direction of the call decides who is the agent."
    />
    <${MultiValueField}
      ...${field}
      separator=" "
      rows="2"
      name="extensions"
      title="File extensions"
      help="Separate with spaces, such as wav mp3. Other files are ignored. Add none for files without an extension."
    />
    <${MultiValueField}
      ...${field}
      separator=${"\n"}
      rows="3"
      name="patterns"
      title="File name patterns"
      help="Your own regular expressions, one per line, with named groups such as (?P<caller>\\d+). The first match wins."
    />`;
}
