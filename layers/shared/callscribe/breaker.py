"""The breaker: while the transcription service is unavailable, nothing is sent but one probe after each pause.

Plain values and pure functions; `store.admission` keeps them where every run sees them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from callscribe.clock import iso
from callscribe.errors import ServiceUnavailable

LONGEST_PAUSE_SECONDS = 900.0
"""A restart of the service is noticed a quarter of an hour later at most, and no hand is needed."""

LONGEST_RETRY_AFTER_SECONDS = 86_400.0
"""What a service asks for beyond a day is taken for a mistake of it."""

EARLY_SECONDS = 10.0
"""Runs come every minute, give or take: a pause that ended just after one would last a minute longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """The service has been unavailable `since` then. Times are UTC.

    `pause` is the length in seconds that the next probe doubles, should it fail; `failures` counts them so far.
    """

    since: datetime
    next_try_at: datetime
    pause: float
    failures: int
    code: str
    message: str

    def describe(self) -> str:
        """In a person's words."""
        return (
            f"The transcription service has been unavailable since {_second(self.since)}, next try at "
            f"{_second(self.next_try_at)}, last error: {self.message}"
        )


def after_failure(error: ServiceUnavailable, now: datetime, first_pause: float, before: Outage | None) -> Outage:
    """The outage as it stands after a recording found nobody there; `before` is what it was a probe of, if it was one.

    The pause is `first_pause` seconds, doubled by each probe that fails, up to `LONGEST_PAUSE_SECONDS`. Where the
    service says itself when to come back (Retry-After), that counts.
    """
    pause = min(before.pause * 2 if before else first_pause, LONGEST_PAUSE_SECONDS)
    wait = pause - min(EARLY_SECONDS, pause / 6)
    if error.retry_after is not None:
        wait = min(error.retry_after, LONGEST_RETRY_AFTER_SECONDS)
    return Outage(
        since=before.since if before else now,
        next_try_at=now + timedelta(seconds=wait),
        pause=pause,
        failures=before.failures + 1 if before else 1,
        code=error.code,
        message=error.message,
    )


def _second(moment: datetime) -> str:
    return f"{iso(moment)[:19]}Z"
