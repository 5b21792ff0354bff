// How every part of the page is written: `html` makes elements, and what stands in ${…} becomes text, never markup.

import htm from "./vendor/htm.js";
import { h } from "./vendor/preact.js";

export const html = htm.bind(h);
