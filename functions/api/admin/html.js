// `html` creates elements from a template. A value in ${…} becomes text, never markup.

import htm from "./vendor/htm.js";
import { h } from "./vendor/preact.js";

export const html = htm.bind(h);
