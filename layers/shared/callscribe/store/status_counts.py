"""How many recordings have each status: exact, without reading an entry for each completed recording.

The other statuses are counted in the small index by status, about 10,000 entries per request. For `completed`, a
checkpoint stores the count up to a sort key, and only the recordings after it are counted. Recordings past the
retention are before the retention cutoff and not counted: they are about to be deleted. Every function here raises
StoreError.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from callscribe.aws import map_dynamodb_errors
from callscribe.clock import to_iso
from callscribe.recordings.circuit_breaker import Outage
from callscribe.recordings.recording import Status
from callscribe.store import admission, control_items
from callscribe.store.tables import ControlModel as Item
from callscribe.store.tables import RecordingModel

MAX_WRITE_LAG = timedelta(minutes=20)
"""The sort key of a completed recording is the time that its worker read before the write. No function runs longer than
15 minutes, so any earlier write has been made by now or never will be. The rest is for clock skew and index lag."""

RETENTION_CUTOFF_STEP = timedelta(hours=1)
"""The least distance by which the retention cutoff moves: a move costs a write and a count of what it skips."""

INVALIDATION_WINDOW = timedelta(minutes=2)
"""How long no checkpoint is made after an invalidation: longer than a request to the API takes."""


@dataclass(frozen=True, slots=True)
class StatusCounts:
    """The counts by status. `outage` is None while the transcription service is available.

    `lost_jobs_until`: until when each job that the service has presumably lost is waited for, the latest last.
    """

    counts: Mapping[Status, int]
    outage: Outage | None
    lost_jobs_until: Sequence[datetime] = ()


def load_status_counts() -> StatusCounts:
    """Read the counts and the circuit breaker: six requests, and one more per about 10,000 recordings to count."""
    items = control_items.read(control_items.COMPLETED_COUNT, control_items.ADMISSION)
    checkpoint = items[control_items.COMPLETED_COUNT]
    counted_until = checkpoint.counted_until or checkpoint.retention_cutoff
    uncounted_range = RecordingModel.sort_key > counted_until if counted_until else None
    counts = {status: _count(status, uncounted_range if status is Status.COMPLETED else None) for status in Status}
    counts[Status.COMPLETED] += int(checkpoint.completed_count or 0)
    item = items[control_items.ADMISSION]
    return StatusCounts(counts, admission.to_outage(item), admission.lost_jobs_until(item))


def advance_checkpoint(now: datetime, retention_cutoff: datetime | None = None) -> datetime | None:
    """Move the checkpoint to the last sort key that is settled at `now`, or move the retention cutoff instead.

    The cutoff moves if `retention_cutoff` is far enough from the stored one, or only one of them is set. Recordings
    completed before the cutoff no longer count. A concurrent move or invalidation takes precedence.

    Return the stored cutoff, before which completed recordings may be deleted. None if there is none, or if moving it
    failed.
    """
    checkpoint = control_items.read_one(control_items.COMPLETED_COUNT)
    stored_cutoff = datetime.fromisoformat(checkpoint.retention_cutoff) if checkpoint.retention_cutoff else None
    if _should_move_cutoff(stored_cutoff, retention_cutoff):
        return retention_cutoff if _move_retention_cutoff(checkpoint, retention_cutoff) else None
    counted_until = to_iso(now - MAX_WRITE_LAG)
    if (checkpoint.counted_until and counted_until <= checkpoint.counted_until) or (
        checkpoint.blocked_until and now <= checkpoint.blocked_until
    ):
        return stored_cutoff
    added_count = _count(
        Status.COMPLETED, _sort_key_range(checkpoint.counted_until or checkpoint.retention_cutoff, counted_until)
    )
    if added_count:
        control_items.write(
            control_items.COMPLETED_COUNT,
            [
                Item.completed_count.set(int(checkpoint.completed_count or 0) + added_count),
                Item.counted_until.set(counted_until),
                Item.write_token.set(_new_write_token()),
            ],
            _unchanged_condition(checkpoint),
        )
    return stored_cutoff


def get_deleted_until() -> datetime | None:
    """The time before which completed recordings have been deleted, even if the retention is longer now."""
    checkpoint = control_items.read_one(control_items.COMPLETED_COUNT)
    return datetime.fromisoformat(checkpoint.deleted_until) if checkpoint.deleted_until else None


def invalidate_checkpoint(now: datetime) -> None:
    """Remove the checkpoint, before a completed recording that it counts leaves its status.

    No new one is made until the recording has left. If it stays after all, the next checkpoint counts it again.
    """
    control_items.write(
        control_items.COMPLETED_COUNT,
        [
            Item.completed_count.remove(),
            Item.counted_until.remove(),
            Item.write_token.set(_new_write_token()),
            Item.blocked_until.set(now + INVALIDATION_WINDOW),
        ],
    )


def _should_move_cutoff(stored_cutoff: datetime | None, retention_cutoff: datetime | None) -> bool:
    if stored_cutoff is None or retention_cutoff is None:
        return (stored_cutoff is None) != (retention_cutoff is None)
    return abs(retention_cutoff - stored_cutoff) >= RETENTION_CUTOFF_STEP


def _move_retention_cutoff(checkpoint: Item, retention_cutoff: datetime | None) -> bool:
    """Move the cutoff. Return False if the checkpoint has changed.

    Its count is adjusted if it reaches beyond the cutoff, else removed.
    """
    cutoff = to_iso(retention_cutoff) if retention_cutoff else None
    actions = [
        Item.write_token.set(_new_write_token()),
        Item.retention_cutoff.set(cutoff) if cutoff else Item.retention_cutoff.remove(),
    ]
    if cutoff and cutoff > (checkpoint.deleted_until or ""):
        actions.append(Item.deleted_until.set(cutoff))
    if cutoff and checkpoint.counted_until and (checkpoint.retention_cutoff or "") < cutoff < checkpoint.counted_until:
        actions.append(
            Item.completed_count.set(
                int(checkpoint.completed_count or 0)
                - _count(Status.COMPLETED, _sort_key_range(checkpoint.retention_cutoff, cutoff))
            )
        )
    else:
        actions += [Item.completed_count.remove(), Item.counted_until.remove()]
    return control_items.write(control_items.COMPLETED_COUNT, actions, _unchanged_condition(checkpoint)) is not None


def _sort_key_range(after: str | None, until: str) -> Any:
    sort_key = RecordingModel.sort_key
    return sort_key.between(f"{after}~", until) if after else sort_key <= until


def _unchanged_condition(checkpoint: Item) -> Any:
    return Item.write_token == checkpoint.write_token if checkpoint.write_token else Item.write_token.does_not_exist()


def _count(status: Status, condition: Any = None) -> int:
    with map_dynamodb_errors():
        return RecordingModel.by_status.count(status.value, condition)


def _new_write_token() -> str:
    return uuid.uuid4().hex
