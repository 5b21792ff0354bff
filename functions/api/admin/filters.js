// What is looked for in a list: fields that are what the address says, and change it.

import { go, to } from "./address.js";
import { html } from "./html.js";
import { useEffect, useRef } from "./vendor/hooks.js";

// A form of the view at `path`. Its fields have the names that the query has for them; what else is in that stays. A change
// is a move there, and the list begins anew.
export function Filters({ path, query, label, children }) {
  const form = useRef(null);
  useEffect(() => {
    // not as values of the fields: a list that is read anew must not undo what is being typed
    for (const field of form.current.elements) if (field.name) field.value = query[field.name] ?? "";
  }, [JSON.stringify(query)]);
  const show = () => {
    if (!form.current.checkValidity()) return; // a year that is being typed begins with zeros: 0002, 0020, 0202
    const given = Object.entries(Object.fromEntries(new FormData(form.current)));
    const { cursor, ...rest } = query;
    go(to(path, { ...rest, ...Object.fromEntries(given.map(([name, value]) => [name, value.trim()])) }));
  };
  const submitted = (event) => {
    event.preventDefault();
    show();
  };
  // what is searched for waits for Enter: who leaves the field by a click wants what was clicked
  const changed = ({ target }) => target.type !== "search" && show();
  return html`<form
      class="filters"
      role="search"
      aria-label=${label}
      ref=${form}
      onSubmit=${submitted}
      onChange=${changed}
    >
      ${children}
    </form>`;
}

// One of several; `choices`: what each value is called.
export const Choice = ({ name, title, choices }) => html`<label>
    ${title}
    <select name=${name}>
      <option value="">All</option>
      ${Object.entries(choices).map(([value, words]) => html`<option value=${value}>${words}</option>`)}
    </select>
  </label>`;
