"""What servers and proxies in the field really do, and what becomes of the recording and its transcript.

`python -m tests.integration.field_cases` prints the cases as a table, with what happened before.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from testing.handlers import client
from testing.made_audio import tone, wav
from testing.scripted_service import ReceivedRequest, Reply
from tests.integration.audio import parts

ROUTES = {"asr": "/asr", "openai": "/v1/audio/transcriptions"}
CALL = wav(tone(3.0, 8_000))
SEGMENTS = [{"start": 0.0, "end": 1.5, "text": " Hello there."}, {"start": 1.6, "end": 2.8, "text": " Bye now."}]
TRANSCRIPT = {"text": "Hello there. Bye now.", "segments": SEGMENTS, "language": "en"}
TEXTS = "0.0–1.5 Hello there. | 1.6–2.8 Bye now."
COMPLETED = f"completed, attempts 1: {TEXTS}"


def json_reply(document: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


def openai_error(status: int, param: str | None = None) -> Reply:
    error = {"message": "not like this", "type": "invalid_request_error", "param": param, "code": None}
    return json_reply({"error": error}, status)


def html_page(status: int) -> Reply:
    return Reply(status, f"<html><h1>{status}</h1></html>".encode(), {"Content-Type": "text/html"})


def text_reply(text: str) -> Reply:
    return Reply(200, text.encode(), {"Content-Type": "text/plain"})


def form_fields(received: ReceivedRequest) -> dict[str, str]:
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True).decode("latin-1")
        for part in parts(received)
    }


def only_json(received: ReceivedRequest) -> Reply:
    """As OpenAI's newer models answer: they know only `json`, and name the option that they refuse."""
    fields = form_fields(received)
    if fields.get("response_format") == "verbose_json":
        return openai_error(400, "response_format")
    if any("timestamp_granularities" in name for name in fields):
        return openai_error(400, "timestamp_granularities")
    return json_reply({"text": "Hello there. Bye now."})


def requires(name: str, value: str, **headers: str) -> Callable[[ReceivedRequest], Reply]:
    """A server that responds only to requests with this header."""

    def respond(received: ReceivedRequest) -> Reply:
        if received.headers.get(name) == value:
            return json_reply(TRANSCRIPT)
        return Reply(401, b'{"detail": "no key"}', {"Content-Type": "application/json", **headers})

    return respond


@dataclass(frozen=True)
class ServerCase:
    """What the server replies, and the outcome that is right."""

    reply: Reply | Callable[[ReceivedRequest], Reply]
    outcome: str
    dialect: str = "asr"
    settings: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """The headers that the user has set."""


SERVER_CASES = {
    "a good server": ServerCase(json_reply(TRANSCRIPT), COMPLETED),
    "a model that knows only json": ServerCase(
        only_json, "queued, attempts 0, invalid_options; paused: invalid_options", "openai"
    ),
    "a model that knows only json, option emptied": ServerCase(
        only_json,
        "completed, attempts 1: ?–? Hello there. Bye now.",
        "openai",
        {"WHISPERX_OPTIONS": "response_format=json"},
    ),
    "no credit left": ServerCase(
        openai_error(402), "queued, attempts 0, payment_required; paused: payment_required", "openai"
    ),
    "over capacity": ServerCase(openai_error(498), "queued, attempts 0, service_busy; paused: service_busy", "openai"),
    "a proxy wants a client certificate": ServerCase(
        html_page(400), "queued, attempts 0, wrong_settings; paused: wrong_settings"
    ),
    "a proxy gave up waiting": ServerCase(html_page(504), "failed, attempts 1, gateway_timeout"),
    "a CDN gave up waiting": ServerCase(html_page(524), "failed, attempts 1, gateway_timeout"),
    "the CDN cannot make a TLS connection": ServerCase(
        html_page(525), "queued, attempts 0, service_down; paused: service_down"
    ),
    "the CDN does not trust the certificate": ServerCase(
        html_page(526), "queued, attempts 0, service_down; paused: service_down"
    ),
    "a key in a header of its own": ServerCase(
        requires("x-api-key", "secret"), COMPLETED, headers={"X-API-Key": "secret"}
    ),
    "a user and a password": ServerCase(
        requires("authorization", "Basic dXNlcjpzZWNyZXQ=", **{"WWW-Authenticate": 'Basic realm="speech"'}),
        COMPLETED,
        headers={"Authorization": "Basic user:secret"},
    ),
    "times beyond the end": ServerCase(
        json_reply(
            {
                "segments": [
                    {"start": 0.0, "end": 2.5, "text": " Hello."},
                    {"start": 2.0, "end": 31.0, "text": " Bye."},
                    {"start": 27.1, "end": 27.9, "text": " Late."},
                ],
                "language": "en",
            }
        ),
        "completed, attempts 1: 0.0–2.5 Hello. | 2.0–3.0 Bye. (beyond_recording) | ?–? Late. (beyond_recording)",
    ),
    "times in milliseconds": ServerCase(
        json_reply(
            {
                "segments": [
                    {"start": 0, "end": 1500, "text": "Hello there."},
                    {"start": 1600, "end": 2800, "text": "Bye now."},
                ]
            }
        ),
        COMPLETED,
    ),
    "captions instead of JSON": ServerCase(
        text_reply(
            "1\n00:00:00,000 --> 00:00:01,500\nHello there.\n\n2\n00:00:01,600 --> 00:00:02,800\nBye now.\n\n",
        ),
        COMPLETED,
    ),
    "chunks instead of segments": ServerCase(
        json_reply(
            {"text": " Hello there.", "chunks": [{"timestamp": [0.0, 1.5], "text": " Hello there."}]},
        ),
        "completed, attempts 1: 0.0–1.5 Hello there.",
        "openai",
    ),
    "numbered speakers": ServerCase(
        json_reply(
            {
                "segments": [{**SEGMENTS[0], "speaker": 0}, {**SEGMENTS[1], "speaker": 1}],
                "language": "english",
            }
        ),
        "completed, attempts 1: 0.0–1.5 SPEAKER_00: Hello there. | 1.6–2.8 SPEAKER_01: Bye now.",
    ),
    "an error with status 200": ServerCase(
        json_reply({"error": {"message": "cannot open", "code": 400}}), "failed, attempts 1, request_rejected", "openai"
    ),
}


def describe_segment(segment: Mapping[str, Any]) -> str:
    times = "–".join("?" if segment[name] is None else str(segment[name]) for name in ("start", "end"))
    speaker = f"{segment['speaker']}: " if segment["speaker"] else ""
    flags = f" ({', '.join(segment['flags'])})" if segment.get("flags") else ""
    return f"{times} {speaker}{segment['text']}{flags}"


def describe(handlers) -> str:
    """The status and attempts of the only recording, why it failed, and its transcript."""
    (item,) = handlers.api("GET", "/api/call-recordings").json["items"]
    outcome = f"{item['transcriptionStatus']}, attempts {item['attempts']}"
    if item["error"]:
        outcome += f", {item['error']['code']}"
    if item["transcriptionStatus"] == "completed":
        document = handlers.api("GET", f"/api/call-recordings/{item['id']}/transcript").json
        outcome += ": " + " | ".join(map(describe_segment, document["segments"]))
    outage = handlers.api("GET", "/api/call-recordings/status-summary").json["outage"]
    return outcome + (f"; paused: {outage['code']}" if outage else "")


@pytest.mark.parametrize("name", SERVER_CASES)
def test_server(name, handlers, stack, service, put, record_property):
    case = SERVER_CASES[name]
    secret = {"apiKey": "", "headers": dict(case.headers), "server": service.url}
    client("secretsmanager", stack.endpoint).put_secret_value(
        SecretId=stack.secrets["WhisperXSecret"], SecretString=json.dumps(secret)
    )
    if callable(case.reply):
        service.choose_reply = case.reply
    else:
        service.replies = [case.reply]
    handlers.overrides |= {"WHISPERX_DIALECT": case.dialect, **case.settings}
    put("call.wav", CALL)
    handlers.transcribe()
    outcome = describe(handlers)
    record_property("outcome", outcome)
    assert outcome == case.outcome


@pytest.mark.parametrize("dialect", ROUTES)
def test_server_without_lists_cannot_be_tested_without_audio(dialect, handlers, service, functions, record_property):
    service.choose_reply = lambda received: (
        json_reply(TRANSCRIPT)
        if (received.method, received.path) == ("POST", ROUTES[dialect])
        else json_reply({"detail": "Not Found"}, 404)
    )
    handlers.overrides["WHISPERX_DIALECT"] = dialect
    result = handlers.api("POST", "/api/modules/whisperx/test").json
    record_property("outcome", f"connection test: ok {result['ok']}, {result['code']}")
    assert (result["ok"], result["code"]) == (True, "unverified")


@pytest.fixture(autouse=True)
def restored_secret(handlers, stack):
    """Removes the credentials from the secret of the stack, which all tests share."""
    yield
    secrets, name = client("secretsmanager", stack.endpoint), stack.secrets["WhisperXSecret"]
    secrets.put_secret_value(SecretId=name, SecretString='{"apiKey": ""}')
    handlers.clear_caches()
