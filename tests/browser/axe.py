"""Accessibility checks of a page with axe-core."""

from pathlib import Path

from playwright.sync_api import Page

SCRIPT = Path(__file__).parents[2] / ".build/axe/node_modules/axe-core/axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""axe-core's tags. The rules that WCAG 2.2 adds at level A cannot be checked by a program."""

RUN = """
(rules) => axe.run(document, {runOnly: rules, resultTypes: ["violations"], preload: false})
  .then((result) => result.violations)
"""
"""Without `preload`, axe-core loads no styles or audio by itself."""


def unavailable_reason() -> str | None:
    """Why axe-core cannot be used, or None."""
    return None if SCRIPT.exists() else "axe-core is not installed: `make test-all` installs it if npm is available"


def violations(page: Page) -> list[str]:
    """The rules that the page violates in its current state, with the element and the reason."""
    page.evaluate(SCRIPT.read_text("utf-8"))  # not as a <script>: the content security policy blocks that
    return [
        f"{violation['id']} ({violation['impact']}): {violation['help']}\n  {node['html']}\n  {node['failureSummary']}"
        for violation in page.evaluate(RUN, RULES)
        for node in violation["nodes"]
    ]
