"""The breaker: while the transcription service is unavailable, nothing is sent but one probe after each pause.

Plain values and pure functions; `store.admission` keeps them where every run sees them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from callscribe.clock import to_iso
from callscribe.errors import ServiceUnavailable

MAX_BACKOFF_SECONDS = 900.0
"""A restart of the service is noticed a quarter of an hour later at most, and no hand is needed."""

MAX_RETRY_AFTER_SECONDS = 86_400.0
"""What a service asks for beyond a day is taken for a mistake of it."""

SCHEDULE_SLACK_SECONDS = 10.0
"""Runs come every minute, give or take: a pause that ended just after one would last a minute longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """The service has been unavailable `since` then. Times are UTC.

    `pause` is the length in seconds that the next probe doubles, should it fail; `failures` counts them so far.
    """

    since: datetime
    next_try_at: datetime
    backoff_seconds: float
    failures: int
    code: str
    message: str

    def describe(self) -> str:
        """In a person's words."""
        return (
            f"The transcription service has been unavailable since {_format_to_second(self.since)}, next try at "
            f"{_format_to_second(self.next_try_at)}, last error: {self.message}"
        )


def opened_by(
    error: ServiceUnavailable, now: datetime, initial_backoff_seconds: float, previous: Outage | None
) -> Outage:
    """The outage as it stands after a recording found nobody there; `before` is what it was a probe of, if it was one.

    The pause is `first_pause` seconds, doubled by each probe that fails, up to `LONGEST_PAUSE_SECONDS`. Where the
    service says itself when to come back (Retry-After), that counts.
    """
    backoff_seconds = min(previous.backoff_seconds * 2 if previous else initial_backoff_seconds, MAX_BACKOFF_SECONDS)
    delay_seconds = backoff_seconds - min(SCHEDULE_SLACK_SECONDS, backoff_seconds / 6)
    if error.retry_after is not None:
        delay_seconds = min(error.retry_after, MAX_RETRY_AFTER_SECONDS)
    return Outage(
        since=previous.since if previous else now,
        next_try_at=now + timedelta(seconds=delay_seconds),
        backoff_seconds=backoff_seconds,
        failures=previous.failures + 1 if previous else 1,
        code=error.code,
        message=error.message,
    )


def _format_to_second(timestamp: datetime) -> str:
    return f"{to_iso(timestamp)[:19]}Z"
