"""What is past the retention is deleted, once and for all; what still has a way to go is not, and no audio is."""

import json

import pytest

from callscribe.errors import StoreError
from callscribe.recordings.recording import Status
from callscribe.store import recordings, status_counts
from callscribe.store.tables import RecordingModel
from testing.handlers import client

PERMANENT = 415
DAYS = 30


@pytest.fixture
def kept(handlers):
    handlers.overrides["RETENTION_DAYS"] = str(DAYS)
    return handlers


def transcribed(handlers, put, *names):
    """All of them, unless the service says otherwise."""
    for name in names:
        put(name)
    handlers.sync_and_queue()
    for _ in names:
        handlers.process()


def objects(stack, bucket):
    return {each["Key"] for each in client("s3", stack.endpoint).list_objects_v2(Bucket=bucket).get("Contents", ())}


def test_what_ended_so_long_ago_is_deleted_and_not_taken_up_again(kept, put, listed, service, reply, stack):
    service.replies = [reply(status=PERMANENT), reply()]
    transcribed(kept, put, "failed.wav", "completed.wav")
    assert {each["transcriptionStatus"] for each in listed().values()} == {"failed", "completed"}
    assert kept.after(days=DAYS - 1).queue()["counts"]["expired"] == 0
    assert len(listed()) == 2
    assert kept.after(days=1, minutes=1).queue()["counts"]["expired"] == 2
    assert listed() == {}
    swept = kept.sync()["counts"]
    assert (swept["listed"], swept["added"], swept["past_retention"]) == (2, 0, 2)
    assert objects(stack, stack.buckets["RecordingsBucket"]) == {"failed.wav", "completed.wav"}


def test_what_has_not_come_to_its_end_stays_however_old_it_is(kept, put, listed, service, reply):
    service.replies = [reply(status=500)]
    transcribed(kept, put, "retried.wav")
    put("queued.wav")
    kept.sync_and_queue()
    put("pending.wav")
    kept.sync()
    assert kept.after(days=10 * DAYS).queue()["counts"]["expired"] == 0
    assert set(listed()) == {"retried.wav", "queued.wav", "pending.wav"}


def test_nothing_is_deleted_unless_it_is_asked_for(handlers, put, listed):
    transcribed(handlers, put, "a.wav")
    assert "expired" not in handlers.after(days=4000).queue()["counts"]
    assert set(listed()) == {"a.wav"}


def test_the_counts_are_exact_wherever_a_run_dies(kept, put, monkeypatch):
    transcribed(kept, put, "1.wav", "2.wav", "3.wav")
    kept.after(hours=1).queue()  # the checkpoint counts them
    kept.advance_clock(days=DAYS - 1)
    put("young.wav")
    kept.transcribe()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 4
    kept.advance_clock(days=1)

    def die(place):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "delete_entry", die)
        with pytest.raises(KeyboardInterrupt):
            kept.queue()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 1  # what is past the retention counts no more
    assert kept.queue()["counts"]["expired"] == 3
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 1
    status_counts.invalidate_checkpoint(kept.now())
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 1
    kept.after(hours=1).queue()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 1


def test_a_checkpoint_that_counts_only_what_expires_is_forgotten(kept, put):
    transcribed(kept, put, "1.wav", "2.wav")
    kept.after(hours=1).queue()
    kept.after(days=2 * DAYS).queue()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 0
    kept.queue()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 0


def test_one_that_is_wanted_anew_at_that_moment_stays(kept, put, listed, monkeypatch):
    transcribed(kept, put, "a.wav")
    (shown,) = listed().values()
    kept.advance_clock(days=DAYS, minutes=1)
    query = RecordingModel.by_status.query

    def wanted_meanwhile(status, *condition, **options):
        found = list(query(status, *condition, **options))
        if found and status == "completed":
            monkeypatch.undo()
            kept.api("POST", f"/api/call-recordings/{shown['id']}/transcribe", body={"force": True})
        return iter(found)

    monkeypatch.setattr(RecordingModel.by_status, "query", wanted_meanwhile)
    kept.queue()
    assert listed()["a.wav"]["transcriptionStatus"] == "queued"


def test_a_person_may_have_a_file_taken_up_that_is_too_old_for_sync(kept, functions, put, listed):
    put("old.wav")
    assert kept.after(days=DAYS + 1).sync()["counts"]["past_retention"] == 1
    answer = kept.api("POST", "/api/call-recordings", body={"path": f"{kept.recordings_path}old.wav"})
    assert (answer.status, set(listed())) == (201, {"old.wav"})


@pytest.mark.parametrize("days", ["", "90"])
def test_a_longer_retention_or_none_brings_nothing_back(kept, put, listed, days):
    transcribed(kept, put, "old.wav")
    assert kept.after(days=DAYS + 1).queue()["counts"]["expired"] == 1
    kept.overrides["RETENTION_DAYS"] = days
    kept.queue()
    assert kept.sync()["counts"]["past_retention"] == 1
    assert listed() == {}


@pytest.mark.parametrize("days", ["", "90"])
def test_what_a_longer_retention_keeps_after_all_counts_again(kept, put, listed, monkeypatch, days):
    transcribed(kept, put, "1.wav", "2.wav")
    kept.after(hours=1).queue()
    kept.advance_clock(days=DAYS + 1)
    with monkeypatch.context() as patch:
        patch.setattr(recordings, "delete_entry", lambda _: False)
        kept.queue()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 0
    kept.overrides["RETENTION_DAYS"] = days
    kept.queue()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == len(listed()) == 2
    kept.after(hours=1).queue()
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 2


def test_what_waits_is_queued_although_nothing_can_be_deleted(kept, put, listed, monkeypatch):
    transcribed(kept, put, "old.wav")
    kept.advance_clock(days=DAYS + 1)
    kept.overrides["RETENTION_DAYS"] = str(10 * DAYS)
    put("new.wav")
    kept.sync()
    kept.overrides["RETENTION_DAYS"] = str(DAYS)

    def fail(place):
        raise StoreError("DynamoDB refuses it.")

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "delete_entry", fail)
        assert kept.queue()["status"] == "failed"
    assert listed()["new.wav"]["transcriptionStatus"] == "queued"


def test_a_paused_task_deletes_all_the_same(kept, put, listed):
    transcribed(kept, put, "old.wav")
    kept.advance_clock(days=DAYS + 1)
    kept.api("PUT", "/api/scheduler/tasks/queue_transcriptions", body={"paused": True})
    assert kept.queue()["status"] == "skipped"
    assert listed() == {}


def test_runs_and_calls_are_kept_no_longer_than_the_retention(handlers, put, stack):
    handlers.overrides["RETENTION_DAYS"] = "3"
    transcribed(handlers, put, "a.wav")
    items = client("dynamodb", stack.endpoint).scan(TableName=stack.tables["RunsTable"])["Items"]
    lives = {int(each["expires_at"]["N"]) - handlers.now().timestamp() for each in items}
    assert len(items) == 4
    # some are dated by the handlers' clock, and some by that of the machine
    assert all(abs(life - 3 * 86400) < 3600 for life in lives)
    assert "a.wav" not in json.dumps([each for each in items if "recording_id" in each])
