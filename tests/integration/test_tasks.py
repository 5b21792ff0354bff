"""The three tasks on moto: each transition as one conditional write, each ending with what is left behind."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from callscribe.recordings import state_machine
from callscribe.recordings.recording import Status, TranscriptRef, source_hash
from callscribe.store import recordings, status_counts
from callscribe.store.tables import RecordingModel
from local.cloud.client import aws_client

# queue ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_queue_takes_a_thousand_the_oldest_call_first(handlers, counted):
    handlers.queue()  # binds the models to the tables
    now = datetime(2026, 11, 22, tzinfo=UTC)
    with RecordingModel.batch_write() as batch:
        for number in range(1005):
            called = now - timedelta(seconds=(number * 7919) % 1005)  # in no order
            new = state_machine.create("s3://b", f"{number}.wav", size=1, etag=None, modified_at=called, now=now)
            batch.save(RecordingModel(source_hash=source_hash(new.location), **recordings._to_attributes(new)))
    oldest = recordings.next_entries(Status.PENDING, 1)[0]
    with counted() as requests:
        assert handlers.queue()["counts"] == {"queued": 1000, "conflicts": 0}
    assert requests["UpdateItem"] == 1000
    assert requests.total() <= 1012
    assert status_counts.load_status_counts().counts[Status.PENDING] == 5
    assert recordings.next_entries(Status.QUEUED, 1)[0].id == oldest.id
    line = [recordings.get(place.id).recorded_at for place in recordings.next_entries(Status.QUEUED, 20)]
    assert line == sorted(line)
    assert handlers.queue()["counts"]["queued"] == 5
    assert handlers.queue()["counts"]["queued"] == 0


# process -------------------------------------------------------------------------------------------------------------


def test_a_recording_becomes_a_transcript(handlers, put, listed, service, stack):
    put("calls/in-5550142.wav", b"RIFF the audio itself" * 5)
    run = handlers.transcribe()
    assert run["status"] == "succeeded"
    assert run["counts"]["completed"] == 1
    item = listed()["in-5550142.wav"]
    assert (item["transcriptionStatus"], item["attempts"], item["error"]) == ("completed", 1, None)
    assert item["transcript"]["preview"] == "hello there"
    assert b"RIFF the audio itself" in service.received[0].body
    assert b"5550142" not in service.received[0].body
    s3 = aws_client("s3", stack.endpoint)
    key = f"transcripts/{item['id']}/{item['transcript']['version']}.json"
    document = json.loads(s3.get_object(Bucket=stack.buckets["TranscriptsBucket"], Key=key)["Body"].read())
    assert document["text"] == "hello there"
    assert document["origin"]["recordingId"] == item["id"]


def test_one_run_takes_one_recording_the_oldest_queued(handlers, put, listed, service):
    put("b.wav", b"b.wav" * 20, age=10)
    put("a.wav", b"a.wav" * 20)
    handlers.transcribe()
    assert {name: item["transcriptionStatus"] for name, item in listed().items()} == {
        "b.wav": "completed",
        "a.wav": "queued",
    }
    assert len(service.received) == 1


def test_a_failed_attempt_is_repeated_when_it_is_due_and_nothing_is_queued(handlers, put, listed, service, reply):
    service.replies = [reply(status=500), reply()]
    put("a.wav")
    handlers.transcribe()
    item = listed()["a.wav"]
    assert (item["transcriptionStatus"], item["attempts"]) == ("failed", 1)
    assert item["error"]["code"] == "service_error"
    assert item["nextAttemptAt"] is not None
    put("b.wav")
    handlers.sync_and_queue()
    handlers.after(seconds=1.1).process()
    assert listed()["b.wav"]["transcriptionStatus"] == "completed"
    assert listed()["a.wav"]["transcriptionStatus"] == "failed"
    handlers.process()
    item = listed()["a.wav"]
    assert (item["transcriptionStatus"], item["attempts"], item["error"]) == ("completed", 2, None)


def test_a_retry_is_not_made_before_it_is_due(handlers, put, service, reply):
    handlers.overrides["RETRY_BASE_SECONDS"] = "60"
    service.replies = [reply(status=500)]
    put("a.wav")
    handlers.transcribe()
    handlers.process()
    assert len(service.received) == 1


def test_the_last_attempt_ends_it_for_good(handlers, put, listed, service, reply):
    service.replies = [reply(status=500)]
    handlers.overrides["MAX_ATTEMPTS"] = "2"
    put("a.wav")
    handlers.transcribe()
    handlers.after(seconds=1.1).process()
    item = listed()["a.wav"]
    assert (item["transcriptionStatus"], item["attempts"], item["nextAttemptAt"]) == ("failed", 2, None)
    handlers.after(seconds=2.1).process()
    assert len(service.received) == 2


def test_nothing_is_begun_that_cannot_be_finished_in_time(handlers, put, listed, service):
    put("a.wav")
    handlers.sync_and_queue()
    handlers.process(remaining_ms=59_000)
    assert listed()["a.wav"]["transcriptionStatus"] == "queued"
    assert service.received == []


def test_a_wrong_secret_ends_the_run_and_takes_no_attempt(handlers, put, listed, stack):
    handlers.overrides["WHISPERX_SECRET"] = "no-such-secret"
    put("a.wav")
    run = handlers.transcribe()
    assert "WhisperX secret cannot be read" in run["error"]
    assert listed()["a.wav"]["transcriptionStatus"] == "queued"
    assert listed()["a.wav"]["attempts"] == 0


@pytest.mark.parametrize("key", ["planted-key\n", " planted-key", "planted“key", 'planted"key', "planted key"])
def test_a_key_that_cannot_be_sent_ends_the_run_without_quoting_it(handlers, put, listed, stack, service, caplog, key):
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
        assert (listed()["a.wav"]["transcriptionStatus"], listed()["a.wav"]["attempts"]) == ("queued", 0)
    assert "planted" not in json.dumps(run) + caplog.text


def test_a_fault_of_ours_fails_the_attempt_and_is_logged_without_its_text(handlers, put, listed, monkeypatch, capfd):
    text = "planted 12025550143"

    def choke(*_, **__):
        raise ValueError(text)  # the log shows this line of code, which must not hold the text itself

    monkeypatch.setattr("callscribe.whisperx.dialects.asr.AsrService.send", choke)
    put("a.wav")
    handlers.transcribe()
    item = listed()["a.wav"]
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
def test_a_faulty_setting_is_recorded_and_takes_no_attempt(handlers, put, listed, variable, value):
    handlers.overrides[variable] = value
    put("a.wav")
    run = handlers.transcribe()
    assert (run["status"], run["errorCode"]) == ("failed", "configuration_error")
    del handlers.overrides[variable]  # the API shows MAX_ATTEMPTS, and would refuse it too
    assert listed()["a.wav"]["attempts"] == 0


# claims --------------------------------------------------------------------------------------------------------------


def claim(handlers, put, *, lease):
    put("a.wav")
    handlers.sync_and_queue()
    now = handlers.now()
    (place,) = recordings.next_entries(Status.QUEUED, 5)
    return recordings.apply_transition(place.id, state_machine.claim(place, "first", now, now + lease))


def test_a_lost_claim_is_recovered_and_its_late_worker_writes_nothing(handlers, put, listed):
    lost = claim(handlers, put, lease=timedelta(seconds=-1))
    run = handlers.process()
    assert run["counts"]["recovered"] == 1
    assert run["counts"]["completed"] == 1
    before = recordings.get(lost.id)
    assert before.attempts == 2
    ref = TranscriptRef(version="late", language=None, duration=None, preview="", no_speech=True)
    assert recordings.apply_transition(lost.id, state_machine.complete(lost, ref, handlers.now())) is None
    assert recordings.get(lost.id) == before


def test_a_claim_whose_lease_holds_is_left_alone(handlers, put, listed, service):
    claim(handlers, put, lease=timedelta(minutes=5))
    assert handlers.process()["counts"]["recovered"] == 0
    assert listed()["a.wav"]["transcriptionStatus"] == "processing"
    assert service.received == []
