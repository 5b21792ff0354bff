"""The sort keys of the index by status: within a status, the recording with the smallest key is next.

A leading digit is a priority: every key that begins with 0 comes before every key that begins with 1.
"""

from dataclasses import dataclass
from datetime import datetime

from callscribe.clock import to_iso
from callscribe.recordings.recording import Status

PRIORITY_NORMAL = "1 "

ISOLATED = " alone"
"""Ends the sort key of a recording whose worker died: if this recording kills workers, no other is lost with it."""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """An entry of the index by status: what it contains of a recording."""

    id: str
    status: Status
    sort_key: str

    @property
    def is_isolated(self) -> bool:
        """Whether a previous worker of it died: nothing else may be sent while it is transcribed."""
        return self.sort_key.endswith(ISOLATED)


def pending_sort_key(recorded_at: datetime) -> str:
    """The oldest call first."""
    return to_iso(recorded_at)


def queued_sort_key(now: datetime, recorded_at: str, *, at_front: bool = False) -> str:
    """By the time of queueing, then the oldest call first; before all others `at_front`, at a user's request."""
    return f"{0 if at_front else 1} {to_iso(now)} {recorded_at}"


def queued_at(sort_key: str) -> datetime:
    """When a recording was queued. One that was requeued after an outage keeps its previous key, and so this time."""
    return datetime.fromisoformat(sort_key.split(" ")[1])


def retry_sort_key(next_attempt_at: datetime) -> str:
    """A failed recording that will be retried: by the time of its next attempt."""
    return f"0 {to_iso(next_attempt_at)}"


def terminal_sort_key(now: datetime) -> str:
    """A failed recording that only a user can retry: after all that will be retried."""
    return f"{PRIORITY_NORMAL}{to_iso(now)}"
