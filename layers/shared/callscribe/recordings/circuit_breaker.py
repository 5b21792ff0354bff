"""The circuit breaker: while the transcription service is unavailable, only one probe is sent after each backoff.

Pure values and functions; `store.admission` stores them for all runs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from callscribe.clock import to_iso
from callscribe.errors import ServiceUnavailable

MAX_BACKOFF_SECONDS = 900.0
"""A restarted service is detected automatically within a quarter of an hour."""

MAX_RETRY_AFTER_SECONDS = 86_400.0
"""A longer Retry-After is treated as a mistake of the service."""

SCHEDULE_SLACK_SECONDS = 10.0
"""Runs start about every minute: a backoff that ends just after a run has started would last a minute longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """The service has been unavailable `since` this time (UTC).

    `backoff_seconds` is doubled if the next probe fails; `failures` counts the failures so far.
    """

    since: datetime
    next_try_at: datetime
    backoff_seconds: float
    failures: int
    code: str
    message: str

    def describe(self) -> str:
        """A message for the user."""
        return (
            f"The WhisperX server has been unavailable since {_format_to_second(self.since)}, next probe at "
            f"{_format_to_second(self.next_try_at)}, last error: {self.message}"
        )


def opened_by(
    error: ServiceUnavailable, now: datetime, initial_backoff_seconds: float, previous: Outage | None
) -> Outage:
    """Return the outage after a recording found the service unavailable.

    `previous` is the outage that it was a probe of. The backoff is `initial_backoff_seconds`, doubled by each failed
    probe up to `MAX_BACKOFF_SECONDS`. The service's own Retry-After takes precedence.
    """
    backoff_seconds = min(previous.backoff_seconds * 2 if previous else initial_backoff_seconds, MAX_BACKOFF_SECONDS)
    # a sixth: all of the slack from the default backoff of a minute on, and in proportion for a shorter one
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
