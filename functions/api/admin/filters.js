// Filters of a list: form fields that show the query of the URL, and change it.

import { html } from "./html.js";
import { navigate, urlFor } from "./router.js";
import { useEffect, useRef } from "./vendor/hooks.js";

// A form for the view at `path`. Each field has the name of a query parameter; all other parameters are kept. A change
// navigates to the first page of the filtered list.
export function FilterForm({ path, query, label, children }) {
  const form = useRef(null);
  useEffect(() => {
    // not as the fields' `value`: a list that reloads must not undo what the user is typing
    for (const field of form.current.elements) if (field.name) field.value = query[field.name] ?? "";
  }, [JSON.stringify(query)]);
  const apply = () => {
    if (!form.current.checkValidity()) return; // a year that is being typed starts with zeros: 0002, 0020, 0202
    const values = [...new FormData(form.current)].map(([name, value]) => [name, value.trim()]);
    navigate(urlFor(path, { ...query, ...Object.fromEntries(values), cursor: "" }));
  };
  const onSubmit = (event) => {
    event.preventDefault();
    apply();
  };
  // the search field waits for Enter: a user who leaves it with a click wants what was clicked
  const onChange = ({ target }) => target.type !== "search" && apply();
  return html`<form
      class="filters"
      role="search"
      aria-label=${label}
      ref=${form}
      onSubmit=${onSubmit}
      onChange=${onChange}
    >
      ${children}
    </form>`;
}

// `options` are the labels by value.
export const SelectFilter = ({ name, label, options }) => html`<label>
    ${label}
    <select name=${name}>
      <option value="">All</option>
      ${Object.entries(options).map(([value, text]) => html`<option value=${value}>${text}</option>`)}
    </select>
  </label>`;
