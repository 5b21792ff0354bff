// The settings of both modules. They are validated before they are saved; errors are shown at their fields.

import { request, SIGNED_OUT } from "../api.js";
import { ActionResult, Notice, PageHeading, Polled, Table, Time, useAction } from "../components.js";
import { DIRECTION_LABELS, fileName, pluralize } from "../format.js";
import { CallRecordingsFields, WhisperXFields } from "../forms.js";
import { html } from "../html.js";
import { usePolling } from "../polling.js";
import { useEffect, useRef, useState } from "../vendor/hooks.js";

export default function Settings() {
  return html`<${PageHeading} title="Settings" />
    <div class="two-columns">
      <${Module} slug="whisperx" title="WhisperX server" Fields=${WhisperXFields} />
      <${Module} slug="call-recordings" title="Call recordings" Fields=${CallRecordingsFields} Extra=${NamePreview} />
    </div>`;
}

// Unsaved changes by module. They survive a visit to another view, and a new sign-in after the key was refused; signing out
// discards them.
let drafts = {};
addEventListener(SIGNED_OUT, () => {
  drafts = {};
});

function Module({ slug, title, Fields, Extra }) {
  const settings = usePolling((signal) => request(`/api/modules/${slug}`, { signal }), []);
  const [saved, setSaved] = useState(null);
  return html`<section aria-labelledby=${slug}>
    <h2 id=${slug}>${title}</h2>
    <${Polled} source=${settings}>${(data) => html`<${ModuleForm}
        slug=${slug}
        saved=${saved ?? data}
        onSaved=${setSaved}
        Fields=${Fields}
        Extra=${Extra}
      />`}<//>
  </section>`;
}

// `saved` are the effective settings, `draft` the unsaved changes.
function ModuleForm({ slug, saved, onSaved, Fields, Extra }) {
  const [draft, setDraft] = useState(drafts[slug] ?? {});
  const [errors, setErrors] = useState({});
  const { busy, result, run } = useAction();
  const form = useRef(null);
  const focusError = useRef(false);
  drafts[slug] = draft;
  useEffect(() => {
    if (focusError.current) form.current.querySelector("[aria-invalid=true]")?.focus();
    focusError.current = false;
  }, [errors]);
  const isChanged = Object.keys(draft).length > 0;
  const set = (name, value) => {
    setDraft((previous) => {
      const { [name]: _, ...rest } = previous;
      return JSON.stringify(value) === JSON.stringify(saved[name] ?? "") ? rest : { ...rest, [name]: value };
    });
    setErrors((previous) => {
      const { [name]: _, ...rest } = previous;
      return name in previous ? rest : previous;
    });
  };
  // The API reports all invalid fields at once; each error is shown at its field.
  const submit = (path, method, body) =>
    request(path, { method, body }).catch((error) => {
      const fieldErrors = error.details.filter(({ field }) => field);
      focusError.current = true;
      setErrors(Object.fromEntries(fieldErrors.map(({ field, message }) => [fieldName(field), message])));
      throw fieldErrors.length ? new Error("Some settings are invalid. See the errors at the fields.") : error;
    });
  // Keeps other unsaved changes, and what the user has typed in the meantime.
  const update = (body, message) =>
    run(async () => {
      onSaved(await submit(`/api/modules/${slug}`, "PUT", body));
      setErrors({});
      setDraft((current) =>
        Object.fromEntries(Object.entries(current).filter(([name, value]) => !(name in body) || value !== draft[name])),
      );
      return message;
    });
  const onSubmit = (event) => {
    event.preventDefault();
    if (isChanged) update(draft, "Saved. The next runs use these settings.");
  };
  const discard = () => {
    if (busy) return;
    setDraft({});
    setErrors({});
  };
  const reset = (name) => {
    form.current.elements[name].focus(); // the reset button disappears
    update({ [name]: null }, "Reset.");
  };
  const test = () =>
    run(async () => {
      const { enabled, ...settings } = draft;
      const { ok, message } = await submit(`/api/modules/${slug}/test`, "POST", settings);
      if (!ok) throw new Error(message);
      return message;
    });
  const values = { ...saved, ...draft };
  return html`<form class="settings" ref=${form} onSubmit=${onSubmit} novalidate>
    <label class="switch">
      <input type="checkbox" checked=${values.enabled} onChange=${(event) => set("enabled", event.target.checked)} />
      <span>Enabled <small>The tasks of a disabled module do nothing.</small></span>
    </label>
    <${Fields} values=${values} saved=${saved} draft=${draft} errors=${errors} set=${set} reset=${reset} />
    <${ActionResult} result=${result} />
    <div class="actions">
      <button type="button" aria-disabled=${busy} onClick=${test}>Test connection</button>
      <button type="button" aria-disabled=${busy || !isChanged} onClick=${discard}>Discard changes</button>
      <button type="submit" class="primary" aria-disabled=${busy || !isChanged}>Save</button>
    </div>
    ${Extra && html`<${Extra} draft=${draft} submit=${submit} />`}
  </form>`;
}

// `body.patterns.0` and `patterns` are the field `patterns`.
const fieldName = (path) => path.split(".").find((part) => part !== "body" && !/^\d+$/.test(part)) ?? path;

const COLUMNS = [
  ["File name", "wide"],
  ["Direction", ""],
  ["Caller", ""],
  ["Callee", ""],
  ["Call time", ""],
  ["Phone system", ""],
];

// The metadata that the settings (including unsaved changes) extract from the newest file names.
function NamePreview({ draft, submit }) {
  const [preview, setPreview] = useState(null);
  const { busy, result, run } = useAction();
  const { phoneSystem, timeZone, patterns } = draft;
  useEffect(() => setPreview(null), [phoneSystem, timeZone, patterns]); // it was made with other settings
  const load = () =>
    run(async () => {
      setPreview(await submit("/api/modules/call-recordings/preview", "POST", { phoneSystem, timeZone, patterns }));
      return "";
    });
  return html`<div class="name-preview">
    <h3>File name preview</h3>
    <p class="help">Reads the 200 newest file names with the settings above, including unsaved changes. Nothing is changed.</p>
    <button type="button" aria-disabled=${busy} onClick=${load}>Preview file names</button>
    <${ActionResult} result=${result} />
    ${preview && html`<${PreviewResult} preview=${preview} />`}
  </div>`;
}

function PreviewResult({ preview }) {
  const { names, understood, byPattern, systems, examples, notUnderstood } = preview;
  if (!names)
    return html`<${Notice}>No recordings yet. Put audio files in the recordings path, then run the task Find recordings.<//>`;
  const detected = Object.entries(systems).map(([system, count]) => `${system} ${count}`);
  return html`<p role="status">
      <strong>${understood} of ${pluralize(names, "file name")} recognised</strong>${byPattern ? `, ${byPattern} by your patterns` : ""}.${detected.length ? ` Phone systems: ${detected.join(", ")}.` : ""}
    </p>
    <${Table}
      label="Recognised file names"
      columns=${COLUMNS}
      rows=${examples.map(({ path, direction, caller, callee, remoteNumber, extension, recordedAt, phoneSystem }) => ({
        key: path,
        cells: [
          html`<span class="path" dir="auto">${fileName(path)}</span>`,
          DIRECTION_LABELS[direction] ?? "",
          caller ?? remoteNumber,
          callee ?? extension,
          html`<${Time} at=${recordedAt} />`,
          phoneSystem,
        ],
      }))}
    />
    ${
      notUnderstood.length > 0 &&
      html`<details><summary>Not recognised</summary><ul>${notUnderstood.map((path) => html`<li class="path" dir="auto" key=${path}>${fileName(path)}</li>`)}</ul></details>`
    }`;
}
