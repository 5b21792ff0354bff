"""Decides what a run may still start and when it aborts, because Lambda kills it at a known time without warning."""

from datetime import datetime, timedelta

from callscribe.clock import CLOCK_SKEW

STORE_MARGIN = timedelta(seconds=20)
"""Reserved for storing the results."""

ABORT_MARGIN = timedelta(seconds=10)
"""With this much time left, running attempts are aborted."""

MIN_TO_START = timedelta(seconds=60)
"""With less time left than this, no further recording is started."""

START_ANY_FRACTION = 2 / 3
"""With at least this fraction of its time left, a run starts any recording; with less, only what it can finish."""

MIN_RATE_BYTES = 100_000
"""Smaller recordings are assumed to take as long as one of this size, because of the fixed cost of sending one."""


class Deadline:
    """The time limits of a run from `started_at` to `ends_at`, both aware and in UTC.

    `lease_expires_at`: when the leases of this run expire; an expired lease means that the worker has crashed.
    `send_deadline`: when the server must have responded. `abort_at`: when to abort running attempts.
    """

    def __init__(self, started_at: datetime, ends_at: datetime) -> None:
        self.lease_expires_at = ends_at + CLOCK_SKEW
        self.send_deadline = ends_at - STORE_MARGIN
        self.abort_at = ends_at - ABORT_MARGIN
        self._start_until = ends_at - MIN_TO_START
        self._start_any_until = ends_at - START_ANY_FRACTION * (ends_at - started_at)
        self._max_seconds_per_byte = 0.0

    def is_near(self, now: datetime) -> bool:
        """Return whether it is too late to start anything."""
        return now > self._start_until

    def can_start_any(self, now: datetime) -> bool:
        """Return whether a recording of any size may be started."""
        return now <= self._start_any_until

    def can_finish(self, size: int, now: datetime) -> bool:
        """Return whether a recording of `size` bytes would end in time, judging by the slowest one of this run so far.

        False if none has ended yet.
        """
        return 0 < self._max_seconds_per_byte * max(size, MIN_RATE_BYTES) <= (self.send_deadline - now).total_seconds()

    def record_rate(self, size: int, seconds: float) -> None:
        """Record how long a recording of `size` bytes took."""
        self._max_seconds_per_byte = max(self._max_seconds_per_byte, seconds / max(size, MIN_RATE_BYTES))
