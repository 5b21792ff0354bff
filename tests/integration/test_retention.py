"""What is past the retention is deleted, once and for all; what still has a way to go is not, and no audio is."""

import json

import pytest

from callscribe.recording import Status
from callscribe.store import counts, recordings
from callscribe.store.models import RecordingModel
from tests.integration.conftest import client

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
    handlers.sync()
    handlers.queue()
    for _ in names:
        handlers.process()


def objects(stack, bucket):
    return {each["Key"] for each in client("s3", stack.endpoint).list_objects_v2(Bucket=bucket).get("Contents", ())}


def test_what_ended_so_long_ago_is_deleted_and_not_taken_up_again(kept, put, listed, service, reply, stack):
    service.replies = [reply(status=PERMANENT), reply()]
    transcribed(kept, put, "failed.wav", "completed.wav")
    assert {each["transcriptionStatus"] for each in listed().values()} == {"failed", "completed"}
    kept.pass_time(days=DAYS - 1)
    assert kept.queue()["counts"]["expired"] == 0
    assert len(listed()) == 2
    kept.pass_time(days=1, minutes=1)
    assert kept.queue()["counts"]["expired"] == 2
    assert listed() == {}
    swept = kept.sync()["counts"]
    assert (swept["listed"], swept["added"], swept["expired"]) == (2, 0, 2)
    assert objects(stack, stack.buckets["RecordingsBucket"]) == {"failed.wav", "completed.wav"}


def test_what_has_not_come_to_its_end_stays_however_old_it_is(kept, put, listed, service, reply):
    service.replies = [reply(status=500)]
    transcribed(kept, put, "retried.wav")
    put("queued.wav")
    kept.sync()
    kept.queue()
    put("pending.wav")
    kept.sync()
    kept.pass_time(days=10 * DAYS)
    assert kept.queue()["counts"]["expired"] == 0
    assert set(listed()) == {"retried.wav", "queued.wav", "pending.wav"}


def test_nothing_is_deleted_unless_it_is_asked_for(handlers, put, listed):
    transcribed(handlers, put, "a.wav")
    handlers.pass_time(days=4000)
    assert "expired" not in handlers.queue()["counts"]
    assert set(listed()) == {"a.wav"}


def test_the_counts_are_exact_wherever_a_run_dies(kept, put, monkeypatch):
    transcribed(kept, put, "1.wav", "2.wav", "3.wav")
    kept.pass_time(hours=1)
    kept.queue()  # the checkpoint counts them
    kept.pass_time(days=DAYS - 1)
    put("young.wav")
    kept.sync()
    kept.queue()
    kept.process()
    assert counts.summary().counts[Status.COMPLETED] == 4
    kept.pass_time(days=1)

    def die(place):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "expire", die)
        with pytest.raises(KeyboardInterrupt):
            kept.queue()
    assert counts.summary().counts[Status.COMPLETED] == 1  # what is past the retention counts no more
    assert kept.queue()["counts"]["expired"] == 3
    assert counts.summary().counts[Status.COMPLETED] == 1
    counts.forget_checkpoint(kept.now())
    assert counts.summary().counts[Status.COMPLETED] == 1
    kept.pass_time(hours=1)
    kept.queue()
    assert counts.summary().counts[Status.COMPLETED] == 1


def test_a_checkpoint_that_counts_only_what_expires_is_forgotten(kept, put):
    transcribed(kept, put, "1.wav", "2.wav")
    kept.pass_time(hours=1)
    kept.queue()
    kept.pass_time(days=2 * DAYS)
    kept.queue()
    assert counts.summary().counts[Status.COMPLETED] == 0
    kept.queue()
    assert counts.summary().counts[Status.COMPLETED] == 0


def test_one_that_is_wanted_anew_at_that_moment_stays(kept, put, listed, monkeypatch):
    transcribed(kept, put, "a.wav")
    (shown,) = listed().values()
    kept.pass_time(days=DAYS, minutes=1)
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


def test_a_file_that_is_too_old_cannot_be_registered_and_the_answer_says_why(kept, functions, put):
    put("old.wav")
    kept.pass_time(days=DAYS + 1)
    answer = kept.api("POST", "/api/call-recordings", body={"path": f"{kept.recordings_path}old.wav"})
    assert (answer.status, answer.json["error"]["code"]) == (409, "expired")


def test_runs_and_calls_are_kept_no_longer_than_the_retention(handlers, put, stack):
    handlers.overrides["RETENTION_DAYS"] = "3"
    transcribed(handlers, put, "a.wav")
    items = client("dynamodb", stack.endpoint).scan(TableName=stack.tables["RunsTable"])["Items"]
    lives = {int(each["expires_at"]["N"]) - handlers.now().timestamp() for each in items}
    assert len(items) == 4
    assert all(3 * 86400 - 60 < life <= 3 * 86400 for life in lives)
    assert "a.wav" not in json.dumps([each for each in items if "recording_id" in each])
