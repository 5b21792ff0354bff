"""Retention deletes records with a terminal status after `RetentionDays`, but never audio."""

import json

import pytest

from callscribe.errors import StoreError
from callscribe.recordings.recording import Status
from callscribe.store import recordings, status_counts
from callscribe.store.tables import RecordingModel
from functions.queue import app as queue
from testing.handlers import client

PERMANENT = 415
DAYS = 30


@pytest.fixture
def retaining(handlers):
    """The handlers with a retention."""
    handlers.overrides["RETENTION_DAYS"] = str(DAYS)
    return handlers


def transcribe(handlers, put, *names):
    """Put these recordings and process each once."""
    for name in names:
        put(name)
    handlers.sync_and_queue()
    for _ in names:
        handlers.process()


def objects(stack, bucket):
    return {item["Key"] for item in client("s3", stack.endpoint).list_objects_v2(Bucket=bucket).get("Contents", ())}


def test_expired_records_are_deleted_and_not_ingested_again(retaining, put, list_recordings, service, reply, stack):
    service.replies = [reply(status=PERMANENT), reply()]
    transcribe(retaining, put, "failed.wav", "completed.wav")
    assert {item["transcriptionStatus"] for item in list_recordings().values()} == {"failed", "completed"}
    assert retaining.after(days=DAYS - 1).queue()["counts"]["expired"] == 0
    assert len(list_recordings()) == 2
    assert retaining.after(days=1, minutes=1).queue()["counts"]["expired"] == 2
    assert list_recordings() == {}
    counts = retaining.sync()["counts"]
    assert (counts["listed"], counts["added"], counts["past_retention"]) == (2, 0, 2)
    assert objects(stack, stack.buckets["RecordingsBucket"]) == {"failed.wav", "completed.wav"}


def test_records_without_a_terminal_status_never_expire(retaining, put, list_recordings, service, reply):
    service.replies = [reply(status=500)]
    transcribe(retaining, put, "retried.wav")
    put("queued.wav")
    retaining.sync_and_queue()
    put("pending.wav")
    retaining.sync()
    assert retaining.after(days=10 * DAYS).queue()["counts"]["expired"] == 0
    assert set(list_recordings()) == {"retried.wav", "queued.wav", "pending.wav"}


def test_nothing_is_deleted_without_a_retention(handlers, put, list_recordings):
    transcribe(handlers, put, "a.wav")
    assert "expired" not in handlers.after(days=4000).queue()["counts"]
    assert set(list_recordings()) == {"a.wav"}


def test_status_counts_are_exact_after_a_run_died(retaining, put, monkeypatch):
    transcribe(retaining, put, "1.wav", "2.wav", "3.wav")
    retaining.after(hours=1).queue()  # the checkpoint counts them
    retaining.advance_clock(days=DAYS - 1)
    put("young.wav")
    retaining.transcribe()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 4
    retaining.advance_clock(days=1)

    def die(entry):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "delete_entry", die)
        with pytest.raises(KeyboardInterrupt):
            retaining.queue()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 1  # expired records are not counted
    assert retaining.queue()["counts"]["expired"] == 3
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 1
    status_counts.invalidate_checkpoint(retaining.now())
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 1
    retaining.after(hours=1).queue()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 1


def test_checkpoint_of_expired_records_only_is_dropped(retaining, put):
    transcribe(retaining, put, "1.wav", "2.wav")
    retaining.after(hours=1).queue()
    retaining.after(days=2 * DAYS).queue()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 0
    retaining.queue()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 0


def test_recording_requeued_during_the_deletion_is_not_deleted(retaining, put, list_recordings, monkeypatch):
    transcribe(retaining, put, "a.wav")
    (recording,) = list_recordings().values()
    retaining.advance_clock(days=DAYS, minutes=1)
    query = RecordingModel.by_status.query

    def query_then_requeue(status, *condition, **options):
        models = list(query(status, *condition, **options))
        if models and status == "completed":
            monkeypatch.undo()
            retaining.api("POST", f"/api/call-recordings/{recording['id']}/transcribe", body={"force": True})
        return iter(models)

    monkeypatch.setattr(RecordingModel.by_status, "query", query_then_requeue)
    retaining.queue()
    assert list_recordings()["a.wav"]["transcriptionStatus"] == "queued"


def test_user_can_register_a_file_that_is_too_old_for_sync(retaining, functions, put, list_recordings):
    put("old.wav")
    assert retaining.after(days=DAYS + 1).sync()["counts"]["past_retention"] == 1
    response = retaining.api("POST", "/api/call-recordings", body={"path": f"{retaining.recordings_path}old.wav"})
    assert (response.status, set(list_recordings())) == (201, {"old.wav"})


@pytest.mark.parametrize("days", ["", "90"])
def test_longer_or_no_retention_does_not_bring_records_back(retaining, put, list_recordings, days):
    transcribe(retaining, put, "old.wav")
    assert retaining.after(days=DAYS + 1).queue()["counts"]["expired"] == 1
    retaining.overrides["RETENTION_DAYS"] = days
    retaining.queue()
    assert retaining.sync()["counts"]["past_retention"] == 1
    assert list_recordings() == {}


@pytest.mark.parametrize("days", ["", "90"])
def test_records_that_a_longer_retention_keeps_are_counted_again(retaining, put, list_recordings, monkeypatch, days):
    transcribe(retaining, put, "1.wav", "2.wav")
    retaining.after(hours=1).queue()
    retaining.advance_clock(days=DAYS + 1)
    with monkeypatch.context() as patch:
        patch.setattr(recordings, "delete_entry", lambda _: False)
        retaining.queue()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 0
    retaining.overrides["RETENTION_DAYS"] = days
    retaining.queue()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == len(list_recordings()) == 2
    retaining.after(hours=1).queue()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 2


def test_pending_recordings_are_queued_even_if_the_deletion_fails(retaining, put, list_recordings, monkeypatch):
    transcribe(retaining, put, "old.wav")
    retaining.advance_clock(days=DAYS + 1)
    retaining.overrides["RETENTION_DAYS"] = str(10 * DAYS)
    put("new.wav")
    retaining.sync()
    retaining.overrides["RETENTION_DAYS"] = str(DAYS)

    def fail(entry):
        raise StoreError("DynamoDB refused the request.")

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "delete_entry", fail)
        assert retaining.queue()["status"] == "failed"
    assert list_recordings()["new.wav"]["transcriptionStatus"] == "queued"


def test_paused_task_still_deletes_expired_records(retaining, put, list_recordings):
    transcribe(retaining, put, "old.wav")
    retaining.advance_clock(days=DAYS + 1)
    retaining.api("PUT", "/api/scheduler/tasks/queue_transcriptions", body={"paused": True})
    assert retaining.queue()["status"] == "skipped"
    assert list_recordings() == {}


def test_runs_and_server_requests_expire_with_the_retention(handlers, put, stack):
    handlers.overrides["RETENTION_DAYS"] = "3"
    transcribe(handlers, put, "a.wav")
    items = client("dynamodb", stack.endpoint).scan(TableName=stack.tables["RunsTable"])["Items"]
    lifetimes = [int(item["expires_at"]["N"]) - handlers.now().timestamp() for item in items]
    assert len(items) == 4
    # some start at the handlers' time, others at the time of the machine
    assert all(abs(lifetime - 3 * 86400) < 3600 for lifetime in lifetimes)
    assert "a.wav" not in json.dumps([item for item in items if "recording_id" in item])


def test_deletion_ends_before_lambda_would_stop_the_run(retaining, put, list_recordings):
    transcribe(retaining, put, "old.wav")
    retaining.advance_clock(days=DAYS + 1)
    remaining_ms = int(queue.SHUTDOWN_MARGIN.total_seconds() * 1000)
    assert retaining.queue(remaining_ms=remaining_ms)["counts"]["expired"] == 0
    assert retaining.queue()["counts"]["expired"] == 1
