"""Time: aware, in UTC, and read through a clock that a test can replace."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

CLOCK_SKEW = timedelta(minutes=1)
"""More than the difference between the clocks of two functions."""

type Clock = Callable[[], datetime]
"""Returns the current time, aware and in UTC."""


def utc_now() -> datetime:
    """The current time in UTC, to the microsecond."""
    return datetime.now(UTC)


def to_iso(timestamp: datetime) -> str:
    """`2026-11-22T12:40:26.000000Z`: UTC and of fixed width, so that the texts sort as the times do."""
    return timestamp.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
