// Begins: the page's files, then the page.
import { inTurn } from "./in_turn.js";

const FAILED = "The page could not be loaded: the network failed, or Callscribe was updated. Load it again.";

inTurn(
  "vendor/preact.js",
  "vendor/hooks.js",
  "vendor/htm.js",
  "html.js",
  "words.js",
  "address.js",
  "api.js",
  "live.js",
  "parts.js",
  "sign_in.js",
  "main.js",
)
  .then(({ start }) => start(document.getElementById("app")))
  .catch((error) => {
    console.error(error);
    document.getElementById("app").textContent = FAILED;
  });
