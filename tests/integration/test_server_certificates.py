"""The CA certificate of the WhisperX server: validated when it is set, and trusted together with public ones."""

import pytest

from callscribe.errors import ServiceUnavailable
from callscribe.settings.certificates import MAX_PEM_LENGTH, ca_certificates
from callscribe.settings.whisperx import Credentials, WhisperXSettings
from callscribe.whisperx import connect
from callscribe.whisperx.connection_options import tls_context
from callscribe.whisperx.connection_test import run_connection_test
from tests.integration.audio import Bytes
from tests.integration.socket_servers import certificate_of, private_authority, self_signed, server, tls_server
from tests.integration.timeouts import LONG_TIMEOUTS

pytestmark = pytest.mark.usefixtures("long_connection_test_timeout")

MODULE = "/api/modules/whisperx"


def check(file, ca_certificate):
    """Test the connection to a TLS server with this key and certificate."""
    with server(tls_server(file), connections=2) as url:
        settings = WhisperXSettings(whisperx_url=url.replace("http:", "https:"), whisperx_ca_certificate=ca_certificate)
        return run_connection_test(settings, Credentials())


def test_certificate_of_a_private_authority_is_trusted_once_it_is_set(tmp_path):
    authority, file = private_authority(tmp_path)
    result = check(file, "")
    assert (result.ok, result.code) == (False, "certificate")
    assert "as the CA certificate of the server" in result.message
    assert check(file, authority.read_text()).code == "ok"
    (tmp_path / "another").mkdir()
    another, _ = private_authority(tmp_path / "another")
    assert check(file, another.read_text()).code == "certificate"
    assert check(file, another.read_text() + authority.read_text()).code == "ok"


def test_self_signed_certificate_is_trusted_once_it_is_set(tmp_path):
    file = self_signed(tmp_path)
    result = check(file, "")
    assert (result.code, "is self-signed" in result.message) == ("certificate", True)
    assert check(file, certificate_of(file)).code == "ok"


@pytest.mark.parametrize(
    ("certificate", "expected"),
    [({"days": 0}, "has expired"), ({"address": "127.0.0.2"}, "for another IP address")],
)
def test_certificate_that_a_setting_cannot_mend_is_explained(tmp_path, certificate, expected):
    file = self_signed(tmp_path, **certificate)
    result = check(file, certificate_of(file))
    assert (result.code, expected in result.message) == ("certificate", True)


def test_bundle_of_the_machine_changes_nothing(tmp_path, monkeypatch):
    authority, file = private_authority(tmp_path)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(authority))
    assert check(file, "").code == "certificate"
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, "/no/such/file")
    assert check(file, authority.read_text()).code == "ok"


def test_public_authorities_stay_trusted(tmp_path):
    authority, _ = private_authority(tmp_path)
    public, both = (tls_context(pem).cert_store_stats()["x509"] for pem in ("", authority.read_text()))
    assert both == public + 1 > 50
    assert tls_context("") is tls_context("")


def test_untrusted_certificate_is_an_outage_that_names_the_setting(tmp_path):
    with server(tls_server(self_signed(tmp_path))) as url:
        service = connect(WhisperXSettings(whisperx_url=url.replace("http:", "https:")), Credentials())
        with pytest.raises(ServiceUnavailable) as raised:
            service.send(Bytes(1000), "a.wav", LONG_TIMEOUTS)
    assert raised.value.code == "certificate"
    assert "CA certificate" in raised.value.message


def test_audio_is_sent_to_a_server_with_a_private_certificate(tmp_path):
    authority, file = private_authority(tmp_path)
    with server(tls_server(file, body=b'{"text": "Hello."}')) as url:
        settings = WhisperXSettings(
            whisperx_url=url.replace("http:", "https:"), whisperx_ca_certificate=authority.read_text()
        )
        assert connect(settings, Credentials()).send(Bytes(100_000), "a.wav", LONG_TIMEOUTS).text == "Hello."


def test_certificate_is_accepted_in_each_form_that_people_paste(tmp_path):
    authority, file = private_authority(tmp_path)
    pem = authority.read_text()
    chain = certificate_of(file) + pem
    spellings = [pem.replace("\n", line_break) for line_break in ("\n", "\r\n", " ", "\\n", "\\r\\n")]
    for text in (*spellings, f" Subject: a\n{pem}b", chain):
        assert ca_certificates(text) is None
        assert check(file, text).code == "ok"
    assert ca_certificates("") is None


def test_invalid_certificate_is_refused_without_quoting_it(tmp_path):
    authority, file = private_authority(tmp_path)
    pem = authority.read_text()
    body = pem.splitlines()[1]
    invalid = {
        file.read_text(): "private key",
        certificate_of(file): "of a server only",
        "planted": "PEM format",
        pem.replace("CERTIFICATE", "CERTIFICATE REQUEST"): "PEM format",
        pem.replace(body, body[4:]): "cannot be read",
        pem.replace(body, "planted!"): "cannot be read",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----": "cannot be read",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----": "cannot be read",
        pem * (MAX_PEM_LENGTH // len(pem) + 1): "at most",
        certificate_of(self_signed(tmp_path, days=0)): "expired on",
    }
    for text, expected in invalid.items():
        problem = ca_certificates(text)
        assert expected in problem
        assert "planted" not in problem
        assert body not in problem
    assert ca_certificates(certificate_of(self_signed(tmp_path, days=0)) + pem) is None  # one of them is valid


def test_setting_is_stored_used_and_reset_over_the_api(handlers, put, tmp_path, functions):
    authority, file = private_authority(tmp_path)
    pem = authority.read_text()
    response = handlers.api("PUT", MODULE, body={"caCertificate": file.read_text()})
    assert (response.status, response.json["error"]["details"][0]["field"]) == (400, "caCertificate")
    assert "PRIVATE" not in response.body
    with server(tls_server(file), connections=20) as url:
        test = {"baseUrl": url.replace("http:", "https:"), "caCertificate": pem}
        assert handlers.api("POST", f"{MODULE}/test", body={"baseUrl": test["baseUrl"]}).json["code"] == "certificate"
        assert handlers.api("POST", f"{MODULE}/test", body=test).json["code"] == "ok"
        saved = handlers.api("PUT", MODULE, body=test).json
        assert (saved["caCertificate"], saved["changed"]) == (pem, ["baseUrl", "caCertificate"])
        assert handlers.api("POST", f"{MODULE}/test").json["code"] == "ok"
    assert handlers.api("PUT", MODULE, body={"baseUrl": None, "caCertificate": None}).json["caCertificate"] == ""
