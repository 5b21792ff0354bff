"""Pictures of docs/admin.md, of a stack that runs: `python -m tests.browser.screenshots URL KEY RECORDING_ID`."""

import sys
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, expect

from testing.chromium import launch
from tests.browser.admin import submit_key

DOCS = Path(__file__).parents[2] / "docs"
SIZE: ViewportSize = {"width": 1280, "height": 900}


def main(url: str, key: str, recording_id: str) -> None:
    with launch() as browser:
        for scheme in ("light", "dark"):
            context = browser.new_context(base_url=url, viewport=SIZE, color_scheme=scheme, locale="en-GB")
            page = context.new_page()
            page.goto("/admin")
            submit_key(page, key)
            page.get_by_role("navigation", name="Views").wait_for()
            for name, address in (
                ("overview", "/admin"),
                ("recording", f"/admin/recordings/{recording_id}"),
                ("failures", "/admin/failures"),
            ):
                page.goto(address)
                expect(page.get_by_text("Loading…")).to_have_count(0)
                if name == "overview":
                    expect(page.get_by_text("every 5 minutes")).to_be_visible()
                if name == "recording":
                    _listen(page)
                page.screenshot(path=DOCS / f"admin-{name}-{scheme}.png", full_page=True)
            context.close()


def _listen(page: Page) -> None:
    """So that a sentence is lit."""
    page.get_by_role("button", name="Play from").nth(2).click()
    expect(page.locator("[aria-current=true]")).to_be_visible()
    page.evaluate("document.querySelector('audio').pause()")


if __name__ == "__main__":
    main(*sys.argv[1:])
