"""Nobody sees anything without a key."""

from playwright.sync_api import expect

from tests.browser.admin import enter, sign_in


def test_a_wrong_key_is_told(page, complaints):
    complaints.expect("status of 401")
    page.goto("/admin")
    enter(page, "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("alert")).not_to_be_empty()
    expect(page.get_by_role("heading", name="Overview")).to_have_count(0)


def test_the_right_key_leads_to_the_overview(page, served):
    sign_in(page, served)
