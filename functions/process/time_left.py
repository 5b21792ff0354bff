"""What a run may still begin, and when it gives up: Lambda ends it at a known time, without a word."""

from datetime import datetime, timedelta

from callscribe.clock import SKEW

RESERVE = timedelta(seconds=20)
"""Kept back to store the result, or the failure."""

GIVE_UP = timedelta(seconds=10)
"""With this much left, what is still under way is given up."""

LEAST = timedelta(seconds=60)
"""With less than this left, no further recording is begun."""

FRESH_PART = 2 / 3
"""With this part of its time left, a run begins whatever is next; with less, only what it can finish."""

MEASURABLE = 100_000
"""Bytes. A smaller recording takes as long as this one: what it costs to send one at all."""


class TimeLeft:
    """The time of a run that `began_at` then and `ends_at` then, both aware and UTC."""

    def __init__(self, began_at: datetime, ends_at: datetime) -> None:
        self._ends_at = ends_at
        self._fresh_until = ends_at - FRESH_PART * (ends_at - began_at)
        self._slowest = 0.0

    @property
    def lease_expires_at(self) -> datetime:
        """When leases of this run end: one that has run out means a dead worker."""
        return self._ends_at + SKEW

    @property
    def gives_up_at(self) -> datetime:
        """When to end what is still under way."""
        return self._ends_at - GIVE_UP

    @property
    def sends_until(self) -> datetime:
        """When the service must have answered."""
        return self._ends_at - RESERVE

    def is_up(self, now: datetime) -> bool:
        """Whether nothing more is begun."""
        return self._ends_at - now < LEAST

    def is_fresh(self, now: datetime) -> bool:
        """Whether anything may be begun, however large."""
        return now <= self._fresh_until

    def fits(self, size: int, now: datetime) -> bool:
        """Whether a recording of `size` bytes would end in time, by the slowest before it; False if there was none."""
        return 0 < self._slowest * max(size, MEASURABLE) <= (self.sends_until - now).total_seconds()

    def measure(self, size: int, seconds: float) -> None:
        """Remembers that a recording of `size` bytes took so long."""
        self._slowest = max(self._slowest, seconds / max(size, MEASURABLE))
