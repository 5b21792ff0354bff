"""What an update does to a page: whether anything is touched that has not changed."""

from typing import Any

from playwright.sync_api import Page

WATCH = """
() => {
  window.touched = [];
  const told = (node) => node.outerHTML ?? node.data;
  const note = (records) => {
    for (const { type: kind, target, oldValue: before, attributeName, addedNodes, removedNodes } of records) {
      if (kind === "childList")
        window.touched.push({ kind, added: [...addedNodes].map(told), removed: [...removedNodes].map(told) });
      else {
        const after = kind === "attributes" ? target.getAttribute(attributeName) : target.data;
        window.touched.push({ kind, of: told(target.parentNode), before, after });
      }
    }
  };
  const observer = new MutationObserver(note);
  const all = { subtree: true, childList: true };
  observer.observe(document.body, { ...all, attributeOldValue: true, characterDataOldValue: true });
  window.touchedSoFar = () => {
    note(observer.takeRecords());
    return window.touched;
  };
}
"""


def watch(page: Page) -> None:
    """From now on."""
    page.evaluate(WATCH)


def touched(page: Page) -> list[dict[str, Any]]:
    """What was touched since."""
    found: list[dict[str, Any]] = page.evaluate("touchedSoFar()")
    return found
