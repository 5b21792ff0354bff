"""The three tasks on moto: every transition is one conditional write, and every outcome leaves the right state."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from callscribe.recordings import state_machine, transitions
from callscribe.recordings.recording import Status, TranscriptRef, source_hash
from callscribe.store import recordings, status_counts
from callscribe.store.tables import RecordingModel
from local.cloud.client import aws_client

# queue ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_queue_queues_a_thousand_recordings_oldest_call_first(handlers, count_requests):
    handlers.queue()  # configures the tables
    now = datetime(2026, 11, 22, tzinfo=UTC)
    with RecordingModel.batch_write() as batch:
        for number in range(1005):
            called_at = now - timedelta(seconds=(number * 7919) % 1005)  # in no order
            new = transitions.create("s3://b", f"{number}.wav", size=1, etag=None, modified_at=called_at, now=now)
            batch.save(RecordingModel(source_hash=source_hash(new.location), **recordings._to_attributes(new)))
    oldest = recordings.next_entries(Status.PENDING, 1)[0]
    with count_requests() as requests:
        assert handlers.queue()["counts"] == {"queued": 1000, "conflicts": 0}
    assert requests["UpdateItem"] == 1000
    assert requests.total() <= 1012
    assert status_counts.load_status_counts().counts[Status.PENDING] == 5
    assert recordings.next_entries(Status.QUEUED, 1)[0].id == oldest.id
    call_times = [recordings.get(entry.id).recorded_at for entry in recordings.next_entries(Status.QUEUED, 20)]
    assert call_times == sorted(call_times)
    assert handlers.queue()["counts"]["queued"] == 5
    assert handlers.queue()["counts"]["queued"] == 0


# process -------------------------------------------------------------------------------------------------------------


def test_recording_is_transcribed(handlers, put, list_recordings, service, stack):
    put("calls/in-5550142.wav", b"RIFF the audio itself" * 5)
    run = handlers.transcribe()
    assert run["status"] == "succeeded"
    assert run["counts"]["completed"] == 1
    item = list_recordings()["in-5550142.wav"]
    assert (item["transcriptionStatus"], item["attempts"], item["error"]) == ("completed", 1, None)
    assert item["transcript"]["preview"] == "hello there"
    assert b"RIFF the audio itself" in service.received[0].body
    assert b"5550142" not in service.received[0].body
    s3 = aws_client("s3", stack.endpoint)
    key = f"transcripts/{item['id']}/{item['transcript']['version']}.json"
    document = json.loads(s3.get_object(Bucket=stack.buckets["TranscriptsBucket"], Key=key)["Body"].read())
    assert document["text"] == "hello there"
    assert document["producedBy"]["recordingId"] == item["id"]


def test_process_transcribes_only_the_oldest_queued_recording(handlers, put, list_recordings, service):
    put("b.wav", b"b.wav" * 20, age=10)
    put("a.wav", b"a.wav" * 20)
    handlers.transcribe()
    assert {name: item["transcriptionStatus"] for name, item in list_recordings().items()} == {
        "b.wav": "completed",
        "a.wav": "queued",
    }
    assert len(service.received) == 1


def test_failed_attempt_is_repeated_when_due_and_the_queue_is_empty(handlers, put, list_recordings, service, reply):
    service.replies = [reply(status=500), reply()]
    put("a.wav")
    handlers.transcribe()
    item = list_recordings()["a.wav"]
    assert (item["transcriptionStatus"], item["attempts"]) == ("failed", 1)
    assert item["error"]["code"] == "service_error"
    assert item["nextAttemptAt"] is not None
    put("b.wav")
    handlers.sync_and_queue()
    handlers.after(seconds=1.1).process()
    assert list_recordings()["b.wav"]["transcriptionStatus"] == "completed"
    assert list_recordings()["a.wav"]["transcriptionStatus"] == "failed"
    handlers.process()
    item = list_recordings()["a.wav"]
    assert (item["transcriptionStatus"], item["attempts"], item["error"]) == ("completed", 2, None)


def test_failed_attempt_is_not_repeated_before_it_is_due(handlers, put, service, reply):
    handlers.overrides["RETRY_BASE_SECONDS"] = "60"
    service.replies = [reply(status=500)]
    put("a.wav")
    handlers.transcribe()
    handlers.process()
    assert len(service.received) == 1


def test_last_failed_attempt_is_not_repeated(handlers, put, list_recordings, service, reply):
    service.replies = [reply(status=500)]
    handlers.overrides["MAX_ATTEMPTS"] = "2"
    put("a.wav")
    handlers.transcribe()
    handlers.after(seconds=1.1).process()
    item = list_recordings()["a.wav"]
    assert (item["transcriptionStatus"], item["attempts"], item["nextAttemptAt"]) == ("failed", 2, None)
    handlers.after(seconds=2.1).process()
    assert len(service.received) == 2


def test_no_attempt_starts_without_enough_time(handlers, put, list_recordings, service):
    put("a.wav")
    handlers.sync_and_queue()
    handlers.process(remaining_ms=59_000)
    assert list_recordings()["a.wav"]["transcriptionStatus"] == "queued"
    assert service.received == []


def test_unreadable_secret_fails_the_run_without_an_attempt(handlers, put, list_recordings, stack):
    handlers.overrides["WHISPERX_SECRET"] = "no-such-secret"
    put("a.wav")
    run = handlers.transcribe()
    assert (run["status"], run["errorCode"]) == ("failed", "configuration_error")
    assert (list_recordings()["a.wav"]["transcriptionStatus"], list_recordings()["a.wav"]["attempts"]) == ("queued", 0)


@pytest.mark.parametrize("key", ["planted-key\n", " planted-key", "planted“key", 'planted"key', "planted key"])
def test_invalid_key_fails_the_run_and_is_not_quoted(handlers, put, list_recordings, stack, service, caplog, key):
    secrets = aws_client("secretsmanager", stack.endpoint)
    secrets.put_secret_value(SecretId=stack.secrets["WhisperXSecret"], SecretString=json.dumps({"apiKey": key}))
    handlers.clear_caches()
    put("a.wav")
    run = handlers.transcribe()
    secrets.put_secret_value(SecretId=stack.secrets["WhisperXSecret"], SecretString='{"apiKey": ""}')
    handlers.clear_caches()
    if key.strip().isascii() and " " not in key.strip():
        assert service.received[0].headers["authorization"] == f"Bearer {key.strip()}"
    else:
        assert (run["status"], run["errorCode"]) == ("failed", "configuration_error")
        assert (list_recordings()["a.wav"]["transcriptionStatus"], list_recordings()["a.wav"]["attempts"]) == (
            "queued",
            0,
        )
    assert "planted" not in json.dumps(run) + caplog.text


def test_unhandled_exception_fails_the_attempt_and_its_text_is_not_logged(
    handlers, put, list_recordings, monkeypatch, capfd
):
    text = "planted 12025550143"

    def fail(*_, **__):
        raise ValueError(text)  # the log contains this line of code, so the text itself must be elsewhere

    monkeypatch.setattr("callscribe.whisperx.dialects.asr.AsrService.send", fail)
    put("a.wav")
    handlers.transcribe()
    item = list_recordings()["a.wav"]
    assert (item["transcriptionStatus"], item["error"]["code"]) == ("failed", "internal_error")
    assert "planted" not in item["error"]["message"] + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("WHISPERX_URL", "http://host:99999"),
        ("MAX_ATTEMPTS", "0"),
        ("WHISPERX_DIALECT", "x"),
        ("CHANNELS", "agent-left"),
        ("PROCESS_INTERVAL_SECONDS", "7"),
    ],
)
def test_invalid_setting_fails_the_run_without_an_attempt(handlers, put, list_recordings, variable, value):
    put("a.wav")
    handlers.sync_and_queue()
    handlers.overrides[variable] = value
    run = handlers.process()
    assert (run["status"], run["errorCode"]) == ("failed", "configuration_error")
    del handlers.overrides[variable]  # the API shows MAX_ATTEMPTS, and would fail as well
    assert list_recordings()["a.wav"]["attempts"] == 0


# claims --------------------------------------------------------------------------------------------------------------


def claim(handlers, put, *, lease):
    put("a.wav")
    handlers.sync_and_queue()
    now = handlers.now()
    (entry,) = recordings.next_entries(Status.QUEUED, 5)
    return recordings.apply_transition(entry.id, state_machine.claim(entry, "first", now, now + lease))


def test_expired_claim_is_recovered_and_its_late_worker_cannot_write(handlers, put):
    expired = claim(handlers, put, lease=timedelta(seconds=-1))
    run = handlers.process()
    assert run["counts"]["recovered"] == 1
    assert run["counts"]["completed"] == 1
    before = recordings.get(expired.id)
    assert before.attempts == 2
    ref = TranscriptRef(version="late", language=None, duration=None, preview="", no_speech=True)
    assert recordings.apply_transition(expired.id, state_machine.complete(expired, ref, handlers.now())) is None
    assert recordings.get(expired.id) == before


def test_claim_with_a_valid_lease_is_not_recovered(handlers, put, list_recordings, service):
    claim(handlers, put, lease=timedelta(minutes=5))
    assert handlers.process()["counts"]["recovered"] == 0
    assert list_recordings()["a.wav"]["transcriptionStatus"] == "processing"
    assert service.received == []
