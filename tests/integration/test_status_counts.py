"""Status counts: always exact, and cheap however many recordings were ever completed."""

from datetime import UTC, datetime, timedelta

import pytest

from callscribe.recordings import state_machine, transitions
from callscribe.recordings.recording import QueueEntry, Status, TranscriptRef
from callscribe.store import control_items, recordings, status_counts
from callscribe.store.tables import RecordingModel

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
REF = TranscriptRef(version="v", language=None, duration=None, preview="", no_speech=True)


@pytest.fixture(autouse=True)
def configured(handlers):
    handlers.queue()  # configures the tables


def create_completed(number, at):
    """Completed recordings, one per second up to `at`."""
    created = []
    for seconds in range(number):
        then = at - timedelta(seconds=seconds)
        created.append(
            transitions.create("s3://b", f"{at}{seconds}.wav", size=1, etag=None, modified_at=then, now=then)
        )
        recordings.create(created[-1])
        entry = QueueEntry(created[-1].id, Status.PENDING, created[-1].sort_key)
        queued = recordings.apply_transition(entry.id, transitions.enqueue(entry, then))
        entry = QueueEntry(queued.id, Status.QUEUED, queued.sort_key)
        claimed = recordings.apply_transition(
            entry.id, state_machine.claim(entry, "t", then, then + timedelta(minutes=16))
        )
        assert claimed
        recordings.apply_transition(claimed.id, state_machine.complete(claimed, REF, then))
    return created


def checkpoint():
    return control_items.read_one(control_items.COMPLETED_COUNT)


def completed_count():
    return status_counts.load_status_counts().counts[Status.COMPLETED]


def force(recording):
    stored = recordings.get(recording.id)
    assert stored
    recordings.apply_transition(
        stored.id, transitions.user_transition(stored, Status.QUEUED, NOW, at_front=True, force=True)
    )


def test_checkpoint_counts_settled_recordings_and_the_summary_adds_the_rest():
    create_completed(5, NOW - timedelta(hours=2))
    create_completed(3, NOW)
    status_counts.advance_checkpoint(NOW)
    assert checkpoint().completed_count == 5
    assert completed_count() == 8
    create_completed(2, NOW + timedelta(minutes=30))
    status_counts.advance_checkpoint(NOW + timedelta(hours=1))
    assert (checkpoint().completed_count, completed_count()) == (10, 10)
    status_counts.advance_checkpoint(NOW + timedelta(hours=2))
    assert (checkpoint().completed_count, completed_count()) == (10, 10)


def test_recording_that_leaves_completed_is_no_longer_counted():
    old, *_ = create_completed(4, NOW - timedelta(hours=2))
    status_counts.advance_checkpoint(NOW)
    force(old)
    assert completed_count() == 3
    assert status_counts.load_status_counts().counts[Status.QUEUED] == 1
    status_counts.advance_checkpoint(NOW + timedelta(seconds=30))
    assert checkpoint().completed_count is None  # the request that forces it may still be running
    status_counts.advance_checkpoint(NOW + timedelta(hours=1))
    assert (checkpoint().completed_count, completed_count()) == (3, 3)


def test_checkpoint_is_not_saved_if_a_recording_left_while_it_was_counted(monkeypatch):
    old, *_ = create_completed(4, NOW - timedelta(hours=2))
    count = RecordingModel.by_status.count

    def count_while_one_leaves(*condition):
        number = count(*condition)
        monkeypatch.undo()
        force(old)
        return number

    monkeypatch.setattr(RecordingModel.by_status, "count", count_while_one_leaves)
    status_counts.advance_checkpoint(NOW)
    assert checkpoint().completed_count is None
    assert completed_count() == 3


def test_reading_the_counts_reads_only_entries_after_the_checkpoint(monkeypatch):
    create_completed(30, NOW - timedelta(hours=2))
    status_counts.advance_checkpoint(NOW)
    create_completed(2, NOW)
    counts = []
    query = RecordingModel.by_status.count

    def record_count(status, condition):
        number = query(status, condition)
        counts.append((status, number))
        return number

    monkeypatch.setattr(RecordingModel.by_status, "count", record_count)
    assert completed_count() == 32
    assert dict(counts)["completed"] == 2
    assert len(counts) == 5


def test_queue_run_moves_the_checkpoint(handlers):
    create_completed(3, NOW - timedelta(days=400))
    handlers.queue()
    assert checkpoint().completed_count == 3
