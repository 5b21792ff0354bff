"""Whether and when a failed attempt is repeated."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from callscribe.errors import PermanentError, TranscriptionError
from callscribe.recordings.recording import Failure, Recording


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff: `base_seconds`, doubled with each attempt up to `max_seconds`."""

    max_attempts: int = 5
    base_seconds: float = 60.0
    max_seconds: float = 3600.0

    def delay(self, attempt: int, jitter: random.Random) -> timedelta:
        """How long to wait after this attempt (from 1): 50 to 100 % of the exponential backoff."""
        return timedelta(
            seconds=jitter.uniform(0.5, 1.0) * min(self.base_seconds * 2 ** (attempt - 1), self.max_seconds)
        )


REFUSED_DELAY = timedelta(hours=1)
"""How long to leave a file alone that could not be read for lack of a permission, or because it is archived."""


def next_attempt(
    recording: Recording, error: TranscriptionError, policy: RetryPolicy, now: datetime, jitter: random.Random
) -> datetime | None:
    """When to try again after this error; None if only a user can."""
    if not error.counts_as_attempt:
        return now + REFUSED_DELAY
    return now + policy.delay(recording.attempts, jitter) if will_retry(recording, error, policy) else None


def will_retry(recording: Recording, error: TranscriptionError, policy: RetryPolicy) -> bool:
    """Whether there is another attempt after this error."""
    has_attempts_left = recording.attempts < policy.max_attempts or not error.counts_as_attempt
    return has_attempts_left and not isinstance(error, PermanentError)


def to_failure(error: TranscriptionError, now: datetime) -> Failure:
    """The error as the record stores it."""
    retryable = not isinstance(error, PermanentError)
    return Failure(code=error.code, message=error.message, at=now, retryable=retryable, status=error.status)
