"""The headers of the WhisperX server on the settings page: set, used, removed, and never shown."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.admin import sign_in
from tests.e2e.served import ServedStack

pytestmark = pytest.mark.slow

HEADERS = "Server headers"


@pytest.fixture(autouse=True)
def no_headers_afterwards(served: ServedStack) -> Iterator[None]:
    yield
    served.request("modules/whisperx", "PUT", {"headers": None})


def header_names(served: ServedStack) -> list[str]:
    names: list[str] = served.request("modules/whisperx")["headerNames"]
    return names


def test_headers_can_be_set_used_and_removed_and_are_never_shown(page, served, quick_service, page_errors):
    page_errors.expect("status of 400")
    sign_in(page, served, "/admin/settings")
    whisperx = page.get_by_role("region", name="WhisperX server")
    save = whisperx.get_by_role("button", name="Save")
    field = page.get_by_label(HEADERS, exact=True)
    field.fill("X-API-Key: planted: 1\n\n Authorization:Basic user:secret")
    save.click()
    expect(page.get_by_text("Set: X-API-Key, Authorization. The values are never shown.")).to_be_visible()
    expect(field).to_have_value("")
    with page.expect_response("**/test") as response:
        whisperx.get_by_role("button", name="Test connection").click()
    assert response.value.json()["code"] == "ok"
    received = [request.headers for request in quick_service.received]
    assert ("planted: 1", "Basic dXNlcjpzZWNyZXQ=") in [
        (headers.get("x-api-key"), headers.get("authorization")) for headers in received
    ]
    page.reload()
    expect(page.get_by_text("Set: X-API-Key, Authorization.")).to_be_visible()
    assert "planted" not in page.content()
    field.fill("Host: planted")
    save.click()
    expect(page.get_by_text("must not contain host")).to_be_visible()
    expect(field).to_be_focused()
    field.fill("no colon")
    save.click()
    expect(page.get_by_text("must have names such as X-API-Key")).to_be_visible()
    whisperx.get_by_role("button", name="Discard changes").click()
    expect(field).to_have_value("")
    assert header_names(served) == ["X-API-Key", "Authorization"]
    page.get_by_role("button", name="Remove headers").click()
    expect(page.get_by_text("The headers will be removed when you save.")).to_be_visible()
    save.click()
    expect(page.get_by_role("button", name="Remove headers")).to_have_count(0)
    assert header_names(served) == []
