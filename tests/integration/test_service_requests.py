"""What is told of the exchanges with the service: calls over the API, events, and the connection test."""

import json
from datetime import UTC, datetime

import pytest

from callscribe.clock import to_iso
from testing.handlers import client

CALLS = "/api/transcription-calls"


@pytest.fixture
def calls(handlers):
    def calls(query=""):
        return handlers.api("GET", CALLS, query=query).json["items"]

    return calls


@pytest.fixture
def through(handlers, put):
    """Takes a recording through the three tasks, with these replies of the service."""

    def through(name, *replies, service):
        service.replies = list(replies)
        put(name)
        handlers.transcribe()

    return through


def test_every_call_is_kept_with_what_a_person_asks_about_it(handlers, through, service, reply, calls, listed, stack):
    handlers.overrides["WHISPERX_OPTIONS"] = "hf_token=planted"
    through("a.wav", reply(status=500), reply(), service=service)
    handlers.after(minutes=2).process()
    second, first = calls()
    item = listed()["a.wav"]
    assert {first["recordingId"], second["recordingId"]} == {item["id"]}
    assert (first["attempt"], first["status"], first["error"]) == (1, 500, "service_error")
    assert (second["attempt"], second["status"], second["error"]) == (2, 200, None)
    assert (second["method"], second["url"]) == ("POST", f"{service.url}/asr")
    assert second["bytesSent"] == len(service.received[1].body) > 100
    assert second["bytesReceived"] == len(reply().body)
    assert second["duration"] > 0
    assert "planted" not in json.dumps([first, second])
    stored = client("dynamodb", stack.endpoint).scan(TableName=stack.tables["RunsTable"])["Items"]
    lives = {float(each["expires_at"]["N"]) for each in stored}  # of runs and calls
    assert all(abs(each - handlers.now().timestamp() - 30 * 86_400) < 300 for each in lives)


def test_calls_are_found_by_recording_outcome_and_time_page_by_page(handlers, through, service, reply, calls, listed):
    through("a.wav", reply(status=500), service=service)
    handlers.advance_clock(hours=1)
    between = to_iso(datetime.now(UTC))  # exchanges are timed by the wall clock, which the test does not move
    through("b.wav", reply(), service=service)
    a = listed()["a.wav"]["id"]
    assert [each["status"] for each in calls(f"recordingId={a}")] == [500]
    assert {each["status"] for each in calls("status=failed")} == {500}
    assert {each["status"] for each in calls("status=succeeded")} == {200}
    everything = calls()
    first = handlers.api("GET", CALLS, query="limit=1").json
    rest = handlers.api("GET", CALLS, query=f"limit=1&cursor={first['nextCursor']}").json
    assert [*first["items"], *rest["items"]] == everything[:2]
    assert handlers.api("GET", CALLS, query=f"cursor={first['nextCursor']}&status=failed").status == 400
    after, before = calls(f"from={between}"), calls(f"to={between}")
    assert (after[0]["status"], before[0]["status"]) == (200, 500)
    assert after + before == everything


def test_a_service_that_is_not_there_is_a_call_without_a_status(handlers, through, service, reply, calls):
    handlers.overrides["WHISPERX_URL"] = "http://127.0.0.1:9"
    through("a.wav", reply(), service=service)
    (call,) = calls()
    assert (call["status"], call["error"], call["bytesSent"]) == (None, "service_unavailable", 0)


def test_events_tell_of_the_end_of_each_recording_and_of_nothing_else(handlers, put, service, reply, stack, listed):
    """Through a rule of a user's own, into a queue, as EventBridge delivers them."""
    sqs, events = client("sqs", stack.endpoint), client("events", stack.endpoint)
    queue = sqs.create_queue(QueueName="ended")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="ended", EventPattern=json.dumps({"source": ["callscribe"]}))
    events.put_targets(Rule="ended", Targets=[{"Id": "queue", "Arn": arn}])
    handlers.overrides |= {"MAX_ATTEMPTS": "2", "RECORDINGS_PER_RUN": "2"}
    service.choose_reply = lambda received: reply(status=500) if b"broken" in received.body else reply()
    put("good.wav")
    put("bad.wav", b"broken" * 20)
    handlers.sync_and_queue()
    for _ in range(3):
        handlers.process()
        handlers.advance_clock(minutes=2)
    told = [
        json.loads(each["Body"]) for each in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    ]
    events.remove_targets(Rule="ended", Ids=["queue"])
    events.delete_rule(Name="ended")
    items = listed()
    assert {(each["detail-type"], each["detail"]["recordingId"]) for each in told} == {
        ("Transcription Completed", items["good.wav"]["id"]),
        ("Transcription Failed", items["bad.wav"]["id"]),
    }
    assert len(told) == 2
    detail = {each["detail"]["transcriptionStatus"]: each["detail"] for each in told}
    assert detail["completed"]["transcriptVersion"] == items["good.wav"]["transcript"]["version"]
    assert (detail["failed"]["errorCode"], detail["failed"]["attempts"]) == ("service_error", 2)
    assert "hello" not in json.dumps(told)
