"""Records the changes of the DOM, to find out whether an update touches elements whose content has not changed."""

from typing import Any

from playwright.sync_api import Page

RECORD = """
() => {
  window.domChanges = [];
  const describe = (node) => node.outerHTML ?? node.data;
  const record = (mutations) => {
    for (const { type: kind, target, oldValue: before, attributeName, addedNodes, removedNodes } of mutations) {
      if (kind === "childList")
        domChanges.push({ kind, added: [...addedNodes].map(describe), removed: [...removedNodes].map(describe) });
      else {
        const after = kind === "attributes" ? target.getAttribute(attributeName) : target.data;
        domChanges.push({ kind, parent: describe(target.parentNode), before, after });
      }
    }
  };
  const observer = new MutationObserver(record);
  const everything = { subtree: true, childList: true, attributeOldValue: true, characterDataOldValue: true };
  observer.observe(document.body, everything);
  window.takeDomChanges = () => {
    record(observer.takeRecords());
    return domChanges;
  };
}
"""


def start_recording(page: Page) -> None:
    page.evaluate(RECORD)


def recorded_changes(page: Page) -> list[dict[str, Any]]:
    """The changes since `start_recording`, each with its `kind` as MutationObserver calls it."""
    changes: list[dict[str, Any]] = page.evaluate("takeDomChanges()")
    return changes
