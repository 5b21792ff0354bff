"""Outages of the transcription service: they cost no attempts, one probe at a time is sent, and they end unattended."""

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
"""Twice as many as probes rotate through; more would only slow down the queries in moto."""

INTERVAL = 15
"""Minutes: the maximum backoff of the circuit breaker."""


@pytest.fixture
def outage(handlers):
    """The outage in the status summary."""
    return lambda: handlers.api("GET", "/api/call-recordings/status-summary").json["outage"]


@pytest.fixture
def queue_up(handlers, put):
    def queue_up(count):
        for number in range(count):
            put(f"{number:03}.wav", f"audio of {number:03}".encode() * 10)
        handlers.sync_and_queue()

    return queue_up


@pytest.mark.slow
@pytest.mark.parametrize(("failure", "interval"), [("refused", 3), (401, 5)])
def test_eight_hour_outage_costs_no_attempt_and_ends_unattended(
    handlers, queue_up, list_recordings, service, reply, outage, failure, interval
):
    """The schedule fires about every `interval` minutes; the default is every minute."""
    jitter = random.Random(str(failure))

    def wait_for_the_schedule():
        handlers.advance_clock(minutes=interval, seconds=jitter.uniform(-3, 3))

    handlers.overrides["WHISPERX_URL"] = "http://127.0.0.1:9" if failure == "refused" else service.url
    service.replies = [reply(status=failure)]
    queue_up(QUEUED)
    runs = []
    for _ in range(EIGHT_HOURS // interval):
        runs.append(handlers.process())
        wait_for_the_schedule()
    assert {(item["transcriptionStatus"], item["attempts"]) for item in list_recordings().values()} == {("queued", 0)}
    probes = [run for run in runs if run["counts"]["requeued"]]
    assert {run["status"] for run in probes} == {"failed"}
    assert {run["errorCode"] for run in runs if run not in probes} == {"service_unavailable"}
    assert 30 <= len(probes) <= 40  # every quarter of an hour, after the first few
    assert outage()["failures"] == len(probes)
    # the service recovers
    handlers.overrides["WHISPERX_URL"] = service.url
    service.replies = [reply()]
    sent_before = len(service.received)
    minutes = 0
    while not handlers.process()["counts"]["completed"]:
        wait_for_the_schedule()
        minutes += interval
    assert minutes <= INTERVAL
    assert outage() is None
    handlers.overrides["RECORDINGS_PER_RUN"] = "100"
    handlers.process()
    assert {(item["transcriptionStatus"], item["attempts"]) for item in list_recordings().values()} == {
        ("completed", 1)
    }
    assert len(service.received) - sent_before == QUEUED


def test_corrected_api_key_is_read_by_the_next_probe(
    handlers, queue_up, list_recordings, service, reply, stack, outage
):
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
def test_retry_after_header_is_honoured(handlers, queue_up, service, reply, outage, status, seconds):
    service.replies = [reply(status=status, headers={"Retry-After": str(seconds)}), reply()]
    queue_up(2)
    handlers.process()
    assert outage()["code"] == "service_busy"
    assert handlers.after(seconds=seconds - 2).process()["status"] == "skipped"
    assert len(service.received) == 1
    assert handlers.after(seconds=3).process()["counts"]["completed"] == 2


def test_skipped_run_reports_start_next_try_and_cause_of_the_outage(handlers, queue_up, outage, service, reply):
    assert outage() is None
    service.replies = [reply(status=503)]
    queue_up(1)
    handlers.process()
    run = handlers.process()
    current = outage()
    assert (run["status"], run["errorCode"]) == ("skipped", "service_unavailable")
    since, next_try = (current[name][:19].replace("T", " ") for name in ("since", "nextTryAt"))
    for part in (f"{since} UTC", f"{next_try} UTC", current["message"]):
        assert part in run["error"]
    assert "503" in current["message"]


def test_only_one_recording_is_sent_as_a_probe(handlers, queue_up, service, reply, list_recordings):
    handlers.overrides |= {"MAX_CONCURRENT_TRANSCRIPTIONS": "4", "RECORDINGS_PER_RUN": "4"}
    service.replies = [reply(status=503)]
    queue_up(8)
    handlers.process()
    assert 1 <= len(service.received) <= 4  # sent before the first response
    before = len(service.received)
    handlers.after(minutes=1).process()
    assert len(service.received) == before + 1
    service.replies = [reply()]
    run = handlers.after(minutes=2).process()
    assert run["counts"]["completed"] == 1 + 4  # after a successful probe, the run continues immediately


def test_probe_that_is_not_sent_leaves_the_try_to_the_next_recording(
    handlers, queue_up, service, reply, list_recordings, outage, stack
):
    service.replies = [reply(status=503), reply()]
    queue_up(3)
    handlers.process()
    missing = recordings.get(recordings.next_entries(Status.QUEUED, 2)[1].id).key  # the first probe is the second entry
    aws_client("s3", stack.endpoint).delete_object(Bucket=stack.buckets["RecordingsBucket"], Key=missing)
    handlers.after(minutes=1).process()
    assert list_recordings()[missing]["error"]["code"] == "audio_missing"
    assert outage() is not None
    assert handlers.process()["counts"]["completed"] == 2
    assert outage() is None


def test_error_response_of_the_service_ends_the_outage(handlers, queue_up, service, reply, outage):
    service.replies = [reply(status=503), reply(status=500)]
    queue_up(1)
    handlers.process()
    assert handlers.after(minutes=1).process()["counts"]["failed"] == 1
    assert outage() is None


def test_recording_that_crashes_a_proxied_service_fails_and_does_not_block_others(
    handlers, queue_up, put, service, reply, list_recordings
):
    handlers.overrides["MAX_ATTEMPTS"] = "3"
    service.choose_reply = lambda received: reply(status=502 if b"audio of 000" in received.body else 200)
    queue_up(1)
    for minute in range(36):  # it fails after 23
        if minute % 3 == 0:
            put(f"{minute:02}.wav", b"harmless" * 10)
            handlers.sync_and_queue()
        handlers.process()
        handlers.advance_clock(minutes=1)
    others = list_recordings()
    poisoned = others.pop("000.wav")
    assert (poisoned["transcriptionStatus"], poisoned["nextAttemptAt"]) == ("failed", None)
    assert poisoned["error"]["code"] == "service_down"
    assert {(item["transcriptionStatus"], item["attempts"]) for item in others.values()} == {("completed", 1)}
    assert len(service.received) <= len(others) + 2 * 5


def test_transcribe_request_of_a_user_probes_the_service_at_once(
    handlers, queue_up, service, reply, list_recordings, outage
):
    service.replies = [reply(status=503, headers={"Retry-After": "86400"}), reply()]
    queue_up(5)
    handlers.process()
    assert handlers.after(minutes=1).process()["status"] == "skipped"
    last = recordings.next_entries(Status.QUEUED, 5)[-1].id
    assert handlers.api("POST", f"/api/call-recordings/{last}/transcribe").status == 202
    assert handlers.process(trigger="api")["counts"]["completed"] == 2  # the probe and the first entry of the queue
    assert outage() is None
    assert recordings.get(last).status is Status.COMPLETED


def test_service_with_a_retry_after_of_zero_is_tried_only_once_per_run(handlers, queue_up, service, reply):
    handlers.overrides["RECORDINGS_PER_RUN"] = "30"
    service.replies = [reply(status=503, headers={"Retry-After": "0"})]
    queue_up(3)
    handlers.process()
    handlers.process()
    assert len(service.received) == 2


def test_server_that_accepts_one_request_at_a_time_costs_no_attempts(
    handlers, queue_up, service, reply, list_recordings
):
    """With more slots than the server accepts, its 503 responses cost no attempts, however many there are."""
    handlers.overrides |= {"MAX_CONCURRENT_TRANSCRIPTIONS": "6", "RECORDINGS_PER_RUN": "6"}
    # the delay is long enough for the others to get a 503
    service.choose_reply = lambda _: reply(status=503) if service._in_progress.total() else reply(delay_seconds=0.2)
    queue_up(12)
    minutes = completed = 0
    while completed < 12:
        completed += handlers.process()["counts"]["completed"]
        handlers.advance_clock(minutes=1)
        minutes += 1
        assert minutes < 90
    assert {(item["transcriptionStatus"], item["attempts"]) for item in list_recordings().values()} == {
        ("completed", 1)
    }


def test_expired_claims_are_recovered_during_an_outage(handlers, queue_up, service, reply, list_recordings):
    service.replies = [reply(status=503)]
    queue_up(2)
    handlers.process()
    now = handlers.now()
    (_, other) = recordings.next_entries(Status.QUEUED, 5)
    recordings.apply_transition(other.id, state_machine.claim(other, "crashed", now, now + timedelta(seconds=5)))
    assert handlers.after(seconds=10).process()["counts"]["recovered"] == 1
    assert {item["transcriptionStatus"] for item in list_recordings().values()} == {"queued"}
