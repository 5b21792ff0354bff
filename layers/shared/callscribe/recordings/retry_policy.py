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


def will_retry(recording: Recording, error: TranscriptionError, policy: RetryPolicy) -> bool:
    """Whether there is another attempt after this error."""
    return not isinstance(error, PermanentError) and recording.attempts < policy.max_attempts


def to_failure(error: TranscriptionError, now: datetime) -> Failure:
    """The error as the record stores it."""
    retryable = not isinstance(error, PermanentError)
    return Failure(code=error.code, message=error.message, at=now, retryable=retryable, status=error.status)
