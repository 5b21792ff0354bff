"""Refusals that blame the settings, money or a proxy: they cost no attempt, and the message says what to do."""

import json
import ssl
from contextlib import suppress

import pytest

from callscribe.errors import PermanentError, RetryableError, ServerStopped, ServiceUnavailable, SuspectedOutage
from callscribe.settings.whisperx import Credentials, WhisperXSettings
from callscribe.whisperx import connect, network_errors
from testing.waiting import LIMIT_SECONDS
from tests.integration.audio import Bytes
from tests.integration.socket_servers import certificate_of, read_request, self_signed, server
from tests.integration.timeouts import LONG_TIMEOUTS

HTML = {"Content-Type": "text/html"}
JSON = {"Content-Type": "application/json"}


def send(url, dialect="asr", size=1000, **settings):
    return connect(WhisperXSettings(whisperx_url=url, whisperx_dialect=dialect, **settings), Credentials("k3y")).send(
        Bytes(size), "abc.wav", LONG_TIMEOUTS
    )


def page(text):
    """An error page as nginx writes it."""
    return f"<html>\r\n<head><title>{text}</title></head>\r\n<body><h1>{text}</h1></body></html>".encode()


@pytest.mark.parametrize("dialect", ["asr", "openai"])
def test_json_that_is_called_html_is_no_page(service, reply, dialect):
    """Flask sends a text as HTML."""
    service.replies = [reply(body=b'{"text": "", "segments": []}', headers=HTML)]
    assert send(service.url, dialect).segments == ()
    service.replies = [reply(body=b'{"error": "CUDA out of memory"}', headers=HTML)]
    with pytest.raises(RetryableError) as raised:
        send(service.url, dialect)
    assert "GPU" in raised.value.message


def openai_error(**fields):
    return json.dumps({"error": {"message": "12025550143", "type": "invalid_request_error", **fields}}).encode()


STATUSES = [
    (402, "payment_required", "credit"),
    (410, "endpoint_not_found", "URL"),
    *[(status, "wrong_settings", "proxy") for status in (406, 411, 412, 417, 421, 426, 428, 431, 451, 511)],
    *[(status, "wrong_settings", "client certificate") for status in (495, 496)],
    (497, "wrong_settings", "https"),
    *[(status, "service_busy", "overloaded") for status in (420, 425, 429, 498, 503, 509, 529)],
    *[(status, "service_down", "Cloudflare") for status in (522, 523, 525, 526, 527, 530)],
    *[(status, "service_down", "Start it") for status in (502, 521)],
    (561, "authentication_failed", "key"),
]


@pytest.mark.parametrize(("status", "code", "expected_message"), STATUSES)
@pytest.mark.parametrize("dialect", ["asr", "openai", "tasks"])
def test_status_that_is_not_about_the_recording_costs_no_attempt(
    service, reply, dialect, status, code, expected_message
):
    service.replies = [reply(status=status, body=b"12025550143")]
    with pytest.raises(ServiceUnavailable) as raised:
        send(service.url, dialect)
    assert (raised.value.code, raised.value.status) == (code, status)
    assert expected_message in raised.value.message
    assert "12025550143" not in raised.value.message


BODIES = {
    "nginx: no client certificate": (400, HTML, page("400 No required SSL certificate was sent"), "client certificate"),
    "nginx: client certificate": (400, HTML, page("400 The SSL certificate error"), "client certificate"),
    "nginx: https": (400, HTML, page("400 The plain HTTP request was sent to HTTPS port"), "https://"),
    "Go: https": (
        400,
        {"Content-Type": "text/plain"},
        b"Client sent an HTTP request to an HTTPS server.\n",
        "https://",
    ),
    "Apache: https": (400, HTML, page("You're speaking plain HTTP to an SSL-enabled server port."), "https://"),
    "a proxy's page": (400, HTML, page("400 Bad Request"), "client certificate, or https"),
    "a sign-in page": (200, HTML, page("Sign in"), "sign-in page"),
    "a page with status 200 without a content type": (200, {}, page("Not here"), "Check the server URL"),
    "OpenAI: country": (403, JSON, openai_error(code="unsupported_country_region_territory"), "country or region"),
    "a country": (403, JSON, b'{"error": "Our services are not available in your country."}', "country or region"),
    "OpenAI: address": (401, JSON, openai_error(message="IP not authorized"), "IP address"),
    "OpenAI: address by its code": (403, JSON, openai_error(code="ip_not_authorized"), "IP address"),
    "Azure: network": (403, JSON, b'{"error": "Access denied due to Virtual Network/Firewall rules."}', "IP address"),
    "a page without a content type": (400, {}, page("400 Bad Request"), "proxy"),
    "a firewall": (403, HTML, page("Sorry, you have been blocked"), "firewall"),
    "Starlette: host": (400, {"Content-Type": "text/plain"}, b"Invalid host header", "host name"),
    "uvicorn": (400, {"Content-Type": "text/plain"}, b"Invalid HTTP request received.", "proxy"),
}


@pytest.mark.parametrize(("status", "headers", "body", "expected_message"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("dialect", ["asr", "openai", "tasks"])
def test_response_of_a_proxy_blames_the_settings(service, reply, dialect, status, headers, body, expected_message):
    service.replies = [reply(status=status, headers=headers, body=body)]
    with pytest.raises(SuspectedOutage) as raised:
        send(service.url, dialect)
    assert raised.value.code == "wrong_settings"
    assert expected_message in raised.value.message


OPTIONS = {
    "OpenAI's": (400, openai_error(param="response_format", code="unsupported_value"), "(response_format)"),
    "without an index": (400, openai_error(param="timestamp_granularities"), "(timestamp_granularities[])"),
    "with an index": (422, openai_error(param="timestamp_granularities[0]"), "(timestamp_granularities[])"),
    "with a dot": (400, openai_error(param="timestamp_granularities.0"), "(timestamp_granularities[])"),
    "with a path": (400, openai_error(param="body.response_format"), "(response_format)"),
    "as JSONPath": (400, openai_error(param="$.response_format"), "(response_format)"),
    "in camel case": (400, openai_error(param="responseFormat"), "(response_format)"),
    "with a hyphen": (400, openai_error(param="Response-Format"), "(response_format)"),
    "how to leave it out": (400, openai_error(param="response_format"), "additional options: response_format="),
    "only by the code": (400, openai_error(param=None, code="unsupported_value"), "without a value"),
    "by a code at the top": (422, b'{"code": "unknown_parameter"}', "without a value"),
    "at the top": (400, b'{"message": "no", "param": "model"}', "(model)"),
    "FastAPI's list": (400, b'{"detail": [{"loc": ["body", "response_format"], "msg": "no"}]}', "(response_format)"),
    "in a sentence": (400, b'{"detail": "response_format must be json"}', "(response_format)"),
    "in OpenAI's sentence": (400, b'{"error": {"message": "Unknown `response_format`."}}', "(response_format)"),
    "a language that was sent": (500, b"ValueError: Unsupported language: en", "(language)"),
    "a model": (400, b'{"detail": "Invalid model"}', "(model)"),
    "a model of another key": (
        403,
        openai_error(message="Project `p` does not have access to model `m`"),
        "this model",
    ),
    "a model that is blocked": (403, openai_error(code="model_permission_blocked_project"), "this model"),
    "a field of the detail": (400, b'{"detail": {"field": "response_format"}}', "(response_format)"),
}


@pytest.mark.parametrize(("status", "body", "expected_message"), OPTIONS.values(), ids=OPTIONS)
def test_error_that_names_an_option_blames_the_settings(service, reply, status, body, expected_message):
    service.replies = [reply(status=status, headers=JSON, body=body)]
    with pytest.raises(SuspectedOutage) as raised:
        send(service.url, "openai", whisperx_language="en")
    assert raised.value.code == "invalid_options"
    assert expected_message in raised.value.message


RECORDINGS_AT_FAULT = {
    "the file": openai_error(param="file"),
    "the value of the file": openai_error(param="file", code="unsupported_value"),
    "another code": openai_error(code="audio_too_short"),
    "nothing": openai_error(param=None),
    "a word of the language": b'{"detail": "The language of the audio is not supported by this model."}',
    "an unknown name": openai_error(param="12025550143"),
    "a number": openai_error(param=7),
    "a field that is the file": b'{"detail": {"field": "file", "message": "empty"}}',
    "a list": b'[{"error": "response_format"}]',
    "a detected language": b'{"detail": "Unsupported language: xx"}',
}


@pytest.mark.parametrize("body", RECORDINGS_AT_FAULT.values(), ids=RECORDINGS_AT_FAULT)
def test_other_errors_still_blame_the_recording(service, reply, body):
    service.replies = [reply(status=400, headers=JSON, body=body)]
    with pytest.raises(PermanentError) as raised:
        send(service.url, "openai")
    assert raised.value.code == "request_rejected"
    assert "12025550143" not in raised.value.message


@pytest.mark.parametrize(
    ("header", "expected_message"), [("x-api-key", "X-API-Key"), ("x-tenant", "header that Callscribe")]
)
@pytest.mark.parametrize("dialect", ["asr", "openai", "tasks"])
def test_required_header_that_is_missing_costs_no_attempt(service, reply, dialect, header, expected_message):
    """FastAPI responds like this to a request without a header that the server declares."""
    body = json.dumps({"detail": [{"type": "missing", "loc": ["header", header], "msg": "Field required"}]}).encode()
    service.replies = [reply(status=422, headers=JSON, body=body)]
    with pytest.raises(ServiceUnavailable) as raised:
        send(service.url, dialect)
    assert raised.value.code == "authentication_failed"
    assert expected_message in raised.value.message
    assert "tenant" not in raised.value.message


def test_key_without_the_permission_is_not_said_to_be_wrong(service, reply):
    body = openai_error(message="You have insufficient permissions for this operation. Missing scopes: model.request.")
    service.replies = [reply(status=403, headers=JSON, body=body)]
    with pytest.raises(ServiceUnavailable) as raised:
        send(service.url, "openai")
    assert raised.value.code == "authentication_failed"
    assert "lacks a permission" in raised.value.message


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_hard_limit_reached", "quota_exceeded"])
@pytest.mark.parametrize("status", [400, 403, 429])
def test_used_up_quota_is_reported_as_such(service, reply, status, code):
    service.replies = [reply(status=status, headers=JSON | {"Retry-After": "9"}, body=openai_error(code=code))]
    with pytest.raises(ServiceUnavailable) as raised:
        send(service.url, "openai")
    assert (raised.value.code, raised.value.retry_after) == ("payment_required", 9)


@pytest.mark.parametrize("status", [499, 504, 520, 524])
def test_proxy_that_gave_up_waiting_is_reported_with_its_limit_and_the_way_out(service, reply, status):
    service.replies = [reply(status=status, headers=HTML, body=page(str(status)))]
    with pytest.raises(RetryableError) as raised:
        send(service.url)
    assert raised.value.code == "gateway_timeout"
    for part in ("proxy", "60 seconds", "100", "tasks"):
        assert part in raised.value.message


@pytest.mark.parametrize(
    ("headers", "body", "expected_message"),
    [
        (HTML, page("413 Request Entity Too Large"), "client_max_body_size"),
        ({"Server": "nginx/1.27", **JSON}, b"{}", "client_max_body_size"),
        ({"Server": "cloudflare"}, b"", "100 MB"),
        ({"Server": "uvicorn", **JSON}, b"{}", "limit of the WhisperX server"),
    ],
)
def test_size_limit_is_that_of_the_proxy_if_a_proxy_responded(service, reply, headers, body, expected_message):
    service.replies = [reply(status=413, headers=headers, body=body)]
    with pytest.raises(PermanentError) as raised:
        send(service.url)
    assert raised.value.code == "too_large"
    assert expected_message in raised.value.message


# connections ---------------------------------------------------------------------------------------------------------


def test_refused_connection_means_that_the_server_has_stopped():
    with pytest.raises(ServerStopped):
        send("http://127.0.0.1:9")


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """A certificate for 127.0.0.1."""
    file = self_signed(tmp_path)
    monkeypatch.setattr(network_errors, "TLS_CHECK_SECONDS", LIMIT_SECONDS)
    return file


def tls_server(certificate, *, requires_client_certificate=False, version=ssl.TLSVersion.TLSv1_3):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.minimum_version = context.maximum_version = version
    if requires_client_certificate:
        context.verify_mode = ssl.CERT_REQUIRED

    def serve(connection):
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as tls_connection:
            read_request(tls_connection)

    return serve


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_required_client_certificate_costs_no_attempt(certificate, version):
    """With TLS 1.3, the client learns of it only after it has sent audio."""
    serve = tls_server(certificate, requires_client_certificate=True, version=version)
    with server(serve) as url, pytest.raises(ServiceUnavailable) as raised:
        send(url.replace("http:", "https:"), whisperx_ca_certificate=certificate_of(certificate))
    assert raised.value.code == "wrong_settings"
    assert "client certificate" in raised.value.message


def test_plain_http_to_a_port_that_expects_tls_costs_no_attempt(certificate):
    with server(tls_server(certificate), connections=2) as url, pytest.raises(ServiceUnavailable) as raised:
        send(url)
    assert raised.value.code == "wrong_settings"
    assert "https://" in raised.value.message


def test_tls_alert_to_plain_http_costs_no_attempt():
    def alert(connection):
        read_request(connection)
        connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46")

    with server(alert) as url, pytest.raises(ServiceUnavailable) as raised:
        send(url)
    assert raised.value.code == "wrong_settings"
    assert "https://" in raised.value.message


def test_server_that_closes_the_connection_may_have_crashed_on_the_audio():
    with (
        server(lambda connection: connection.recv(100_000), connections=2) as url,
        pytest.raises(RetryableError) as raised,
    ):
        send(url)
    assert raised.value.code == "connection_lost"


def test_https_to_a_plain_http_port_blames_the_settings(service):
    with pytest.raises(ServiceUnavailable) as raised:
        send(service.url.replace("http:", "https:"))
    assert raised.value.code == "wrong_settings"
    assert "http://" in raised.value.message


def test_untrusted_certificate_is_named(tmp_path):
    with server(tls_server(self_signed(tmp_path))) as url, pytest.raises(ServiceUnavailable) as raised:
        send(url.replace("http:", "https:"))
    assert raised.value.code == "certificate"
    assert "self-signed" in raised.value.message
