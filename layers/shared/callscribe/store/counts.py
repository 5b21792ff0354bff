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

from callscribe.breaker import Outage
from callscribe.clock import iso
from callscribe.recording import Status
from callscribe.store import admission, control
from callscribe.store.faults import translated
from callscribe.store.models import ControlModel as Item
from callscribe.store.models import RecordingModel

SETTLED = timedelta(minutes=20)
"""A place among the completed is a time that the worker read before it wrote. No function lives longer than 15 minutes:
what is older than this has been written by now, or never will be. The rest is for clocks that differ and a late index.
"""

LEAVING = timedelta(minutes=2)
"""Longer than a request to the API lives: as long no checkpoint is made once a completed one is about to leave."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What an overview shows. `outage` is None while the transcription service is available."""

    counts: Mapping[Status, int]
    outage: Outage | None


def summary() -> Summary:
    """The counts and the breaker: six requests, and one more for each 10,000 or so that are to be counted."""
    items = control.read(control.COMPLETED, control.ADMISSION)
    checkpoint = items[control.COMPLETED]
    counted_up_to = checkpoint.until or checkpoint.floor
    behind = RecordingModel.position > counted_up_to if counted_up_to else None
    counts = {status: _count(status, behind if status is Status.COMPLETED else None) for status in Status}
    counts[Status.COMPLETED] += int(checkpoint.counted or 0)
    return Summary(counts, admission.outage_of(items[control.ADMISSION]))


def advance_checkpoint(now: datetime) -> None:
    """Moves the checkpoint on to what has settled by `now`. Loses to whoever moves it, or forgets it, meanwhile."""
    seen = control.read(control.COMPLETED)[control.COMPLETED]
    until = iso(now - SETTLED)
    if (seen.until and until <= seen.until) or (seen.blocked_until and now <= seen.blocked_until):
        return
    added = _count(Status.COMPLETED, _between(seen.until or seen.floor, until))
    if added:
        control.write(
            control.COMPLETED,
            [Item.counted.set(int(seen.counted or 0) + added), Item.until.set(until), Item.version.set(_version())],
            _unmoved(seen),
        )


def forget_checkpoint(now: datetime) -> None:
    """Before a completed recording leaves its status: forgets the checkpoint, for it counts that recording.

    It is not made again until the recording has left. Should it stay after all, the next one is as good as this.
    """
    control.write(
        control.COMPLETED,
        [
            Item.counted.remove(),
            Item.until.remove(),
            Item.version.set(_version()),
            Item.blocked_until.set(now + LEAVING),
        ],
    )


def raise_floor(until: datetime) -> bool:
    """Before the completed up to then are deleted: counts them no more. False if the checkpoint was moved meanwhile.

    Raises StoreError.
    """
    seen, floor = control.read(control.COMPLETED)[control.COMPLETED], iso(until)
    if seen.floor and floor <= seen.floor:
        return True
    actions = [Item.floor.set(floor), Item.version.set(_version())]
    if seen.until and seen.until <= floor:
        actions += [Item.counted.remove(), Item.until.remove()]  # all that it counts
    elif seen.until:
        actions.append(Item.counted.set(int(seen.counted or 0) - _count(Status.COMPLETED, _between(seen.floor, floor))))
    return control.write(control.COMPLETED, actions, _unmoved(seen)) is not None


def _between(after: str | None, until: str) -> Any:
    position = RecordingModel.position
    return position.between(f"{after}~", until) if after else position <= until


def _unmoved(seen: Item) -> Any:
    return Item.version == seen.version if seen.version else Item.version.does_not_exist()


def _count(status: Status, condition: Any = None) -> int:
    with translated():
        return RecordingModel.by_status.count(status.value, condition)


def _version() -> str:
    return uuid.uuid4().hex
