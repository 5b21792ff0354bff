"""An HTTP request to the transcription service, stored for monitoring (`/api/transcription-calls`)."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpExchange:
    """A request and its response, without anything secret: no query, no headers, no bodies.

    `status` is None without a response; `error` is the code of the resulting TranscriptionError. `duration` in seconds
    from `started_at` (UTC); `bytes_sent` and `bytes_received` count the bodies.
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
    """A request made for a recording, at its attempt number `attempt`. Its `id` begins with the time in UTC."""

    id: str
    recording_id: str
    attempt: int
