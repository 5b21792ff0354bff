// The settings of both modules: tried before they are kept, and what is wrong is said beside the field.

import { ask, SIGNED_OUT } from "../api.js";
import { CallRecordings, WhisperX } from "../forms.js";
import { html } from "../html.js";
import { useLive } from "../live.js";
import { Heading, Live, Notice, Table, Time, Told, useDeed } from "../parts.js";
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import { DIRECTIONS, fileName, plural } from "../words.js";

export default function Settings() {
  return html`<${Heading} title="Settings" />
    <div class="modules">
      <${Module} slug="whisperx" title="WhisperX server" Fields=${WhisperX} />
      <${Module} slug="call-recordings" title="Call recordings" Fields=${CallRecordings} Extra=${Preview} />
    </div>`;
}

// What was changed here and is not kept yet, by module: it outlives a look at another view, and signing in anew where the
// key was refused. Who signs out leaves nothing.
let drafts = {};
addEventListener(SIGNED_OUT, () => {
  drafts = {};
});

function Module({ slug, title, Fields, Extra }) {
  const live = useLive((signal) => ask(`/api/modules/${slug}`, { signal }), []);
  const [saved, setSaved] = useState(null);
  return html`<section aria-labelledby=${slug}>
    <h2 id=${slug}>${title}</h2>
    <${Live} live=${live}>${(data) => html`<${Form}
        slug=${slug}
        kept=${saved ?? data}
        keep=${setSaved}
        Fields=${Fields}
        Extra=${Extra}
      />`}<//>
  </section>`;
}

// `kept` are the settings as they count, `draft` what was changed here and is not kept yet.
function Form({ slug, kept, keep, Fields, Extra }) {
  const [draft, setDraft] = useState(drafts[slug] ?? {});
  const [faults, setFaults] = useState({});
  const { busy, told, run } = useDeed();
  const form = useRef(null);
  const shown = { ...kept, ...draft };
  drafts[slug] = draft;
  const refused = useRef(false);
  useEffect(() => {
    if (refused.current) form.current.querySelector("[aria-invalid=true]")?.focus();
    refused.current = false;
  }, [faults]);
  const changed = Object.keys(draft).length > 0;
  const set = (name, value) => {
    setDraft((before) => {
      const { [name]: _, ...rest } = before;
      return JSON.stringify(value) === JSON.stringify(kept[name] ?? "") ? rest : { ...rest, [name]: value };
    });
    setFaults((before) => {
      const { [name]: _, ...rest } = before;
      return name in before ? rest : before;
    });
  };
  // The API names each field that is wrong; what it says stands at that field.
  const asked = (path, method, body) =>
    ask(path, { method, body }).catch((error) => {
      const found = Object.fromEntries(
        error.details.filter((each) => each.field).map((each) => [fieldOf(each.field), each.message]),
      );
      refused.current = true;
      setFaults(found);
      throw Object.keys(found).length
        ? new Error("Some settings cannot be used: what is wrong stands at each of them.")
        : error;
    });
  // What else was changed here stays, and what is typed meanwhile.
  const change = (body, words) =>
    run(async () => {
      keep(await asked(`/api/modules/${slug}`, "PUT", body));
      setFaults({});
      setDraft((now) =>
        Object.fromEntries(Object.entries(now).filter(([name, value]) => !(name in body) || value !== draft[name])),
      );
      return words;
    });
  const save = (event) => {
    event.preventDefault();
    if (changed) change(draft, "Saved. The next runs use it.");
  };
  const discard = () => {
    if (busy) return;
    setDraft({});
    setFaults({});
  };
  const reset = (name) => {
    form.current.elements[name].focus(); // its own button goes
    change({ [name]: null }, "As the template has it.");
  };
  const test = () =>
    run(async () => {
      const { enabled, ...tried } = draft;
      const verdict = await asked(`/api/modules/${slug}/test`, "POST", tried);
      if (!verdict.ok) throw new Error(verdict.message);
      return verdict.message;
    });
  return html`<form class="settings" ref=${form} onSubmit=${save} novalidate>
    <label class="switch">
      <input type="checkbox" checked=${shown.enabled} onChange=${(event) => set("enabled", event.target.checked)} />
      <span>Enabled <small>While it is not, its tasks do nothing.</small></span>
    </label>
    <${Fields} shown=${shown} kept=${kept} draft=${draft} faults=${faults} set=${set} reset=${reset} />
    <${Told} told=${told} />
    <div class="actions">
      <button type="button" aria-disabled=${busy} onClick=${test}>Test connection</button>
      <button type="button" aria-disabled=${busy || !changed} onClick=${discard}>Discard</button>
      <button type="submit" class="primary" aria-disabled=${busy || !changed}>Save</button>
    </div>
    ${Extra && html`<${Extra} draft=${draft} asked=${asked} />`}
  </form>`;
}

// `body.patterns.0` and `patterns` are the field `patterns`.
const fieldOf = (field) => field.split(".").find((part) => part !== "body" && !/^\d+$/.test(part)) ?? field;

const COLUMNS = [
  ["Name", "wide"],
  ["Direction", ""],
  ["Caller", ""],
  ["Called", ""],
  ["Call", ""],
  ["System", ""],
];

// How the newest names are read, with what is not kept yet.
function Preview({ draft, asked }) {
  const [found, setFound] = useState(null);
  const { busy, told, run } = useDeed();
  const { phoneSystem, timeZone, patterns } = draft;
  useEffect(() => setFound(null), [phoneSystem, timeZone, patterns]); // it was of others
  const look = () =>
    run(async () => {
      setFound(await asked("/api/modules/call-recordings/preview", "POST", { phoneSystem, timeZone, patterns }));
      return "";
    });
  return html`<div class="preview-names">
    <h3>How names are read</h3>
    <p class="help">The newest 200 names, read with the settings as they stand above. Nothing is changed by it.</p>
    <button type="button" aria-disabled=${busy} onClick=${look}>Preview names</button>
    <${Told} told=${told} />
    ${found && html`<${Names} found=${found} />`}
  </div>`;
}

function Names({ found }) {
  const { names, understood, byPattern, systems, examples, notUnderstood } = found;
  if (!names) return html`<${Notice}>There are no recordings yet, whose names could be read.<//>`;
  const told = Object.entries(systems).map(([system, count]) => `${system} ${count}`);
  return html`<p role="status">
      <strong>${understood} of ${plural(names, "name")} understood</strong>${byPattern ? `, ${byPattern} by a pattern of yours` : ""}.${told.length ? ` Recognised: ${told.join(", ")}.` : ""}
    </p>
    <${Table}
      label="Names that are understood"
      columns=${COLUMNS}
      rows=${examples.map((each) => ({
        key: each.path,
        cells: [
          html`<span class="path">${fileName(each.path)}</span>`,
          DIRECTIONS[each.direction] ?? "",
          each.caller ?? each.remoteNumber,
          each.callee ?? each.extension,
          html`<${Time} at=${each.recordedAt} />`,
          each.phoneSystem,
        ],
      }))}
    />
    ${
      notUnderstood.length > 0 &&
      html`<details><summary>Not understood</summary><ul>${notUnderstood.map((path) => html`<li class="path" key=${path}>${fileName(path)}</li>`)}</ul></details>`
    }`;
}
