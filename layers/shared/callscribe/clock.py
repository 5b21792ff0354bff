"""Time as the project passes it around: aware, UTC, read through a clock that a test can replace."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

CLOCK_SKEW = timedelta(minutes=1)
"""More than the clocks of two functions differ by."""

type Clock = Callable[[], datetime]
"""Returns the present moment, aware and in UTC."""


def utc_now() -> datetime:
    """The present moment, UTC, to the microsecond."""
    return datetime.now(UTC)


def to_iso(timestamp: datetime) -> str:
    """`2026-11-22T12:40:26.000000Z`: UTC and of one width, so that the text sorts as the moments do."""
    return timestamp.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
