// Begins: the page's files, then the page.
import { inTurn } from "./in_turn.js";

const FAILED = "The page could not be loaded: the network failed, or Callscribe was updated. Load it again.";
const BLOCKED =
  "This browser lets the page keep nothing, so it cannot keep the key either. Allow cookies and site data for this address, then load the page again.";

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
    document.getElementById("app").textContent = error.name === "SecurityError" ? BLOCKED : FAILED;
  });
