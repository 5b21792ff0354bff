"""While the service is unavailable: no recording pays for it, one at a time finds out, and no hand is needed."""

import json
import random
from datetime import timedelta

import pytest

from callscribe.recordings import state_machine
from callscribe.recordings.recording import Status
from callscribe.store import recordings
from local.cloud.client import aws_client

EIGHT_HOURS = 8 * 60
QUEUED = 20
"""Twice as many as take turns in being tried; more would only be more for moto to read through, with each query."""

INTERVAL = 15
"""Minutes. The longest pause of the breaker."""


@pytest.fixture
def outage(handlers):
    """What the status summary says of the service."""
    return lambda: handlers.api("GET", "/api/call-recordings/status-summary").json["outage"]


@pytest.fixture
def queue_up(handlers, put):
    def queue_up(number):
        for each in range(number):
            put(f"{each:03}.wav", f"audio of {each:03}".encode() * 10)
        handlers.sync_and_queue()

    return queue_up


@pytest.mark.slow
@pytest.mark.parametrize(("trouble", "every"), [("refused", 3), (401, 5)])
def test_eight_hours_of_outage_cost_no_attempt_and_end_by_themselves(
    handlers, queue_up, listed, service, reply, outage, trouble, every
):
    """The schedule fires `every` so many minutes, give or take; the default is each minute."""
    jitter = random.Random(str(trouble))

    def until_the_schedule_fires():
        handlers.advance_clock(minutes=every, seconds=jitter.uniform(-3, 3))

    handlers.overrides["WHISPERX_URL"] = "http://127.0.0.1:9" if trouble == "refused" else service.url
    service.replies = [reply(status=trouble)]
    queue_up(QUEUED)
    runs = []
    for _ in range(EIGHT_HOURS // every):
        runs.append(handlers.process())
        until_the_schedule_fires()
    assert {(item["transcriptionStatus"], item["attempts"]) for item in listed().values()} == {("queued", 0)}
    tried = [run for run in runs if run["counts"]["requeued"]]
    assert {run["status"] for run in tried} == {"failed"}
    assert {run["errorCode"] for run in runs if run not in tried} == {"service_unavailable"}
    assert 30 <= len(tried) <= 40  # every quarter of an hour, after the first few
    assert outage()["failures"] == len(tried)
    # it is back
    handlers.overrides["WHISPERX_URL"] = service.url
    service.replies = [reply()]
    sent_before = len(service.received)
    minutes = 0
    while not handlers.process()["counts"]["completed"]:
        until_the_schedule_fires()
        minutes += every
    assert minutes <= INTERVAL
    assert outage() is None
    handlers.overrides["RECORDINGS_PER_RUN"] = "100"
    handlers.process()
    assert {(item["transcriptionStatus"], item["attempts"]) for item in listed().values()} == {("completed", 1)}
    assert len(service.received) - sent_before == QUEUED


def test_a_key_that_was_wrong_is_read_anew_by_the_next_try(handlers, queue_up, listed, service, reply, stack, outage):
    secrets, name = aws_client("secretsmanager", stack.endpoint), stack.secrets["WhisperXSecret"]
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps({"apiKey": "wrong"}))
    handlers.clear_caches()
    service.replies = [reply(status=401), reply()]
    queue_up(1)
    run = handlers.process()
    assert (run["status"], run["errorCode"]) == ("failed", "authentication_failed")
    assert outage()["code"] == "authentication_failed"
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps({"apiKey": "right"}))
    assert handlers.after(minutes=1).process()["counts"]["completed"] == 1
    assert [received.headers["authorization"] for received in service.received] == ["Bearer wrong", "Bearer right"]
    secrets.put_secret_value(SecretId=name, SecretString='{"apiKey": ""}')
    handlers.clear_caches()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("seconds", [5, 1800])
def test_what_the_service_asks_for_is_honoured(handlers, queue_up, service, reply, outage, status, seconds):
    service.replies = [reply(status=status, headers={"Retry-After": str(seconds)}), reply()]
    queue_up(2)
    handlers.process()
    assert outage()["code"] == "service_busy"
    assert handlers.after(seconds=seconds - 2).process()["status"] == "skipped"
    assert len(service.received) == 1
    assert handlers.after(seconds=3).process()["counts"]["completed"] == 2


def test_a_person_sees_since_when_until_when_and_why(handlers, queue_up, outage, service, reply):
    assert outage() is None
    service.replies = [reply(status=503)]
    queue_up(1)
    handlers.process()
    run = handlers.process()
    shown = outage()
    assert (run["status"], run["errorCode"]) == ("skipped", "service_unavailable")
    for part in (shown["since"][:19], shown["nextTryAt"][:19], shown["message"]):
        assert part in run["error"]
    assert "503" in shown["message"]


def test_only_one_recording_is_tried_as_a_probe(handlers, queue_up, service, reply, listed):
    handlers.overrides |= {"MAX_CONCURRENT_TRANSCRIPTIONS": "4", "RECORDINGS_PER_RUN": "4"}
    service.replies = [reply(status=503)]
    queue_up(8)
    handlers.process()
    assert 1 <= len(service.received) <= 4  # they were under way when the first of them found out
    before = len(service.received)
    handlers.after(minutes=1).process()
    assert len(service.received) == before + 1
    service.replies = [reply()]
    run = handlers.after(minutes=2).process()
    assert run["counts"]["completed"] == 1 + 4  # and once it is back, the run continues at once


def test_a_probe_that_never_came_to_the_service_leaves_the_try_to_the_next(
    handlers, queue_up, service, reply, listed, outage, stack
):
    service.replies = [reply(status=503), reply()]
    queue_up(3)
    handlers.process()
    gone = recordings.get(recordings.next_entries(Status.QUEUED, 2)[1].id).key  # the second in line is the first probe
    aws_client("s3", stack.endpoint).delete_object(Bucket=stack.buckets["RecordingsBucket"], Key=gone)
    handlers.after(minutes=1).process()
    assert listed()[gone]["error"]["code"] == "audio_missing"
    assert outage() is not None
    assert handlers.process()["counts"]["completed"] == 2
    assert outage() is None


def test_an_error_of_the_service_ends_the_outage_for_somebody_was_there(handlers, queue_up, service, reply, outage):
    service.replies = [reply(status=503), reply(status=500)]
    queue_up(1)
    handlers.process()
    assert handlers.after(minutes=1).process()["counts"]["failed"] == 1
    assert outage() is None


def test_a_recording_that_brings_the_service_down_behind_a_proxy_ends_and_holds_up_no_other(
    handlers, queue_up, put, service, reply, listed
):
    handlers.overrides["MAX_ATTEMPTS"] = "3"
    service.choose_reply = lambda received: reply(status=502 if b"audio of 000" in received.body else 200)
    queue_up(1)
    for minute in range(36):  # it ends after 23
        if minute % 3 == 0:
            put(f"{minute:02}.wav", b"harmless" * 10)
            handlers.sync_and_queue()
        handlers.process()
        handlers.advance_clock(minutes=1)
    found = listed()
    poisoned = found.pop("000.wav")
    assert (poisoned["transcriptionStatus"], poisoned["nextAttemptAt"]) == ("failed", None)
    assert poisoned["error"]["code"] == "service_down"
    assert {(item["transcriptionStatus"], item["attempts"]) for item in found.values()} == {("completed", 1)}
    assert len(service.received) <= len(found) + 2 * 5


def test_a_person_who_asks_for_a_transcription_has_the_service_tried_at_once(
    handlers, queue_up, service, reply, listed, outage
):
    service.replies = [reply(status=503, headers={"Retry-After": "86400"}), reply()]
    queue_up(5)
    handlers.process()
    assert handlers.after(minutes=1).process()["status"] == "skipped"
    last = recordings.next_entries(Status.QUEUED, 5)[-1].id
    assert handlers.api("POST", f"/api/call-recordings/{last}/transcribe").status == 202
    assert handlers.process(trigger="api")["counts"]["completed"] == 2  # the probe, and what stands at the head
    assert outage() is None
    assert recordings.get(last).status is Status.COMPLETED


def test_a_service_that_asks_for_no_pause_is_still_asked_once_a_run_only(handlers, queue_up, service, reply):
    handlers.overrides["RECORDINGS_PER_RUN"] = "30"
    service.replies = [reply(status=503, headers={"Retry-After": "0"})]
    queue_up(3)
    handlers.process()
    handlers.process()
    assert len(service.received) == 2


def test_a_server_that_takes_one_at_a_time_and_refuses_the_rest_costs_nobody_an_attempt(
    handlers, queue_up, service, reply, listed
):
    """More slots than the server has: what it refuses with 503 is its own affair, however often."""
    handlers.overrides |= {"MAX_CONCURRENT_TRANSCRIPTIONS": "6", "RECORDINGS_PER_RUN": "6"}
    # long enough for the others to find it busy
    service.choose_reply = lambda _: reply(status=503) if service._in_progress.total() else reply(delay_seconds=0.2)
    queue_up(12)
    minutes = completed = 0
    while completed < 12:
        completed += handlers.process()["counts"]["completed"]
        handlers.advance_clock(minutes=1)
        minutes += 1
        assert minutes < 90
    assert {(item["transcriptionStatus"], item["attempts"]) for item in listed().values()} == {("completed", 1)}


def test_lost_claims_are_recovered_during_an_outage(handlers, queue_up, service, reply, listed):
    service.replies = [reply(status=503)]
    queue_up(2)
    handlers.process()
    now = handlers.now()
    (_, other) = recordings.next_entries(Status.QUEUED, 5)
    recordings.apply_transition(other.id, state_machine.claim(other, "dead", now, now + timedelta(seconds=5)))
    assert handlers.after(seconds=10).process()["counts"]["recovered"] == 1
    assert {item["transcriptionStatus"] for item in listed().values()} == {"queued"}
