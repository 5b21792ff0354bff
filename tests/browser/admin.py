"""The admin page, in the steps that every test begins with."""

from playwright.sync_api import Page, expect

from tests.e2e.served import Served


def enter(page: Page, key: str) -> None:
    """Gives this key to the form that asks for one."""
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def sign_in(page: Page, served: Served) -> None:
    """Opens the page and signs in: the overview is there."""
    page.goto("/admin")
    enter(page, served.key)
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()


def visit(page: Page, address: str) -> None:
    """Goes there as with a bookmark, `/admin/recordings?status=failed`, and waits for the view."""
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def arrive(page: Page, served: Served, address: str) -> None:
    """Opens this address in a new tab and signs in there, so that its view is shown."""
    page.goto(address)
    enter(page, served.key)
    expect(page.get_by_role("navigation", name="Views")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
