"""Keys, transcripts and phone numbers never appear in logs, metrics, events, runs or service requests."""

import json

import pytest
from botocore.httpsession import URLLib3Session

from functions.process import transcription
from testing.handlers import client

KEY = "planted-key-5f2e"
TEXT = "planted words about a credit card"
NUMBER = "12025550143"
RESPONSE = json.dumps({"segments": [{"start": 0, "end": 1, "text": TEXT, "words": []}], "language": "en"}).encode()
ECHO = f"failed on {TEXT} of {NUMBER} with Bearer {KEY}".encode()

ASR = {
    "a transcript": {"body": RESPONSE},
    "a failure that echoes everything": {"status": 500, "body": ECHO},
    "a refusal that echoes everything": {"status": 422, "body": json.dumps({"detail": ECHO.decode()}).encode()},
    "a redirect with everything in its URL": {
        "status": 302,
        "headers": {"Location": f"http://{KEY}/{NUMBER}"},
        "body": ECHO,
    },
    "busy, with an echo": {"status": 503, "body": ECHO},
    "no JSON": {"body": b"<html>" + ECHO},
    "truncated JSON": {"body": RESPONSE[:-10]},
    "a broken connection": {"close": True},
    "a header that echoes everything": {"status": 400, "headers": {"X-Error": ECHO.decode()}},
}


def json_reply(value, status=200):
    return {"status": status, "body": json.dumps(value).encode()}


ECHO_TEXT = ECHO.decode()
DETAILS = {
    "detail": [
        {"loc": ["body", "prompt"], "msg": ECHO_TEXT, "input": ECHO_TEXT},
        {"loc": [ECHO_TEXT, ECHO_TEXT], "ctx": ECHO_TEXT},
    ]
}
ACCEPTED = json_reply({"identifier": "cb9d0200-50a0", "message": ECHO_TEXT})
OPENAI = {
    "a transcript": [
        json_reply({"text": TEXT, "segments": [{"start": 0, "end": 1, "text": TEXT}], "words": [{"word": TEXT}]})
    ],
    "words without segments": [
        json_reply({"text": TEXT, "words": [{"word": word, "start": 0, "end": 1} for word in TEXT.split()]})
    ],
    "an invalid option": [json_reply({"detail": DETAILS["detail"][:1]}, 422)],
    "an error in OpenAI's format": [
        json_reply({"error": {"message": ECHO_TEXT, "type": ECHO_TEXT, "param": ECHO_TEXT, "code": ECHO_TEXT}}, 400)
    ],
}
TASKS = {
    "a completed job": [
        ACCEPTED,
        json_reply({"status": "completed", "result": json.loads(RESPONSE), "metadata": DETAILS}),
    ],
    "a failed job": [
        ACCEPTED,
        json_reply({"status": "failed", "error": ECHO_TEXT, "metadata": {"file_name": ECHO_TEXT}}),
    ],
    "a job with an unknown status": [ACCEPTED, json_reply({"status": ECHO_TEXT, "error": ECHO_TEXT})],
    "a lost job": [
        ACCEPTED,
        json_reply({"error": {"code": "TASK_NOT_FOUND", "message": ECHO_TEXT, "identifier": ECHO_TEXT}}, 404),
    ],
    "refused audio": [json_reply({"error": {"code": ECHO_TEXT, "message": ECHO_TEXT}, **DETAILS}, 400)],
    "a list of tasks that echoes everything": [
        {"status": 500, "body": ECHO},
        json_reply(
            {
                "tasks": [{"identifier": ECHO_TEXT, "file_name": ECHO_TEXT, "status": "failed", "error": ECHO_TEXT}],
                "detail": ECHO_TEXT,
            }
        ),
        json_reply(DETAILS, 422),
    ],
    "a response without a list of tasks": [{"status": 500, "body": ECHO}, json_reply({"detail": ECHO_TEXT}, 400)],
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
        transcription._secret_cache.clear()

    put(KEY)
    yield
    put("")


@pytest.fixture
def events(monkeypatch):
    """The bodies of requests to EventBridge."""
    sent, send = [], URLLib3Session.send

    def record_events(self, request):
        if b"PutEvents" in (request.headers.get("X-Amz-Target") or b""):
            sent.append(request.body.decode())
        return send(self, request)

    monkeypatch.setattr(URLLib3Session, "send", record_events)
    return sent


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(("dialect", "replies"), CASES.values(), ids=CASES)
def test_secrets_appear_in_no_log_metric_event_or_run(
    handlers, put, service, reply, dialect, replies, events, capfd, stack
):
    is_retried = replies[0].get("status") == 500 and len(replies) > 1
    handlers.overrides |= {"WHISPERX_DIALECT": dialect, "MAX_ATTEMPTS": "2" if is_retried else "1"}
    service.replies = [reply(**values) for values in replies]
    name = f"in-2025550100-{NUMBER}-20261118-181502-1.wav"
    put(name)
    handlers.sync_and_queue()
    for _ in replies[:2]:
        handlers.process()
        handlers.advance_clock(minutes=2)
    (item,) = handlers.api("GET", "/api/call-recordings").json["items"]
    runs = client("dynamodb", stack.endpoint).scan(TableName=stack.tables["RunsTable"])["Items"]
    assert [run for run in runs if "recording_id" in run]  # the request was recorded
    assert len(service.received) == len(replies)
    for received in service.received:
        assert received.headers["authorization"] == f"Bearer {KEY}"
        assert NUMBER.encode() not in received.body
    if item["transcriptionStatus"] in ("completed", "failed"):
        assert len(events) == 1
    written = "".join(capfd.readouterr()) + json.dumps([runs, events, item["error"]], default=str)
    for planted in (KEY, TEXT, NUMBER, name):
        assert planted not in written
