"""Status counts: exact at any moment, and cheap however many recordings were ever completed."""

from datetime import UTC, datetime, timedelta

import pytest

from callscribe.recordings import claims, sort_keys, state_machine
from callscribe.recordings.recording import Status, TranscriptRef
from callscribe.store import control_items, recordings, status_counts
from callscribe.store.tables import RecordingModel

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
REF = TranscriptRef(version="v", language=None, duration=None, preview="", no_speech=True)


@pytest.fixture(autouse=True)
def bound(handlers):
    handlers.queue()  # binds the models to the tables


def completed(number, at):
    """As a worker leaves them, one a second before `at`."""
    made = []
    for each in range(number):
        then = at - timedelta(seconds=each)
        made.append(state_machine.create("s3://b", f"{at}{each}.wav", size=1, etag=None, modified_at=then, now=then))
        recordings.create(made[-1])
        place = sort_keys.QueueEntry(made[-1].id, Status.PENDING, made[-1].sort_key)
        queued = recordings.apply_transition(place.id, state_machine.enqueue(place, then))
        place = sort_keys.QueueEntry(queued.id, Status.QUEUED, queued.sort_key)
        claimed = recordings.apply_transition(place.id, claims.claim(place, "t", then, then + timedelta(minutes=16)))
        assert claimed
        recordings.apply_transition(claimed.id, claims.complete(claimed, REF, then))
    return made


def checkpoint():
    return control_items.read(control_items.COMPLETED_COUNT)[control_items.COMPLETED_COUNT]


def counted():
    return status_counts.load_status_counts().counts[Status.COMPLETED]


def force(recording):
    seen = recordings.get(recording.id)
    assert seen
    recordings.apply_transition(
        seen.id, state_machine.user_transition(seen, Status.QUEUED, NOW, at_front=True, force=True)
    )


def test_the_checkpoint_counts_what_has_settled_and_the_summary_adds_the_rest():
    completed(5, NOW - timedelta(hours=2))
    completed(3, NOW)
    status_counts.advance_checkpoint(NOW)
    assert checkpoint().completed_count == 5
    assert counted() == 8
    completed(2, NOW + timedelta(minutes=30))
    status_counts.advance_checkpoint(NOW + timedelta(hours=1))
    assert (checkpoint().completed_count, counted()) == (10, 10)
    status_counts.advance_checkpoint(NOW + timedelta(hours=2))
    assert (checkpoint().completed_count, counted()) == (10, 10)


def test_what_leaves_is_counted_no_more():
    old, *_ = completed(4, NOW - timedelta(hours=2))
    status_counts.advance_checkpoint(NOW)
    force(old)
    assert counted() == 3
    assert status_counts.load_status_counts().counts[Status.QUEUED] == 1
    status_counts.advance_checkpoint(NOW + timedelta(seconds=30))
    assert checkpoint().completed_count is None  # the one that forces it may still be at it
    status_counts.advance_checkpoint(NOW + timedelta(hours=1))
    assert (checkpoint().completed_count, counted()) == (3, 3)


def test_a_checkpoint_that_was_being_counted_when_one_left_is_not_kept(monkeypatch):
    old, *_ = completed(4, NOW - timedelta(hours=2))
    count = RecordingModel.by_status.count

    def counted_meanwhile(*condition):
        number = count(*condition)
        monkeypatch.undo()
        force(old)
        return number

    monkeypatch.setattr(RecordingModel.by_status, "count", counted_meanwhile)
    status_counts.advance_checkpoint(NOW)
    assert checkpoint().completed_count is None
    assert counted() == 3


def test_reading_the_counts_does_not_read_what_the_checkpoint_counts(monkeypatch):
    completed(30, NOW - timedelta(hours=2))
    status_counts.advance_checkpoint(NOW)
    completed(2, NOW)
    read = []
    query = RecordingModel.by_status.count

    def watched(status, condition):
        number = query(status, condition)
        read.append((status, number))
        return number

    monkeypatch.setattr(RecordingModel.by_status, "count", watched)
    assert counted() == 32
    assert dict(read)["completed"] == 2
    assert len(read) == 5


def test_the_queue_run_moves_the_checkpoint(handlers):
    completed(3, NOW - timedelta(days=400))
    handlers.queue()
    assert checkpoint().completed_count == 3
