"""The connection test over real sockets: what it finds, told in a person's words, within its time."""

import json
import socket
import ssl
import time
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any

import pytest

from callscribe.settings.whisperx import WhisperXSettings
from callscribe.whisperx import connection_test as checking
from callscribe.whisperx.connection_test import run_connection_test
from testing.scripted_service import Reply, ScriptedService
from testing.waiting import LIMIT_SECONDS
from tests.integration.bare import has_hung_up, read_request, self_signed, server, wait_for_hang_up

pytestmark = pytest.mark.usefixtures("patient_check")

KEY = "planted-key-5f2e"
ASR, TASKS, OPENAI = "/asr", "/speech-to-text", "/v1/audio/transcriptions"


class Server(ScriptedService):
    """Has these routes: what each answers to a GET, `guarded` ones only with the key."""

    def __init__(self, routes, guarded=()):
        super().__init__()
        self._routes, self._guarded = routes, guarded

    def _handle(self, request):
        path, keyed = request.path, request.headers.get("Authorization") == f"Bearer {KEY}"
        status, body = self._routes.get(path, (404, {"detail": "Not Found"}))
        if path in self._guarded and not keyed:
            status, body = 401, {"detail": "Unauthorized"}
        self.replies = [Reply(status=status, body=json.dumps(body).encode(), headers={})]
        super()._handle(request)


@contextmanager
def running(routes, guarded=()):
    answering = Server(routes, guarded)
    try:
        yield answering
    finally:
        answering.stop()


def described(*paths):
    return {"/openapi.json": (200, {"paths": {path: {} for path in paths}})}


def verdict(url, dialect="asr", key="", told=None):
    told = [] if told is None else told
    found = run_connection_test(WhisperXSettings(whisperx_url=url, whisperx_dialect=dialect), key, told.append)
    assert KEY not in found.message + str(told)
    return found


POST_ONLY = (405, {"detail": "Method Not Allowed"})
MODELS: dict[str, tuple[int, object]] = {"/v1/models": (200, {"data": []})}
FOUND = {
    "asr": (described(ASR), "asr", True, "ok", "speaks the dialect asr"),
    "tasks": (described(TASKS) | {"/task/all": (200, {"tasks": []})}, "tasks", True, "ok", "dialect tasks"),
    "openai": (described(OPENAI) | MODELS, "openai", True, "ok", "dialect openai"),
    "tasks where asr is set": (described(TASKS), "asr", False, "wrong_dialect", "whisperX-FastAPI: choose the dialect"),
    "asr where openai is set": (described(ASR), "openai", False, "wrong_dialect", "dialect asr instead of openai"),
    "both others": (described(ASR, OPENAI), "tasks", False, "wrong_dialect", "asr or openai"),
    "no description, but the route": ({ASR: POST_ONLY}, "asr", True, "ok", "dialect asr"),
    "no description, but another route": (
        {TASKS: POST_ONLY},
        "asr",
        False,
        "wrong_dialect",
        "choose the dialect tasks",
    ),
    "no description, but a list of models": (MODELS, "openai", True, "ok", "dialect openai"),
    "no description, but a list of tasks": (
        {"/task/all": (200, {"tasks": []})},
        "openai",
        False,
        "wrong_dialect",
        "choose the dialect tasks",
    ),
    "another API": (described("/users"), "asr", False, "not_whisperx", "nothing that looks like"),
    "nothing": ({}, "asr", False, "not_whisperx", "address"),
    "a site that answers to anything": (
        dict.fromkeys(["/openapi.json", ASR, TASKS, OPENAI, "/task/all", "/v1/models"], (200, "<html>")),
        "asr",
        False,
        "not_whisperx",
        "address",
    ),
    "a redirect": ({"/openapi.json": (302, {})}, "asr", False, "endpoint_not_found", "302"),
    "overloaded": ({"/openapi.json": (503, {})}, "asr", False, "service_busy", "overloaded"),
    "a proxy without a server": ({"/openapi.json": (502, {})}, "asr", False, "service_down", "proxy"),
    "https wanted": (
        {"/openapi.json": (400, "The plain HTTP request was sent to HTTPS port")},
        "asr",
        False,
        "request_rejected",
        "It wants https",
    ),
}


@pytest.mark.parametrize(("routes", "dialect", "ok", "code", "words"), FOUND.values(), ids=FOUND)
def test_what_answers_is_told(routes, dialect, ok, code, words):
    with running(routes) as service:
        found = verdict(service.url, dialect)
    assert (found.ok, found.code) == (ok, code)
    assert words in found.message
    assert {each.method for each in service.received} == {"GET"}


def test_an_address_that_ends_in_v1_is_understood():
    with running(described(OPENAI) | MODELS) as service:
        assert verdict(f"{service.url}/v1", "openai").ok


ALL = described(ASR, TASKS, OPENAI) | {"/task/all": (200, {"tasks": []})} | MODELS
JUDGED = {
    "right": (["/openapi.json"], "asr", KEY, "ok", "It takes the key"),
    "wrong": (["/openapi.json"], "asr", "other", "authentication_failed", "Set the right key"),
    "missing": (["/openapi.json"], "asr", "", "authentication_failed", "none is set"),
    "right for tasks": (["/task/all"], "tasks", KEY, "ok", "It takes the key"),
    "right for openai": (["/v1/models"], "openai", KEY, "ok", "It takes the key"),
    "wrong for openai": (["/v1/models"], "openai", "other", "authentication_failed", "Set the right key"),
    "missing for openai": (["/v1/models"], "openai", "", "authentication_failed", "none is set"),
    "not judged": ([], "asr", KEY, "ok", "cannot be told without sending audio"),
    "not wanted": ([], "openai", "", "ok", "asked for none"),
}


@pytest.mark.parametrize(("guarded", "dialect", "key", "code", "words"), JUDGED.values(), ids=JUDGED)
def test_a_key_is_judged_where_that_can_be_done(guarded, dialect, key, code, words):
    with running(ALL, guarded) as service:
        found = verdict(service.url, dialect, key)
    assert (found.code, found.ok) == (code, code == "ok")
    assert words in found.message


def test_a_server_with_another_list_of_models_judges_the_key_by_that():
    routes = described(OPENAI) | {"/models/catalog": (200, {})}
    with running(routes, ["/models/catalog"]) as service:
        assert "It takes the key" in verdict(service.url, "openai", KEY).message


def test_a_name_that_does_not_resolve():
    assert verdict("http://whisperx.invalid:9000").code == "name_not_found"


def test_nobody_at_the_port():
    assert verdict("http://127.0.0.1:9").code == "refused"


def test_a_host_that_takes_no_connection(monkeypatch):
    monkeypatch.setattr(checking, "CONNECT_SECONDS", 0.2)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        try:
            assert verdict(f"http://127.0.0.1:{address[1]}").code == "connect_timeout"
        finally:
            for each in waiting:
                each.close()


def test_an_address_that_is_none():
    assert verdict("http://a..b:9000").code == "endpoint_not_found"


def test_a_server_that_is_busy_is_not_called_dead(monkeypatch):
    monkeypatch.setattr(checking, "RESPONSE_SECONDS", 0.3)
    monkeypatch.setattr(checking, "MAX_TEST_SECONDS", 2 * LIMIT_SECONDS)  # the server must not wait for as long
    with server(wait_for_hang_up) as url:
        found = verdict(url)
    assert (found.ok, found.code) == (False, "no_answer")
    assert "need not be an outage" in found.message


def test_the_whole_test_has_an_end(monkeypatch):
    def trickle(connection):
        read_request(connection)
        ends_at = time.monotonic() + LIMIT_SECONDS
        with suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not has_hung_up(connection, 0.05) and time.monotonic() < ends_at:
                connection.sendall(b" ")

    monkeypatch.setattr(checking, "MAX_TEST_SECONDS", 0.5)
    monkeypatch.setattr(checking, "RESPONSE_SECONDS", 2 * LIMIT_SECONDS)  # longer than the server goes on
    with server(trickle) as url:
        found = verdict(url)
    assert found.code == "no_answer"


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b""])
def test_what_is_no_http(said):
    def answer(connection):
        connection.recv(1000)
        connection.sendall(said)

    with server(answer) as url:
        found = verdict(url)
    assert found.code == "not_http"
    assert "https" in found.message


def secure(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(connection):
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
            read_request(secured)
            body = json.dumps({"paths": {ASR: {}}}).encode()
            secured.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    return serve


@pytest.mark.parametrize(
    ("certificate", "trusted", "code", "words"),
    [
        ({}, True, "ok", "dialect asr"),
        ({}, False, "certificate", "self-signed"),
        ({"days": 0}, True, "certificate", "expired"),
        ({"address": "127.0.0.2"}, True, "certificate", "another address"),
    ],
    ids=["good", "self-signed", "expired", "of another address"],
)
def test_a_certificate_is_told_of(tmp_path, monkeypatch, certificate, trusted, code, words):
    file = self_signed(tmp_path, **certificate)
    if trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    with server(secure(file), connections=2) as url:
        found = verdict(url.replace("http:", "https:"))
    assert found.code == code
    assert words in found.message


def test_tls_where_http_is_spoken(service):
    found = verdict(service.url.replace("http:", "https:"))
    assert found.code == "tls_failed"
    assert "http://" in found.message


def test_http_where_tls_is_spoken(tmp_path):
    with server(secure(self_signed(tmp_path))) as url:
        found = verdict(url)
    assert found.code == "not_http"
    assert "https://" in found.message


def test_every_exchange_of_the_test_is_told():
    told: list[Any] = []
    with running(ALL, ["/v1/models"]) as service:
        verdict(service.url, "openai", KEY, told)
    assert [(each.url.removeprefix(service.url), each.status) for each in told] == [
        ("/openapi.json", HTTPStatus.OK),
        ("/v1/models", HTTPStatus.OK),
        ("/v1/models", HTTPStatus.UNAUTHORIZED),
    ]
