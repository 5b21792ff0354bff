"""The connection test: models, servers without lists, URLs with a route, and what the server requires."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from callscribe.settings.whisperx import Credentials, WhisperXSettings
from callscribe.whisperx import connect
from callscribe.whisperx.connection_test import MAX_SHOWN_MODELS, run_connection_test
from tests.integration.audio import Bytes
from tests.integration.timeouts import LONG_TIMEOUTS

pytestmark = pytest.mark.usefixtures("long_connection_test_timeout")

ASR, TASKS, OPENAI = "/asr", "/speech-to-text", "/v1/audio/transcriptions"


@pytest.fixture
def respond(service, reply) -> Callable[[dict[str, Any]], None]:
    """Let the service respond to a GET of each of these paths with a status and a JSON value; 404 to all others."""

    def respond(routes):
        def choose(request):
            status, value = routes.get(request.path, (404, {"detail": "Not Found"}))
            return reply(status=status, body=json.dumps(value).encode(), headers={})

        service.choose_reply = choose

    return respond


def check(url, dialect, credentials=None, **settings):
    tested = WhisperXSettings(whisperx_url=url, whisperx_dialect=dialect, **settings)
    return run_connection_test(tested, credentials or Credentials())


def openapi(*paths, prefix=""):
    return {f"{prefix}/openapi.json": (200, {"paths": {path: {} for path in paths}})}


def models(*ids):
    return openapi(OPENAI) | {"/v1/models": (200, {"data": [{"id": each} for each in ids]})}


@pytest.mark.parametrize(
    ("listed", "settings", "code", "expected"),
    [
        (["one", "two"], {"whisperx_model": "two"}, "ok", "It has the model two."),
        (["one", "two"], {"whisperx_model": "large-v3"}, "model_not_found", "the model large-v3. It has: one, two."),
        (["one"], {"whisperx_options": "model=three"}, "model_not_found", "the model three. It has: one."),
        (["one"], {"whisperx_model": "three", "whisperx_options": "model=one"}, "ok", "It has the model one."),
        (["one"], {}, "ok", "No model is set, so the server uses its default, if it has one. It has: one."),
        (["one"], {"whisperx_model": "whisper-1"}, "ok", "It has: one."),
        ([], {"whisperx_model": "one"}, "ok", "It lists no models."),
        (["gpt-4o", "whisper-1", "gpt-4o-transcribe"], {}, "ok", "It has: gpt-4o-transcribe, whisper-1."),
        (["<b>planted</b>", "a" * 200, "planted words", "", 7], {"whisperx_model": "x"}, "model_not_found", "Correct"),
        ([f"m{number:02}" for number in range(13)], {}, "ok", "m09 and 3 more."),
    ],
)
def test_model_is_compared_with_those_of_the_server(service, respond, listed, settings, code, expected):
    respond(models(*listed))
    result = check(service.url, "openai", **settings)
    assert (result.ok, result.code) == (code == "ok", code)
    assert expected in result.message
    assert "planted" not in result.message
    assert result.message.count(",") <= MAX_SHOWN_MODELS + 2


@pytest.mark.parametrize("value", [{"data": {}}, {"data": [1, {}, {"id": None}]}, {"models": []}, [], "text"])
def test_list_of_models_in_another_form_is_no_failure(service, respond, value):
    respond(openapi(OPENAI) | {"/v1/models": (200, value)})
    assert check(service.url, "openai", whisperx_model="one").ok


HIDDEN: dict[str, tuple[dict[str, Any], str, str]] = {
    "openai: only the upload route": ({}, "openai", "unverified"),
    "asr: only the upload route": ({}, "asr", "unverified"),
    "tasks: only the upload route": ({}, "tasks", "unverified"),
    "a GET of the route is a bad request": ({OPENAI: (400, {})}, "openai", "unverified"),
    "no GET at all": (dict.fromkeys(["/openapi.json", ASR], (501, {})), "asr", "unverified"),
    "a proxy forbids the description": ({"/openapi.json": (403, {}), ASR: (405, {})}, "asr", "ok"),
    "a proxy forbids the description of openai": (
        {"/openapi.json": (403, {}), "/v1/models": (200, {"data": [{"id": "one"}]})},
        "openai",
        "ok",
    ),
    "a proxy forbids everything": (dict.fromkeys(["/openapi.json", ASR], (403, {})), "asr", "authentication_failed"),
    "only the route is protected": ({ASR: (401, {})}, "asr", "authentication_failed"),
    "the description is of another API": (openapi("/users"), "openai", "not_whisperx"),
}


REFUSED = {
    "a firewall": (403, "text/html", b"<html><h1>403 Forbidden</h1></html>", "wrong_settings", "firewall"),
    "a country": (
        403,
        "application/json",
        b'{"error": {"code": "unsupported_country_region_territory"}}',
        "wrong_settings",
        "country",
    ),
    "no key": (403, "application/json", b'{"detail": "Forbidden"}', "authentication_failed", "none is set"),
    "a sign-in page": (200, "text/html", b"<html><form action='/login'></form></html>", "not_whisperx", "sign-in page"),
}


@pytest.mark.parametrize(("status", "content_type", "body", "code", "expected"), REFUSED.values(), ids=REFUSED)
def test_refusal_of_every_request_is_explained_without_a_key(
    service, reply, status, content_type, body, code, expected
):
    service.replies = [reply(status=status, headers={"Content-Type": content_type}, body=body)]
    result = check(service.url, "asr")
    assert (result.ok, result.code) == (False, code)
    assert expected in result.message


@pytest.mark.parametrize(("routes", "dialect", "code"), HIDDEN.values(), ids=HIDDEN)
def test_server_whose_lists_are_missing_or_hidden(service, respond, routes, dialect, code):
    respond(routes)
    result = check(service.url, dialect)
    assert (result.ok, result.code) == (code in ("ok", "unverified"), code)
    assert {request.method for request in service.received} == {"GET"}


URLS = [
    *(("asr", f"{ASR}{end}", "") for end in ("", "/")),
    *(("asr", page, "") for page in ("/docs", "/docs/", "/redoc", "/openapi.json")),
    *(("tasks", f"{TASKS}{end}", "") for end in ("", "/")),
    *(("openai", end, "") for end in ("/v1", "/v1/", OPENAI, f"{OPENAI}/", "/docs")),
    ("asr", "/proxy/asr", "/proxy"),
    ("asr", "/asr/asr", "/asr"),
    ("openai", "/proxy/v1/audio/transcriptions", "/proxy"),
    ("openai", "/v1/openai/audio/transcriptions/", "/v1/openai"),
    ("openai", "/inference", ""),
]


@pytest.mark.parametrize(("dialect", "path", "base"), URLS)
def test_url_may_end_with_the_route_or_a_page(service, respond, reply, dialect, path, base):
    route = {"asr": ASR, "tasks": TASKS, "openai": OPENAI}[dialect]
    route = {"/v1/openai/audio/transcriptions/": "/audio/transcriptions", "/inference": "/inference"}.get(path, route)
    respond(openapi(route, prefix=base))
    assert check(service.url + path, dialect).code == "ok"
    service.choose_reply = None
    service.replies = [reply(body=b'{"identifier": "a", "text": "a"}')]
    settings = WhisperXSettings(whisperx_url=service.url + path, whisperx_dialect=dialect)
    connect(settings, Credentials()).send(Bytes(10), "a.wav", LONG_TIMEOUTS)
    assert service.received[-1].path == base + route


def test_url_with_the_route_of_another_dialect(service, respond):
    respond(openapi(ASR))
    result = check(f"{service.url}/asr", "openai")
    assert (result.code, "dialect asr instead" in result.message) == ("wrong_dialect", True)


def test_server_whose_path_ends_like_its_route(service, respond):
    respond(openapi(ASR, prefix="/asr"))
    result = check(f"{service.url}/asr", "asr")
    assert (result.code, "Append /asr" in result.message) == ("endpoint_not_found", True)
    assert check(f"{service.url}/asr/asr", "asr").ok


@pytest.mark.parametrize("credentials", [Credentials(), Credentials("wrong")])
def test_scheme_that_the_server_requires_is_named(service, reply, credentials):
    service.replies = [reply(status=401, body=b"", headers={"WWW-Authenticate": 'Basic realm="planted"'})]
    result = check(service.url, "asr", credentials)
    assert result.code == "authentication_failed"
    assert "Basic USER:PASSWORD" in result.message
    assert "planted" not in result.message


def test_accepted_headers_are_reported(service, reply):
    def choose(request):
        is_admitted = request.headers.get("x-api-key") == "secret"
        return reply(status=200 if is_admitted else 401, body=json.dumps({"paths": {ASR: {}}}).encode(), headers={})

    service.choose_reply = choose
    assert "It accepts the headers." in check(service.url, "asr", Credentials("", {"X-API-Key": "secret"})).message
    assert check(service.url, "asr", Credentials("", {"X-API-Key": "wrong"})).code == "authentication_failed"
