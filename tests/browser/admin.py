"""The admin page, in the steps that every test begins with."""

import re
from fnmatch import fnmatch
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.e2e.served import Served


def enter(page: Page, key: str) -> None:
    """Gives this key to the form that asks for one."""
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def sign_in(page: Page, served: Served, view: str = "Overview", query: str = "") -> None:
    """Opens a view and signs in there: it is there."""
    page.goto(f"/admin/{'' if view == 'Overview' else view.lower()}{query}")
    enter(page, served.key)
    expect(page.get_by_role("heading", name=view, level=1)).to_be_visible()


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
    return table.locator("tbody tr").evaluate_all(
        "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText))"
    )


def arrive(page: Page, served: Served, address: str) -> None:
    """Signs in where one wanted to be, and waits for what is there."""
    page.goto(address)
    enter(page, served.key)
    settled(page)


def settled(page: Page) -> None:
    """Waits until a view is there with all that it has read."""
    expect(page.get_by_role("heading", level=1).filter(has_not_text="Sign in to")).to_be_visible()
    expect(page.get_by_text("Loading…")).to_have_count(0)


def api(page: Page, served: Served, path: str) -> Any:
    """What the API answers, asked past the page."""
    return page.request.get(path, headers={"Authorization": f"Bearer {served.key}"}).json()


def address_of(page: Page, served: Served, name: str) -> str:
    """Where the page shows the sample of this name."""
    items = api(page, served, "/api/call-recordings?limit=500")["items"]
    (found,) = (item["id"] for item in items if fnmatch(item["path"].rpartition("/")[2], name))
    return f"/admin/recordings/{found}"
