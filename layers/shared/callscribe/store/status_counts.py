"""How many recordings have each status: exact, without reading an entry for each that was ever completed.

The open statuses are counted in the narrow index, about 10,000 entries a request. Of the completed, a checkpoint tells
how many there were up to a place in their line, and only those behind it are counted. What is past the retention lies
below a floor and counts no more: it is about to be deleted.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from callscribe.clock import to_iso
from callscribe.recordings.circuit_breaker import Outage
from callscribe.recordings.recording import Status
from callscribe.store import admission, control_items
from callscribe.store.errors import map_dynamodb_errors
from callscribe.store.tables import ControlModel as Item
from callscribe.store.tables import RecordingModel

MAX_WRITE_LAG = timedelta(minutes=20)
"""A place among the completed is a time that the worker read before it wrote. No function lives longer than 15 minutes:
what is older than this has been written by now, or never will be. The rest is for clocks that differ and a late index.
"""

RETENTION_CUTOFF_STEP = timedelta(hours=1)
"""The floor is moved on so often: each time costs a write, and a count of what lies between."""

INVALIDATION_WINDOW = timedelta(minutes=2)
"""Longer than a request to the API lives: as long no checkpoint is made once a completed one is about to leave."""


@dataclass(frozen=True, slots=True)
class StatusCounts:
    """What an overview shows. `outage` is None while the transcription service is available."""

    counts: Mapping[Status, int]
    outage: Outage | None


def load_status_counts() -> StatusCounts:
    """The counts and the breaker: six requests, and one more for each 10,000 or so that are to be counted."""
    items = control_items.read(control_items.COMPLETED_COUNT, control_items.ADMISSION)
    checkpoint = items[control_items.COMPLETED_COUNT]
    counted_until = checkpoint.counted_until or checkpoint.retention_cutoff
    uncounted_range = RecordingModel.sort_key > counted_until if counted_until else None
    counts = {status: _count(status, uncounted_range if status is Status.COMPLETED else None) for status in Status}
    counts[Status.COMPLETED] += int(checkpoint.completed_count or 0)
    return StatusCounts(counts, admission.to_outage(items[control_items.ADMISSION]))


def advance_checkpoint(now: datetime, retention_cutoff: datetime | None = None) -> datetime | None:
    """Moves the checkpoint on to what has settled by `now`. Loses to whoever moves it, or forgets it, meanwhile.

    What was completed before `kept_since` counts no more, and is to be deleted: up to the moment that is returned, if
    any.
    """
    checkpoint = control_items.read(control_items.COMPLETED_COUNT)[control_items.COMPLETED_COUNT]
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
                Item.version.set(_new_version()),
            ],
            _unchanged_condition(checkpoint),
        )
    return stored_cutoff


def get_deleted_until() -> datetime | None:
    """What was completed up to then has been deleted, whatever is kept now. Raises StoreError."""
    checkpoint = control_items.read(control_items.COMPLETED_COUNT)[control_items.COMPLETED_COUNT]
    return datetime.fromisoformat(checkpoint.deleted_until) if checkpoint.deleted_until else None


def invalidate_checkpoint(now: datetime) -> None:
    """Before a completed recording leaves its status: forgets the checkpoint, for it counts that recording.

    It is not made again until the recording has left. Should it stay after all, the next one is as good as this.
    """
    control_items.write(
        control_items.COMPLETED_COUNT,
        [
            Item.completed_count.remove(),
            Item.counted_until.remove(),
            Item.version.set(_new_version()),
            Item.blocked_until.set(now + INVALIDATION_WINDOW),
        ],
    )


def _should_move_cutoff(stored_cutoff: datetime | None, retention_cutoff: datetime | None) -> bool:
    if stored_cutoff is None or retention_cutoff is None:
        return stored_cutoff is not retention_cutoff
    return abs(retention_cutoff - stored_cutoff) >= RETENTION_CUTOFF_STEP


def _move_retention_cutoff(checkpoint: Item, retention_cutoff: datetime | None) -> bool:
    """False if the checkpoint was moved meanwhile. It is made anew, unless it counts what stays as well."""
    cutoff = to_iso(retention_cutoff) if retention_cutoff else None
    actions = [
        Item.version.set(_new_version()),
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
    return Item.version == checkpoint.version if checkpoint.version else Item.version.does_not_exist()


def _count(status: Status, condition: Any = None) -> int:
    with map_dynamodb_errors():
        return RecordingModel.by_status.count(status.value, condition)


def _new_version() -> str:
    return uuid.uuid4().hex
