// The entry point: loads the page's files, then renders the page.

import { loadInOrder } from "./load_in_order.js";

const LOAD_FAILED = "The page could not be loaded: the network failed, or Callscribe was updated. Reload the page.";
const STORAGE_BLOCKED =
  "Your browser blocks the storage that the page needs to keep your API key. Allow cookies and site data for this address, then reload the page.";

loadInOrder(
  "vendor/preact.js",
  "vendor/hooks.js",
  "vendor/htm.js",
  "html.js",
  "format.js",
  "router.js",
  "api.js",
  "polling.js",
  "components.js",
  "sign_in.js",
  "main.js",
)
  .then(({ start }) => start(document.getElementById("app")))
  .catch((error) => {
    console.error(error);
    document.getElementById("app").textContent = error.name === "SecurityError" ? STORAGE_BLOCKED : LOAD_FAILED;
  });
