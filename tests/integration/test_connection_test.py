"""The connection test over real sockets: its result and message for each server, within its time limit."""

import json
import socket
import time
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any

import pytest

from callscribe.settings.whisperx import Credentials, WhisperXSettings
from callscribe.whisperx import connection_test
from callscribe.whisperx.connection_test import run_connection_test
from testing.scripted_service import Reply, ScriptedService
from testing.waiting import LIMIT_SECONDS
from tests.integration.socket_servers import (
    has_hung_up,
    read_request,
    self_signed,
    server,
    tls_server,
    wait_for_hang_up,
)

pytestmark = pytest.mark.usefixtures("long_connection_test_timeout")

KEY = "planted-key-5f2e"
ASR, TASKS, OPENAI = "/asr", "/speech-to-text", "/v1/audio/transcriptions"


class Server(ScriptedService):
    """Responds to a GET of each of the `routes`, and of the `protected` ones only with the API key."""

    def __init__(self, routes, protected=()):
        super().__init__()
        self._routes, self._protected = routes, protected

    def _handle(self, request):
        path, has_key = request.path, request.headers.get("Authorization") == f"Bearer {KEY}"
        status, body = self._routes.get(path, (404, {"detail": "Not Found"}))
        if path in self._protected and not has_key:
            status, body = 401, {"detail": "Unauthorized"}
        self.replies = [Reply(status=status, body=json.dumps(body).encode(), headers={})]
        super()._handle(request)


@contextmanager
def running(routes, protected=()):
    service = Server(routes, protected)
    try:
        yield service
    finally:
        service.stop()


def openapi(*paths):
    return {"/openapi.json": (200, {"paths": {path: {} for path in paths}})}


def check(url, dialect="asr", key="", exchanges=None):
    exchanges = [] if exchanges is None else exchanges
    settings = WhisperXSettings(whisperx_url=url, whisperx_dialect=dialect)
    result = run_connection_test(settings, Credentials(key), exchanges.append)
    assert KEY not in result.message + str(exchanges)
    return result


POST_ONLY = (405, {"detail": "Method Not Allowed"})
MODELS: dict[str, tuple[int, object]] = {"/v1/models": (200, {"data": []})}
SERVERS = {
    "asr": (openapi(ASR), "asr", True, "ok", "the dialect asr"),
    "tasks": (openapi(TASKS) | {"/task/all": (200, {"tasks": []})}, "tasks", True, "ok", "dialect tasks"),
    "openai": (openapi(OPENAI) | MODELS, "openai", True, "ok", "dialect openai"),
    "tasks, configured as asr": (openapi(TASKS), "asr", False, "wrong_dialect", "whisperX-FastAPI"),
    "asr, configured as openai": (openapi(ASR), "openai", False, "wrong_dialect", "dialect asr instead"),
    "both other dialects": (openapi(ASR, OPENAI), "tasks", False, "wrong_dialect", "asr or openai"),
    "no OpenAPI, but the route": ({ASR: POST_ONLY}, "asr", True, "ok", "dialect asr"),
    "no OpenAPI, but another route": ({TASKS: POST_ONLY}, "asr", False, "wrong_dialect", "the dialect tasks"),
    "no OpenAPI, but a list of models": (MODELS, "openai", True, "ok", "dialect openai"),
    "no OpenAPI, but a list of tasks": (
        {"/task/all": (200, {"tasks": []})},
        "openai",
        False,
        "wrong_dialect",
        "choose the dialect tasks",
    ),
    "another API": (openapi("/users"), "asr", False, "not_whisperx", "does not look like"),
    "no routes": ({}, "asr", True, "unverified", "without audio"),
    "a site that responds to every path": (
        dict.fromkeys(["/openapi.json", ASR, TASKS, OPENAI, "/task/all", "/v1/models"], (200, "<html>")),
        "asr",
        False,
        "not_whisperx",
        "URL",
    ),
    "a redirect": ({"/openapi.json": (302, {})}, "asr", False, "endpoint_not_found", "302"),
    "overloaded": ({"/openapi.json": (503, {})}, "asr", False, "service_busy", "overloaded"),
    "a proxy without a server": ({"/openapi.json": (502, {})}, "asr", False, "service_down", "proxy"),
    "HTTPS required": (
        {"/openapi.json": (400, "The plain HTTP request was sent to HTTPS port")},
        "asr",
        False,
        "wrong_settings",
        "requires https",
    ),
}


@pytest.mark.parametrize(("routes", "dialect", "ok", "code", "expected_message"), SERVERS.values(), ids=SERVERS)
def test_server_is_recognised(routes, dialect, ok, code, expected_message):
    with running(routes) as service:
        result = check(service.url, dialect)
    assert (result.ok, result.code) == (ok, code)
    assert expected_message in result.message
    assert {request.method for request in service.received} == {"GET"}


def test_url_may_end_with_v1():
    with running(openapi(OPENAI) | MODELS) as service:
        assert check(f"{service.url}/v1", "openai").ok


ALL = openapi(ASR, TASKS, OPENAI) | {"/task/all": (200, {"tasks": []})} | MODELS
KEYS = {
    "right": (["/openapi.json"], "asr", KEY, "ok", "It accepts the API key"),
    "wrong": (["/openapi.json"], "asr", "other", "authentication_failed", "Set the right API key"),
    "missing": (["/openapi.json"], "asr", "", "authentication_failed", "none is set"),
    "right for tasks": (["/task/all"], "tasks", KEY, "ok", "It accepts the API key"),
    "right for openai": (["/v1/models"], "openai", KEY, "ok", "It accepts the API key"),
    "wrong for openai": (["/v1/models"], "openai", "other", "authentication_failed", "Set the right API key"),
    "missing for openai": (["/v1/models"], "openai", "", "authentication_failed", "none is set"),
    "not checked": ([], "asr", KEY, "ok", "did not check the API key"),
    "not required": ([], "openai", "", "ok", "did not require one for this test"),
}


@pytest.mark.parametrize(("protected", "dialect", "key", "code", "expected_message"), KEYS.values(), ids=KEYS)
def test_key_is_checked_when_the_server_allows_it(protected, dialect, key, code, expected_message):
    with running(ALL, protected) as service:
        result = check(service.url, dialect, key)
    assert (result.code, result.ok) == (code, code == "ok")
    assert expected_message in result.message


def test_key_is_checked_with_another_list_of_models():
    routes = openapi(OPENAI) | {"/models/catalog": (200, {})}
    with running(routes, ["/models/catalog"]) as service:
        assert "It accepts the API key" in check(service.url, "openai", KEY).message


def test_unresolvable_host_name():
    assert check("http://whisperx.invalid:9000").code == "name_not_found"


def test_refused_connection():
    assert check("http://127.0.0.1:9").code == "connection_refused"


def test_connect_timeout(monkeypatch):
    monkeypatch.setattr(connection_test, "CONNECT_SECONDS", 0.2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        backlog = [socket.socket() for _ in range(3)]  # fill the backlog
        for connection in backlog:
            connection.setblocking(False)
            connection.connect_ex(address)
        try:
            assert check(f"http://127.0.0.1:{address[1]}").code == "connect_timeout"
        finally:
            for connection in backlog:
                connection.close()


def test_invalid_url():
    assert check("http://a..b:9000").code == "endpoint_not_found"


def test_busy_server_is_not_reported_as_down(monkeypatch):
    monkeypatch.setattr(connection_test, "RESPONSE_SECONDS", 0.3)
    monkeypatch.setattr(connection_test, "MAX_TEST_SECONDS", 2 * LIMIT_SECONDS)  # longer than the server waits
    with server(wait_for_hang_up) as url:
        result = check(url)
    assert (result.ok, result.code) == (False, "no_response")
    assert "not necessarily an outage" in result.message


def test_whole_test_ends_within_its_limit(monkeypatch):
    def trickle(connection):
        read_request(connection)
        ends_at = time.monotonic() + LIMIT_SECONDS
        with suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not has_hung_up(connection, 0.05) and time.monotonic() < ends_at:
                connection.sendall(b" ")

    monkeypatch.setattr(connection_test, "MAX_TEST_SECONDS", 0.5)
    monkeypatch.setattr(connection_test, "RESPONSE_SECONDS", 2 * LIMIT_SECONDS)  # longer than the server responds
    with server(trickle) as url:
        result = check(url)
    assert result.code == "no_response"


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b""])
def test_server_that_does_not_use_http(greeting):
    def respond(connection):
        connection.recv(1000)
        connection.sendall(greeting)

    with server(respond) as url:
        result = check(url)
    assert result.code == "not_http"
    assert "https" in result.message


def test_https_url_for_a_plain_http_server(service):
    result = check(service.url.replace("http:", "https:"))
    assert result.code == "tls_failed"
    assert "http://" in result.message


def test_http_url_for_a_tls_server(tmp_path):
    with server(tls_server(self_signed(tmp_path))) as url:
        result = check(url)
    assert result.code == "not_http"
    assert "https://" in result.message


def test_every_exchange_of_the_test_is_logged():
    exchanges: list[Any] = []
    with running(ALL, ["/v1/models"]) as service:
        check(service.url, "openai", KEY, exchanges)
    assert [(exchange.url.removeprefix(service.url), exchange.status) for exchange in exchanges] == [
        ("/openapi.json", HTTPStatus.OK),
        ("/v1/models", HTTPStatus.OK),
        ("/v1/models", HTTPStatus.UNAUTHORIZED),
    ]
