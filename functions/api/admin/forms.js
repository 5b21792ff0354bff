// The fields of both modules' settings: what each is called, what it is for, and how it is written.

import { html } from "./html.js";
import { useState } from "./vendor/hooks.js";

const DIALECTS = {
  asr: "asr – whisper-asr-webservice, whisperx-asr-service",
  tasks: "tasks – whisperX-FastAPI",
  openai: "openai – whisperx-api-server, speaches and others",
};
const CHANNELS = {
  auto: "auto – what is known of the phone system",
  mono: "mono – send the recording as it is",
  "caller-left": "caller-left – the caller is on the left",
  "caller-right": "caller-right – the caller is on the right",
};
const ZONES = Intl.supportedValuesOf("timeZone");

// What stands around a field: its name, its help, what is wrong with it, and the way back to the template's.
function Field({ name, title, help, faults, kept, reset, children }) {
  const fault = faults[name];
  return html`<div class="field ${fault ? "wrong" : ""}">
    <label for=${name}>${title}</label>
    ${children({ id: name, name, "aria-invalid": Boolean(fault), "aria-describedby": `${name}-help` })}
    <p id="${name}-help" class="help">
      ${fault && html`<strong class="bad">${fault}</strong>`} ${help}
      ${
        kept.changed.includes(name) &&
        html` <button
          type="button"
          class="link"
          aria-label="${title}: use the template’s"
          onClick=${() => reset(name)}
        >Use the template’s</button>`
      }
    </p>
  </div>`;
}

const Text = ({ shown, set, list, ...rest }) =>
  html`<${Field} ...${rest}>
    ${(given) => html`<input
        type="text"
        spellcheck=${false}
        autocomplete="off"
        list=${list}
        value=${shown[rest.name]}
        onInput=${(event) => set(rest.name, event.target.value)}
        onChange=${(event) => set(rest.name, event.target.value.trim())}
        ...${given}
      />`}
  <//>`;

const Switch = ({ shown, set, ...rest }) =>
  html`<${Field} ...${rest}>
    ${(given) => html`<input
        type="checkbox"
        checked=${shown[rest.name]}
        onChange=${(event) => set(rest.name, event.target.checked)}
        ...${given}
      />`}
  <//>`;

const Choice = ({ shown, set, choices, ...rest }) =>
  html`<${Field} ...${rest}>
    ${(
      given,
    ) => html`<select value=${shown[rest.name]} onChange=${(event) => set(rest.name, event.target.value)} ...${given}>
      ${Object.entries(choices).map(([value, words]) => html`<option value=${value}>${words}</option>`)}
    </select>`}
  <//>`;

// Several values, `parted` by what is typed between them: as they are typed, as long as they are those that are shown.
function Several({ shown, set, parted, rows, ...rest }) {
  const [typed, setTyped] = useState("");
  const values = (text) =>
    text
      .split(parted === " " ? /\s+/ : parted)
      .map((each) => each.trim())
      .filter(Boolean);
  const shownNow = shown[rest.name].join(parted);
  const text = values(typed).join(parted) === shownNow ? typed : shownNow;
  const changed = ({ target }) => {
    setTyped(target.value);
    set(rest.name, values(target.value));
  };
  return html`<${Field} ...${rest}>
    ${(given) => html`<textarea rows=${rows} spellcheck=${false} value=${text} onInput=${changed} ...${given}></textarea>`}
  <//>`;
}

export function WhisperX({ shown, draft, set, ...rest }) {
  const given = { shown, set, ...rest };
  return html`<${Text}
      ...${given}
      name="baseUrl"
      title="Address"
      help="As the process function reaches it: http://gpu-box:9000"
    />
    <${Choice}
      ...${given}
      name="dialect"
      title="Dialect"
      choices=${DIALECTS}
      help="The HTTP contract that the server speaks. The test tells which one it is."
    />
    <${Text}
      ...${given}
      name="language"
      title="Language"
      help="Two letters, such as en. Empty: the server detects it, which goes wrong on silence."
    />
    <${Text} ...${given} name="model" title="Model" help="For servers that have several. Empty: the server’s own choice." />
    <${Text}
      ...${given}
      name="options"
      title="Further options"
      help="As the server names them: compute_type=int8. No place for secrets."
    />
    <${Switch} ...${given} name="diarize" title="Tell speakers apart" help="Asks the server to label who speaks." />
    <${Field}
      ...${rest}
      name="apiKey"
      title="Key of the server"
      help=${KEY_HELP[draft.apiKey === null ? "gone" : String(shown.apiKeySet)]}
    >
      ${(field) => html`<input
          type="password"
          autocomplete="new-password"
          value=${draft.apiKey ?? ""}
          onInput=${(event) => set("apiKey", event.target.value)}
          ...${field}
        />`}
    <//>
    ${
      shown.apiKeySet &&
      html`<button
        type="button"
        class="link"
        aria-disabled=${draft.apiKey === null}
        onClick=${() => set("apiKey", null)}
      >Take the key away</button>`
    }`;
}

const KEY_HELP = {
  true: "A key is set. It is never shown. What is entered here takes its place.",
  false: "None is set. It is kept in Secrets Manager, and never shown.",
  gone: "The key is taken away when this is saved.",
};

export function CallRecordings({ shown, kept, set, ...rest }) {
  const given = { shown, kept, set, ...rest };
  const systems = Object.fromEntries([
    ["", "Recognised by the names"],
    ...kept.phoneSystems.map((each) => [each, each]),
  ]);
  return html`<${Text}
      ...${given}
      name="recordingsPath"
      title="Recordings path"
      help="s3://bucket/prefix/, or the path of a folder. It is tried before it is kept."
    />
    <${Choice} ...${given} name="phoneSystem" title="Phone system" choices=${systems} help="What records the calls." />
    <${Text}
      ...${given}
      name="timeZone"
      title="Time zone"
      list="zones"
      help="Of times which do not tell theirs: Europe/Berlin."
    />
    <datalist id="zones">${ZONES.map((each) => html`<option value=${each}></option>`)}</datalist>
    <${Choice}
      ...${given}
      name="channels"
      title="Channels"
      choices=${CHANNELS}
      help="Who speaks on which channel of a stereo call."
    />
    <${Several}
      ...${given}
      parted=" "
      rows="2"
      name="extensions"
      title="Extensions"
      help="Endings of recordings’ names, parted by spaces."
    />
    <${Several}
      ...${given}
      parted=${"\n"}
      rows="3"
      name="patterns"
      title="Patterns for names"
      help="Your own, one a line, with named groups such as (?P<caller>\\d+). The first that matches counts."
    />`;
}
