"""A transcription call: one HTTP exchange with the transcription service, kept for monitoring."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpExchange:
    """As it went over the wire, without anything that is secret: no query, no header, no body.

    `status` is None where no answer came, `error` the code of the TranscriptionError that it ended with. `duration` in
    seconds, from `started_at` (UTC); bytes of bodies.
    """

    method: str
    url: str
    started_at: datetime
    duration: float
    status: int | None
    bytes_sent: int
    bytes_received: int
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequest(HttpExchange):
    """An exchange for a recording, at its attempt of this number."""

    recording_id: str
    attempt: int
