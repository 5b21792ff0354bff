"""The CA certificate on the settings page: typed or pasted, tested, saved, rejected and reset."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.admin import sign_in
from tests.e2e.served import ServedStack
from tests.integration.socket_servers import private_authority, server, tls_server

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def default_settings_afterwards(served: ServedStack) -> Iterator[None]:
    yield
    served.request("modules/whisperx", "PUT", {"caCertificate": None})


@pytest.fixture
def module(page: Page, served: ServedStack) -> Locator:
    sign_in(page, served, "/admin/settings")
    return page.get_by_role("region", name="WhisperX server")


@pytest.fixture
def field(module: Locator) -> Locator:
    return module.get_by_label("CA certificate", exact=True)


def test_server_with_a_private_authority_is_trusted_once_its_certificate_is_entered(module, field, tmp_path):
    authority, file = private_authority(tmp_path)
    test = module.get_by_role("button", name="Test connection")
    with server(tls_server(file), connections=20) as url:
        module.get_by_label("Server URL").fill(url.replace("http:", "https:"))
        test.click()
        expect(module.get_by_text("as the CA certificate of the server")).to_be_visible()
        field.fill(authority.read_text())
        test.click()
        expect(module.locator(".action-result .notice.success")).to_be_visible()


def test_certificate_can_be_typed_line_by_line_saved_and_reset(page, served, module, field, tmp_path):
    authority, _ = private_authority(tmp_path)
    pem = authority.read_text().strip()
    field.focus()
    for line in pem.splitlines():
        page.keyboard.insert_text(line)
        page.keyboard.press("Enter")
    module.get_by_role("button", name="Save").click()
    expect(module.get_by_text("Saved. The next runs use these settings.")).to_be_visible()
    assert served.request("modules/whisperx")["caCertificate"].strip() == pem
    page.reload()
    expect(field).to_have_value(pem)
    page.get_by_role("button", name="CA certificate: reset to default").click()
    expect(field).to_have_value("")
    assert served.request("modules/whisperx")["caCertificate"] == ""


def test_invalid_certificate_is_rejected_at_its_field(module, field, page_errors):
    page_errors.expect("status of 400")
    field.fill("-----BEGIN CERTIFICATE-----\nplanted\n-----END CERTIFICATE-----")
    module.get_by_role("button", name="Save").click()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
