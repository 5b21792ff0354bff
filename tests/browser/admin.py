"""The admin page, in the steps that every test begins with."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.e2e.served import Served


def enter(page: Page, key: str) -> None:
    """Gives this key to the form that asks for one."""
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def visit(page: Page, address: str) -> None:
    """Goes there as with a bookmark, `/admin/recordings?status=failed`, and waits for the view."""
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def figure(place: Locator, title: str) -> Locator:
    """What stands under this title."""
    return place.locator("dt", has_text=re.compile(f"^{title}$")).locator("xpath=following-sibling::dd")


def moment(place: Locator, at: str) -> Locator:
    """Where this time is told; the form it is told in, is for people."""
    return place.locator(f'time[datetime="{at}"]').first


def rows(table: Locator) -> list[list[str]]:
    """The cells' texts."""
    texts: list[list[str]] = table.locator("tbody tr").evaluate_all(
        "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText))"
    )
    return texts


def arrive(page: Page, served: Served, address: str = "/admin") -> None:
    """Opens a page, signs in there and waits for what is on it."""
    page.goto(address)
    enter(page, served.key)
    settled(page)


def settled(page: Page) -> None:
    """Waits until a view is there with all that it has read."""
    expect(page.get_by_role("heading", level=1).filter(has_not_text="Sign in to")).to_be_visible()
    expect(page.get_by_text("Loading…")).to_have_count(0)
