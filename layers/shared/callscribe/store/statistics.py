"""What process has done of late, hour by hour, and since when the queue waits: what an overview shows.

No client could add this up: it would have to list all that was transcribed. The runs have counted it, and one request
reads those of a day.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from callscribe.clock import CLOCK_SKEW, to_iso
from callscribe.recordings.run import Task
from callscribe.recordings.state_machine import queued_at
from callscribe.store import recordings
from callscribe.store.errors import map_dynamodb_errors
from callscribe.store.paging import MAX_REQUESTS
from callscribe.store.tables import RunModel

HOURS = 24
HOUR = timedelta(hours=1)

type RunCounts = tuple[datetime, Mapping[str, int]]
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


def load_activity(now: datetime) -> Activity:
    """What was done in the last hours, up to the present one of `now`. Raises StoreError.

    Two requests, for the runs of a day are less than a MB, even those of an outage; one more for each further MB, some
    3,000 runs, and one where something is at the head of the queue. Runs are read from the newest one on, and after
    `SEARCHES` requests no further. What a run that was killed had counted since it last wrote is missing.
    """
    hours = build_hours(now)
    # an id tells when a run was asked for: a moment before it started
    started_after: Any = RunModel.run >= to_iso(hours[0].starts_at - CLOCK_SKEW)
    results = RunModel.query(
        Task.PROCESS.value, started_after, scan_index_forward=False, attributes_to_get=["started_at", "counts"]
    )
    with map_dynamodb_errors():
        for page in islice(results.page_iter, MAX_REQUESTS):
            add_run_counts(map(_parse_run_counts, page["Items"]), hours)
    oldest_queued = recordings.oldest_queued()
    return Activity(
        oldest_queued_at=queued_at(oldest_queued.sort_key) if oldest_queued else None,
        hours=hours,
        exact=results.page_iter.last_evaluated_key is None,
    )


def build_hours(now: datetime) -> list[Hour]:
    """The last hours of UTC, the oldest first; the last one is the present one, of which a part is still to come."""
    current_hour = now.replace(minute=0, second=0, microsecond=0)
    return [Hour(starts_at=current_hour - hours_ago * HOUR) for hours_ago in reversed(range(HOURS))]


def add_run_counts(runs: Iterable[RunCounts], hours: Iterable[Hour]) -> None:
    """Adds what these runs have counted to the hours in which they started. Others are passed over."""
    by_start = {hour.starts_at: hour for hour in hours}
    for started_at, counts in runs:
        if hour := by_start.get(started_at.replace(minute=0, second=0, microsecond=0)):
            hour.transcribed += counts.get("completed", 0)
            hour.failed_attempts += counts.get("failed", 0)
            hour.audio_seconds += counts.get("audio_seconds", 0)


def _parse_run_counts(item: Mapping[str, Any]) -> RunCounts:
    model = RunModel.from_raw_data(dict(item))
    return model.started_at, {name: int(number) for name, number in model.counts.as_dict().items()}
