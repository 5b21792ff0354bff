"""Requests to the service as the API lists them, and the events that recordings cause."""

import json
from datetime import UTC, datetime

import pytest

from callscribe.clock import to_iso
from testing.handlers import client

SERVICE_REQUESTS = "/api/transcription-calls"


@pytest.fixture
def list_requests(handlers):
    def list_requests(query=""):
        return handlers.api("GET", SERVICE_REQUESTS, query=query).json["items"]

    return list_requests


@pytest.fixture
def transcribe(handlers, put):
    """Run the three tasks for a recording, with these replies of the service."""

    def transcribe(name, *replies, service):
        service.replies = list(replies)
        put(name)
        handlers.transcribe()

    return transcribe


def test_every_request_is_stored_with_status_duration_and_sizes(
    handlers, transcribe, service, reply, list_requests, list_recordings, stack
):
    handlers.overrides["WHISPERX_OPTIONS"] = "hf_token=planted"
    transcribe("a.wav", reply(status=500), reply(), service=service)
    handlers.after(minutes=2).process()
    second, first = list_requests()
    item = list_recordings()["a.wav"]
    assert {first["recordingId"], second["recordingId"]} == {item["id"]}
    assert (first["attempt"], first["status"], first["error"]) == (1, 500, "service_error")
    assert (second["attempt"], second["status"], second["error"]) == (2, 200, None)
    assert (second["method"], second["url"]) == ("POST", f"{service.url}/asr")
    assert second["bytesSent"] == len(service.received[1].body) > 100
    assert second["bytesReceived"] == len(reply().body)
    assert second["duration"] > 0
    assert "planted" not in json.dumps([first, second])
    stored = client("dynamodb", stack.endpoint).scan(TableName=stack.tables["RunsTable"])["Items"]
    expiry_times = {float(item["expires_at"]["N"]) for item in stored}  # of runs and requests
    assert all(abs(time - handlers.now().timestamp() - 30 * 86_400) < 300 for time in expiry_times)


def test_requests_are_filtered_by_recording_status_and_time_and_paged(
    handlers, transcribe, service, reply, list_requests, list_recordings
):
    transcribe("a.wav", reply(status=500), service=service)
    handlers.advance_clock(hours=1)
    between = to_iso(datetime.now(UTC))  # requests are timed by the wall clock, which the test does not move
    transcribe("b.wav", reply(), service=service)
    a = list_recordings()["a.wav"]["id"]
    assert [request["status"] for request in list_requests(f"recordingId={a}")] == [500]
    assert {request["status"] for request in list_requests("status=failed")} == {500}
    assert {request["status"] for request in list_requests("status=succeeded")} == {200}
    everything = list_requests()
    first = handlers.api("GET", SERVICE_REQUESTS, query="limit=1").json
    rest = handlers.api("GET", SERVICE_REQUESTS, query=f"limit=1&cursor={first['nextCursor']}").json
    assert [*first["items"], *rest["items"]] == everything[:2]
    assert handlers.api("GET", SERVICE_REQUESTS, query=f"cursor={first['nextCursor']}&status=failed").status == 400
    after, before = list_requests(f"from={between}"), list_requests(f"to={between}")
    assert (after[0]["status"], before[0]["status"]) == (200, 500)
    assert after + before == everything


def test_request_to_an_unreachable_service_has_no_status(handlers, transcribe, service, reply, list_requests):
    handlers.overrides["WHISPERX_URL"] = "http://127.0.0.1:9"
    transcribe("a.wav", reply(), service=service)
    (request,) = list_requests()
    assert (request["status"], request["error"], request["bytesSent"]) == (None, "service_unavailable", 0)


def test_one_event_is_sent_for_each_completed_or_terminally_failed_recording(
    handlers, put, service, reply, stack, list_recordings
):
    """Received through a rule and a queue, as a user of EventBridge would."""
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
    events_received = [
        json.loads(message["Body"])
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    ]
    events.remove_targets(Rule="ended", Ids=["queue"])
    events.delete_rule(Name="ended")
    items = list_recordings()
    assert {(event["detail-type"], event["detail"]["recordingId"]) for event in events_received} == {
        ("Transcription Completed", items["good.wav"]["id"]),
        ("Transcription Failed", items["bad.wav"]["id"]),
    }
    assert len(events_received) == 2
    detail = {event["detail"]["transcriptionStatus"]: event["detail"] for event in events_received}
    assert detail["completed"]["transcriptVersion"] == items["good.wav"]["transcript"]["version"]
    assert (detail["failed"]["errorCode"], detail["failed"]["attempts"]) == ("service_error", 2)
    assert "hello" not in json.dumps(events_received)
