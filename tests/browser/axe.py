"""axe-core: whether a page can be used by everybody, as far as a program can tell."""

from pathlib import Path

from playwright.sync_api import Page

SCRIPT = Path(__file__).parents[2] / ".build/axe/node_modules/axe-core/axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""As axe-core calls them; what WCAG 2.2 has new in level A, no program can check."""

RUN = """
(rules) => axe.run(document, {runOnly: rules, resultTypes: ["violations"], preload: false})
  .then((result) => result.violations)
"""
"""It is not to load styles and audio by itself."""


def why_not() -> str | None:
    """Why it cannot be asked, or None."""
    return None if SCRIPT.exists() else "axe-core is not installed: `make test-all` does it where there is npm"


def violations(page: Page) -> list[str]:
    """What of the page as it is now breaks which rule, and how."""
    page.evaluate(SCRIPT.read_text("utf-8"))  # not as a <script>, which the page's policy refuses
    return [
        f"{found['id']} ({found['impact']}): {found['help']}\n  {node['html']}\n  {node['failureSummary']}"
        for found in page.evaluate(RUN, RULES)
        for node in found["nodes"]
    ]
