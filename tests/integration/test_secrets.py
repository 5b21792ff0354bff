"""Keys, transcripts and phone numbers stay where they belong: out of logs, metrics, events, runs and calls."""

import json

import pytest
from aws_lambda_powertools.utilities import parameters
from botocore.httpsession import URLLib3Session

from testing.handlers import client

KEY = "planted-key-5f2e"
TEXT = "planted words about a credit card"
NUMBER = "12025550143"
ANSWER = json.dumps({"segments": [{"start": 0, "end": 1, "text": TEXT, "words": []}], "language": "en"}).encode()
ECHO = f"failed on {TEXT} of {NUMBER} with Bearer {KEY}".encode()

ASR = {
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


def told(value, status=200):
    return {"status": status, "body": json.dumps(value).encode()}


SAID = ECHO.decode()
DETAILS = {"detail": [{"loc": ["body", "prompt"], "msg": SAID, "input": SAID}, {"loc": [SAID, SAID], "ctx": SAID}]}
TAKEN = told({"identifier": "cb9d0200-50a0", "message": SAID})
OPENAI = {
    "a transcript": [
        told({"text": TEXT, "segments": [{"start": 0, "end": 1, "text": TEXT}], "words": [{"word": TEXT}]})
    ],
    "words alone": [told({"text": TEXT, "words": [{"word": each, "start": 0, "end": 1} for each in TEXT.split()]})],
    "a fault in the options": [told({"detail": DETAILS["detail"][:1]}, 422)],
    "an error as OpenAI has it": [told({"error": {"message": SAID, "type": SAID, "param": SAID, "code": SAID}}, 400)],
}
TASKS = {
    "a job that is done": [TAKEN, told({"status": "completed", "result": json.loads(ANSWER), "metadata": DETAILS})],
    "a job that failed": [TAKEN, told({"status": "failed", "error": SAID, "metadata": {"file_name": SAID}})],
    "a job of which all is told but how it stands": [TAKEN, told({"status": SAID, "error": SAID})],
    "a job that is lost": [
        TAKEN,
        told({"error": {"code": "TASK_NOT_FOUND", "message": SAID, "identifier": SAID}}, 404),
    ],
    "a refusal of the audio": [told({"error": {"code": SAID, "message": SAID}, **DETAILS}, 400)],
    "a list of tasks that tells all": [
        {"status": 500, "body": ECHO},
        told({"tasks": [{"identifier": SAID, "file_name": SAID, "status": "failed", "error": SAID}], "detail": SAID}),
        told(DETAILS, 422),
    ],
    "a list of tasks that is none": [{"status": 500, "body": ECHO}, told({"detail": SAID}, 400)],
}
CASES = {
    **{f"asr: {name}": ("asr", [reply]) for name, reply in ASR.items()},
    **{f"openai: {name}": ("openai", replies) for name, replies in OPENAI.items()},
    **{f"tasks: {name}": ("tasks", replies) for name, replies in TASKS.items()},
}


@pytest.fixture(scope="module")
def key(deployed):
    secrets = client("secretsmanager", deployed.endpoint)

    def put(key):
        secrets.put_secret_value(SecretId=deployed.secrets["WhisperXSecret"], SecretString=json.dumps({"apiKey": key}))
        parameters.clear_caches()

    put(KEY)
    yield
    put("")


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
@pytest.mark.parametrize(("dialect", "replies"), CASES.values(), ids=CASES)
def test_nothing_planted_is_found_elsewhere(handlers, put, service, reply, dialect, replies, events, capfd, stack):
    again = replies[0].get("status") == 500 and len(replies) > 1
    handlers.overrides |= {"WHISPERX_DIALECT": dialect, "MAX_ATTEMPTS": "2" if again else "1"}
    service.replies = [reply(**each) for each in replies]
    name = f"in-2025550100-{NUMBER}-20261118-181502-1.wav"
    put(name)
    handlers.sync_and_queue()
    for _ in replies[:2]:
        handlers.process()
        handlers.advance_clock(minutes=2)
    (item,) = handlers.api("GET", "/api/call-recordings").json["items"]
    runs = client("dynamodb", stack.endpoint).scan(TableName=stack.tables["RunsTable"])["Items"]
    assert [run for run in runs if "recording_id" in run]  # the call is there
    assert len(service.received) == len(replies)
    for received in service.received:
        assert received.headers["authorization"] == f"Bearer {KEY}"
        assert NUMBER.encode() not in received.body
    if item["transcriptionStatus"] in ("completed", "failed"):
        assert len(events) == 1
    kept = "".join(capfd.readouterr()) + json.dumps([runs, events, item["error"]], default=str)
    for planted in (KEY, TEXT, NUMBER, name):
        assert planted not in kept
