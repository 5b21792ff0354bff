"""What holds of the stores whenever nothing is under way, whoever died or raced before."""

from collections import Counter
from datetime import timedelta
from typing import Any

from callscribe.recordings.recording import Recording, Status
from callscribe.store import admission, control_items, recordings, status_counts, transcripts
from callscribe.store.tables import RecordingModel


def all_recordings() -> dict[str, Recording]:
    """Every record, by its id: out of the table, not out of an index."""
    return {model.id: recordings.to_recording(model) for model in RecordingModel.scan(consistent_read=True)}


def assert_counts_are_right() -> None:
    """The summary's numbers are those of a recount, and every status is one of the five."""
    recount = Counter(each.status for each in all_recordings().values())
    assert status_counts.load_status_counts().counts == {status: recount[status] for status in Status}


def assert_no_slot_is_held(handlers: Any, limit: int = 1) -> None:
    """All slots can be had, and none is left over."""
    now = handlers.now()
    taken = [admission.acquire(limit, f"test {each}", now, now + timedelta(minutes=1)) for each in range(limit)]
    for slot in taken:
        assert isinstance(slot, admission.Slot), taken
        admission.release(slot)
    assert not control_items.read(control_items.ADMISSION)[control_items.ADMISSION].slots


def assert_completed(stack: Any, recording: Recording | None, attempts: int) -> None:
    """It has a transcript that exists, and holds nothing of a claim."""
    assert (recording.status, recording.attempts, recording.error) == (Status.COMPLETED, attempts, None)
    assert recording.claim_token is None
    assert transcripts.get(stack.buckets["TranscriptsBucket"], recording.id, recording.transcript.version)
