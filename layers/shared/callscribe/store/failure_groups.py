"""Of which errors recordings failed, and how many of each. Added up page by page: memory does not grow with them."""

from dataclasses import dataclass, field
from datetime import datetime

from callscribe.clock import Clock
from callscribe.recordings.recording import Failure, Status
from callscribe.recordings.recording_filter import RecordingFilter
from callscribe.store.recording_queries import raw_query
from callscribe.store.recordings import parse_failure
from callscribe.store.tables import RecordingModel


@dataclass(slots=True, kw_only=True)
class FailureGroup:
    """The failed recordings whose last error has this code. `final`: so many of them nobody but a person retries.

    `latest` is the last of these errors, `first_at` when the first one was.
    """

    latest: Failure
    first_at: datetime
    count: int = 0
    terminal_count: int = 0


@dataclass(slots=True)
class FailureGroups:
    """By the code of the error."""

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


def summarize_failures(until: datetime, clock: Clock) -> tuple[list[FailureGroup], bool]:
    """The failed recordings by the error of their last attempt, the most frequent first, and whether that is all of
    them: it is not when it took longer than `until`. Then the older calls are missing. Raises StoreError.

    One request for each MB of them, about 800. One that has no error, which no transition makes, is left out.
    """
    groups, start_key = FailureGroups(), None
    while True:
        response = raw_query(
            RecordingModel.by_status_and_time,
            Status.FAILED.value,
            None,
            RecordingFilter(status=Status.FAILED),
            attributes_to_get=["error", "next_attempt_at"],
            exclusive_start_key=start_key,
        )
        for item in response["Items"]:
            if failure := parse_failure(item):
                groups.add(failure, is_terminal="next_attempt_at" not in item)
        start_key = response.get("LastEvaluatedKey")
        if start_key is None or clock() >= until:
            return groups.ranked, start_key is None
