"""Assertions about the stored state that hold whenever no run is active, whatever crashed or raced before."""

from collections import Counter
from datetime import timedelta
from typing import Any

from callscribe.recordings.recording import Recording, Status
from callscribe.store import admission, control_items, recordings, status_counts, transcripts
from callscribe.store.tables import RecordingModel


def all_recordings() -> dict[str, Recording]:
    """Read every record from the table, not from an index; by id."""
    return {model.id: recordings.to_recording(model) for model in RecordingModel.scan(consistent_read=True)}


def assert_counts_are_right() -> None:
    """The stored counts equal a recount, and every status is one of the five."""
    recount = Counter(recording.status for recording in all_recordings().values())
    assert status_counts.load_status_counts().counts == {status: recount[status] for status in Status}


def assert_no_slot_is_held(handlers: Any, limit: int = 1) -> None:
    """All slots can be acquired, and none remains held afterwards."""
    now = handlers.now()
    slots = [admission.acquire(limit, f"test {number}", now, now + timedelta(minutes=1)) for number in range(limit)]
    for slot in slots:
        assert isinstance(slot, admission.Slot), slots
        admission.release(slot)
    assert not control_items.read_one(control_items.ADMISSION).slots


def assert_completed(stack: Any, recording: Recording | None, attempts: int) -> None:
    """The recording has a stored transcript, and no claim."""
    assert (recording.status, recording.attempts, recording.error) == (Status.COMPLETED, attempts, None)
    assert recording.claim_token is None
    assert transcripts.get(stack.buckets["TranscriptsBucket"], recording.id, recording.transcript.version)
