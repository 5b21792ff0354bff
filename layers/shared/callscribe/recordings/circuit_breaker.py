"""The circuit breaker: while the transcription service is unavailable, only one probe is sent after each backoff.

Pure values and functions; `store.admission` stores them for all runs.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from callscribe.errors import ServiceUnavailable, SuspectedOutage, TranscriptionError

MAX_BACKOFF_SECONDS = 900.0
"""A restarted service is detected automatically within a quarter of an hour."""

MAX_RETRY_AFTER_SECONDS = 86_400.0
"""A longer Retry-After is treated as a mistake of the service."""

MAX_REFUSAL_BACKOFF_SECONDS = 120.0
"""After identical refusals, when the next recordings may be good ones: the server is available, so a probe is cheap."""

MAX_IDENTICAL_REFUSALS = 5
"""When the server has refused this many recordings in the same way, without a success in between, the cause is taken to
be the settings."""

REFUSALS_WITHOUT_STATUS = ("job_failed", "connection_lost", "invalid_response")
"""Errors without an HTTP status that can have the same cause for all recordings."""

SCHEDULE_SLACK_SECONDS = 10.0
"""Runs start about every minute: a backoff that ends just after a run has started would last a minute longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Nothing has been transcribed `since` this time (UTC).

    `backoff_seconds` is doubled if the next probe fails; `failures` counts the failures so far.
    `by_refusals`: identical refusals opened the circuit, so any further refusal keeps it open.
    """

    since: datetime
    next_try_at: datetime
    backoff_seconds: float
    failures: int
    code: str
    message: str
    by_refusals: bool = False

    def describe(self) -> str:
        """A message for the user."""
        return (
            f"Transcription has not been possible since {_format_to_second(self.since)}. "
            f"Next try: {_format_to_second(self.next_try_at)}. Last error: {self.message}"
        )


def opened_by(
    error: ServiceUnavailable, now: datetime, initial_backoff_seconds: float, previous: Outage | None
) -> Outage:
    """Return the outage after a recording found the service unavailable.

    `previous` is the outage that it was a probe of. The backoff is `initial_backoff_seconds`, doubled by each failed
    probe up to `MAX_BACKOFF_SECONDS`. The service's own Retry-After takes precedence.
    """
    max_backoff_seconds = MAX_REFUSAL_BACKOFF_SECONDS if error.code == SuspectedOutage.code else MAX_BACKOFF_SECONDS
    backoff_seconds = min(previous.backoff_seconds * 2 if previous else initial_backoff_seconds, max_backoff_seconds)
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
        by_refusals=previous is not None and previous.by_refusals,
    )


def refusal_key(error: TranscriptionError) -> str | None:
    """What identical refusals have in common: HTTP status and code. None if the settings cannot be the cause."""
    if isinstance(error, ServiceUnavailable) or error.code in ("job_lost", "timeout"):
        return None
    return f"{error.status} {error.code}" if error.status or error.code in REFUSALS_WITHOUT_STATUS else None


def same_refusals(error: TranscriptionError) -> ServiceUnavailable:
    """The error of a pause that identical refusals have caused, of which `error` is the last."""
    return ServiceUnavailable(
        "Several recordings in a row failed in the same way, so they are probably not the cause: check the settings "
        f"and the server. The error of the last one: {error.message}",
        code=SuspectedOutage.code,
        status=error.status,
    )


def paused_by(error: TranscriptionError, now: datetime, initial_backoff_seconds: float) -> Outage:
    """Return the outage to record after MAX_IDENTICAL_REFUSALS, of which `error` is the last."""
    outage = opened_by(same_refusals(error), now, initial_backoff_seconds, None)
    return replace(outage, failures=MAX_IDENTICAL_REFUSALS, by_refusals=True)


def _format_to_second(timestamp: datetime) -> str:
    return f"{timestamp:%Y-%m-%d %H:%M:%S} UTC"
