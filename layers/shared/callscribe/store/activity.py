"""What process has done of late, hour by hour, and since when the queue waits: what an overview shows.

No client could add this up: it would have to list all that was transcribed. The runs have counted it, and one request
reads those of a day.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from callscribe.clock import SKEW, iso
from callscribe.run import Task
from callscribe.store import recordings
from callscribe.store.faults import translated
from callscribe.store.models import RunModel
from callscribe.store.runs import SEARCHES
from callscribe.transitions import queued_since

HOURS = 24
HOUR = timedelta(hours=1)

type Counted = tuple[datetime, Mapping[str, int]]
"""When a run started, and its counts."""


@dataclass(slots=True, kw_only=True)
class Hour:
    """What the runs of process have done that started within an hour: how many recordings they have `transcribed`, how
    long those are, and how many attempts have failed."""

    starts_at: datetime
    transcribed: int = 0
    failed_attempts: int = 0
    audio_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """`oldest_queued_at`: since when the recording that has waited longest in the queue is in it; None where none is.

    Not `exact` where there were more runs than one request may read: then the oldest of the hours are short.
    """

    oldest_queued_at: datetime | None
    hours: list[Hour]
    exact: bool


def activity(now: datetime) -> Activity:
    """What was done in the last hours, up to the present one of `now`. Raises StoreError.

    Two requests, for the runs of a day are less than a MB, even those of an outage; one more for each further MB, some
    3,000 runs, and one where something is at the head of the queue. Runs are read from the newest one on, and after
    `SEARCHES` requests no further. What a run that was killed had counted since it last wrote is missing.
    """
    hours = last_hours(now)
    # an id tells when a run was asked for: a moment before it started
    since: Any = RunModel.run >= iso(hours[0].starts_at - SKEW)
    found = RunModel.query(
        Task.PROCESS.value, since, scan_index_forward=False, attributes_to_get=["started_at", "counts"]
    )
    with translated():
        for page in islice(found.page_iter, SEARCHES):
            add(map(_counted, page["Items"]), hours)
    waiting = recordings.longest_in_line()
    return Activity(
        oldest_queued_at=queued_since(waiting.position) if waiting else None,
        hours=hours,
        exact=found.page_iter.last_evaluated_key is None,
    )


def last_hours(now: datetime) -> list[Hour]:
    """The last hours of UTC, the oldest first; the last one is the present one, of which a part is still to come."""
    present = now.replace(minute=0, second=0, microsecond=0)
    return [Hour(starts_at=present - ago * HOUR) for ago in reversed(range(HOURS))]


def add(runs: Iterable[Counted], hours: Iterable[Hour]) -> None:
    """Adds what these runs have counted to the hours in which they started. Others are passed over."""
    by_start = {hour.starts_at: hour for hour in hours}
    for started_at, counts in runs:
        if hour := by_start.get(started_at.replace(minute=0, second=0, microsecond=0)):
            hour.transcribed += counts.get("completed", 0)
            hour.failed_attempts += counts.get("failed", 0)
            hour.audio_seconds += counts.get("audio_seconds", 0)


def _counted(item: Mapping[str, Any]) -> Counted:
    model = RunModel.from_raw_data(dict(item))
    return model.started_at, {name: int(number) for name, number in model.counts.as_dict().items()}
