"""Of which errors recordings failed, and how many of each. Added up page by page: memory does not grow with them."""

from dataclasses import dataclass, field
from datetime import datetime

from callscribe.clock import Clock
from callscribe.recording import Failure, Status
from callscribe.store.lists import Filters, query
from callscribe.store.models import RecordingModel
from callscribe.store.recordings import failure_in


@dataclass(slots=True, kw_only=True)
class Group:
    """The failed recordings whose last error has this code. `final`: so many of them nobody but a person retries.

    `latest` is the last of these errors, `first_at` when the first one was.
    """

    latest: Failure
    first_at: datetime
    count: int = 0
    final: int = 0


@dataclass(slots=True)
class Groups:
    """By the code of the error."""

    by_code: dict[str, Group] = field(default_factory=dict)

    def add(self, failure: Failure, *, final: bool) -> None:
        group = self.by_code.setdefault(failure.code, Group(latest=failure, first_at=failure.at))
        group.count += 1
        group.final += final
        group.first_at = min(group.first_at, failure.at)
        group.latest = max(group.latest, failure, key=lambda each: each.at)

    @property
    def ranked(self) -> list[Group]:
        """The most frequent first."""
        return sorted(self.by_code.values(), key=lambda group: (-group.count, group.latest.code))


def summary(until: datetime, clock: Clock) -> tuple[list[Group], bool]:
    """The failed recordings by the error of their last attempt, the most frequent first, and whether that is all of
    them: it is not when it took longer than `until`. Then the older calls are missing. Raises StoreError.

    One request for each MB of them, about 800. One that has no error, which no transition makes, is left out.
    """
    groups, start = Groups(), None
    while True:
        answer = query(
            RecordingModel.by_status_and_time,
            Status.FAILED.value,
            None,
            Filters(status=Status.FAILED),
            attributes_to_get=["error", "next_attempt_at"],
            exclusive_start_key=start,
        )
        for item in answer["Items"]:
            if failure := failure_in(item):
                groups.add(failure, final="next_attempt_at" not in item)
        start = answer.get("LastEvaluatedKey")
        if start is None or clock() >= until:
            return groups.ranked, start is None
