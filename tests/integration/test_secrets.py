"""Keys, transcripts and phone numbers stay where they belong: out of logs, metrics, events, runs and calls."""

import json

import pytest
from botocore.httpsession import URLLib3Session

from tests.integration.conftest import client

KEY = "planted-key-5f2e"
TEXT = "planted words about a credit card"
NUMBER = "12025550143"
ANSWER = json.dumps({"segments": [{"start": 0, "end": 1, "text": TEXT, "words": []}], "language": "en"}).encode()
ECHO = f"failed on {TEXT} of {NUMBER} with Bearer {KEY}".encode()

REPLIES = {
    "a transcript": {"body": ANSWER},
    "a failure that tells all": {"status": 500, "body": ECHO},
    "a refusal that tells all": {"status": 422, "body": json.dumps({"detail": ECHO.decode()}).encode()},
    "a redirect to all": {"status": 302, "headers": {"Location": f"http://{KEY}/{NUMBER}"}, "body": ECHO},
    "busy, and says with what": {"status": 503, "body": ECHO},
    "something else": {"body": b"<html>" + ECHO},
    "no end": {"body": ANSWER[:-10]},
    "a broken connection": {"close": True},
    "a header with all": {"status": 400, "headers": {"X-Error": ECHO.decode()}},
}


@pytest.fixture
def key(stack, handlers):
    secrets = client("secretsmanager", stack.endpoint)
    secrets.put_secret_value(SecretId=stack.secrets["WhisperXSecret"], SecretString=json.dumps({"apiKey": KEY}))
    handlers.forget()
    yield
    secrets.put_secret_value(SecretId=stack.secrets["WhisperXSecret"], SecretString='{"apiKey": ""}')
    handlers.forget()


@pytest.fixture
def events(monkeypatch):
    """What is sent to EventBridge."""
    sent, send = [], URLLib3Session.send

    def watch(self, request):
        if b"PutEvents" in (request.headers.get("X-Amz-Target") or b""):
            sent.append(request.body.decode())
        return send(self, request)

    monkeypatch.setattr(URLLib3Session, "send", watch)
    return sent


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("reply_of", REPLIES.values(), ids=REPLIES)
def test_nothing_planted_is_found_elsewhere(handlers, put, service, reply, reply_of, events, capfd, stack):
    handlers.overrides["MAX_ATTEMPTS"] = "1"
    service.replies = [reply(**reply_of)]
    name = f"in-2025550100-{NUMBER}-20261118-181502-1.wav"
    put(name)
    handlers.sync()
    handlers.queue()
    handlers.process()
    (item,) = handlers.api("GET", "/api/call-recordings").json["items"]
    runs = client("dynamodb", stack.endpoint).scan(TableName=stack.tables["RunsTable"])["Items"]
    assert [run for run in runs if "recording_id" in run]  # the call is there
    assert service.received[0].headers["authorization"] == f"Bearer {KEY}"
    assert NUMBER.encode() not in service.received[0].body
    if item["transcriptionStatus"] in ("completed", "failed"):
        assert len(events) == 1
    told = "".join(capfd.readouterr()) + json.dumps([runs, events, item["error"]], default=str)
    for planted in (KEY, TEXT, NUMBER, name):
        assert planted not in told
