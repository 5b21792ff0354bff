"""What a run may still begin, and when it gives up: Lambda ends it at a known time, without a word."""

from datetime import datetime, timedelta

from callscribe.clock import CLOCK_SKEW

STORE_MARGIN = timedelta(seconds=20)
"""Kept back to store the result, or the failure."""

ABORT_MARGIN = timedelta(seconds=10)
"""With this much left, what is still under way is given up."""

MIN_TO_START = timedelta(seconds=60)
"""With less than this left, no further recording is begun."""

START_ANY_FRACTION = 2 / 3
"""With this part of its time left, a run begins whatever is next; with less, only what it can finish."""

MIN_RATE_BYTES = 100_000
"""Bytes. A smaller recording takes as long as this one: what it costs to send one at all."""


class Deadline:
    """The time of a run that `began_at` then and `ends_at` then, both aware and UTC."""

    def __init__(self, started_at: datetime, ends_at: datetime) -> None:
        self._ends_at = ends_at
        self._start_any_until = ends_at - START_ANY_FRACTION * (ends_at - started_at)
        self._max_seconds_per_byte = 0.0

    @property
    def lease_expires_at(self) -> datetime:
        """When leases of this run end: one that has run out means a dead worker."""
        return self._ends_at + CLOCK_SKEW

    @property
    def abort_at(self) -> datetime:
        """When to end what is still under way."""
        return self._ends_at - ABORT_MARGIN

    @property
    def send_deadline(self) -> datetime:
        """When the service must have answered."""
        return self._ends_at - STORE_MARGIN

    def is_near(self, now: datetime) -> bool:
        """Whether nothing more is begun."""
        return self._ends_at - now < MIN_TO_START

    def can_start_any(self, now: datetime) -> bool:
        """Whether anything may be begun, however large."""
        return now <= self._start_any_until

    def can_finish(self, size: int, now: datetime) -> bool:
        """Whether a recording of `size` bytes would end in time, by the slowest before it; False if there was none."""
        return 0 < self._max_seconds_per_byte * max(size, MIN_RATE_BYTES) <= (self.send_deadline - now).total_seconds()

    def record_rate(self, size: int, seconds: float) -> None:
        """Remembers that a recording of `size` bytes took so long."""
        self._max_seconds_per_byte = max(self._max_seconds_per_byte, seconds / max(size, MIN_RATE_BYTES))
