"""Steps and locators of the admin page that many tests need."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.e2e.served import ServedStack


def submit_key(page: Page, key: str) -> None:
    """Fill in and submit the sign-in form."""
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def wait_until_loaded(page: Page) -> None:
    """Wait until a view is shown and all its data has been loaded."""
    expect(page.get_by_role("heading", level=1).filter(has_not_text="Sign in to")).to_be_visible()
    expect(page.get_by_text("Loading…")).to_have_count(0)


def sign_in(page: Page, served: ServedStack, address: str = "/admin") -> None:
    """Open an address, sign in there, and wait until the view is loaded."""
    page.goto(address)
    submit_key(page, served.key)
    wait_until_loaded(page)


def open_address(page: Page, address: str) -> None:
    """Open an address like a bookmark, `/admin/recordings?status=failed`, and wait for the heading of the view."""
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def stat(container: Locator, title: str) -> Locator:
    """The value under this title in a list of figures."""
    return container.locator("dt", has_text=re.compile(f"^{title}$")).locator("xpath=following-sibling::dd")


def time_element(container: Locator, timestamp: str) -> Locator:
    """The first element that shows this timestamp, in whatever format."""
    return container.locator(f'time[datetime="{timestamp}"]').first


def cell_texts(table: Locator) -> list[list[str]]:
    """The texts of a table's body, by row."""
    texts: list[list[str]] = table.locator("tbody tr").evaluate_all(
        "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText))"
    )
    return texts
