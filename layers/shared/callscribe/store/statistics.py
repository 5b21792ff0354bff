"""What an overview shows: the work of the last 24 hours by hour, the age of the queue, and the failures by error code.

A client could not compute these: it would have to list every recording. The runs of the process task have counted their
work, and one request reads the runs of a day. Every function here that reads or writes raises StoreError.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from callscribe.aws import map_dynamodb_errors
from callscribe.clock import CLOCK_SKEW, Clock, to_iso
from callscribe.recordings.recording import Failure, Status, queued_at
from callscribe.recordings.run import Task
from callscribe.store import recordings
from callscribe.store.paging import MAX_REQUESTS
from callscribe.store.recording_queries import raw_query
from callscribe.store.tables import RecordingModel, RunModel

WINDOW_HOURS = 24
HOUR = timedelta(hours=1)

type RunCounts = tuple[datetime, Mapping[str, int]]
"""When a run started, and its counts."""


@dataclass(slots=True, kw_only=True)
class HourlyActivity:
    """The work of the process runs that started within one hour.

    `transcribed`: recordings completed; `failed_attempts`: attempts that failed. `audio_seconds`: the audio of the
    completed recordings, in seconds.
    """

    starts_at: datetime
    transcribed: int = 0
    failed_attempts: int = 0
    audio_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """The last 24 hours. `oldest_queued_at`: when the recording that has waited longest was queued; None if none waits.

    `exact` is False if there were more runs than one request to the API may read: then the oldest hours are too low.
    """

    oldest_queued_at: datetime | None
    hours: list[HourlyActivity]
    exact: bool


@dataclass(slots=True, kw_only=True)
class FailureGroup:
    """The failed recordings with the same code of their last error.

    `terminal_count`: how many of them are not retried automatically. `latest`: the most recent of their errors;
    `first_at`: the time of the earliest.
    """

    latest: Failure
    first_at: datetime
    count: int = 0
    terminal_count: int = 0


@dataclass(slots=True)
class FailureGroups:
    """Failures by error code, added up page by page: memory does not grow with the number of recordings."""

    by_code: dict[str, FailureGroup] = field(default_factory=dict)

    def add(self, failure: Failure, *, is_terminal: bool) -> None:
        group = self.by_code.setdefault(failure.code, FailureGroup(latest=failure, first_at=failure.at))
        group.count += 1
        group.terminal_count += is_terminal
        group.first_at = min(group.first_at, failure.at)
        group.latest = max(group.latest, failure, key=lambda candidate: candidate.at)

    @property
    def ranked(self) -> list[FailureGroup]:
        """The most frequent first."""
        return sorted(self.by_code.values(), key=lambda group: (-group.count, group.latest.code))


def load_activity(now: datetime) -> Activity:
    """The work of the last 24 hours, the current one included.

    Two requests: the runs of a day are less than 1 MB, even during an outage. One more for each further MB, about
    3,000 runs, and one if a recording is at the front of the queue. Runs are read from the newest on, in at most
    `MAX_REQUESTS` requests. What a killed run had counted after its last write is missing.
    """
    hours = build_hours(now)
    # an id contains the time of the request for the run, which is slightly before its start
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


def build_hours(now: datetime) -> list[HourlyActivity]:
    """The last 24 hours (UTC), the oldest first; the last one is the current hour, which is not over yet."""
    current_hour = now.replace(minute=0, second=0, microsecond=0)
    return [HourlyActivity(starts_at=current_hour - hours_ago * HOUR) for hours_ago in reversed(range(WINDOW_HOURS))]


def add_run_counts(runs: Iterable[RunCounts], hours: Iterable[HourlyActivity]) -> None:
    """Add the counts of each run to the hour in which it started; runs outside these hours are ignored."""
    by_start = {hour.starts_at: hour for hour in hours}
    for started_at, counts in runs:
        if hour := by_start.get(started_at.replace(minute=0, second=0, microsecond=0)):
            hour.transcribed += counts.get("completed", 0)
            hour.failed_attempts += counts.get("failed", 0)
            hour.audio_seconds += counts.get("audio_seconds", 0)


def summarize_failures(deadline: datetime, clock: Clock) -> tuple[list[FailureGroup], bool]:
    """Group the failed recordings by the error of their last attempt, the most frequent first.

    The second value is False if the deadline passed before all were read; then the older calls are missing. One
    request for each MB, about 800 recordings. A recording without an error, which no transition makes, is left out.
    """
    groups, start_key = FailureGroups(), None
    while True:
        response = raw_query(
            RecordingModel.by_status_and_time,
            Status.FAILED.value,
            None,
            attributes_to_get=["error", "next_attempt_at"],
            exclusive_start_key=start_key,
        )
        for item in response["Items"]:
            if failure := recordings.parse_failure(item):
                groups.add(failure, is_terminal="next_attempt_at" not in item)
        start_key = response.get("LastEvaluatedKey")
        if start_key is None or clock() >= deadline:
            return groups.ranked, start_key is None


def _parse_run_counts(item: Mapping[str, Any]) -> RunCounts:
    model = RunModel.from_raw_data(dict(item))
    return model.started_at, {name: int(number) for name, number in model.counts.as_dict().items()}
