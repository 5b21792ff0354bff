"""What an answer without a transcript means, by tables. The status alone decides the class, and so what becomes of the
recording; what the body says can only make the message more helpful, in words of ours.

Nothing that the service wrote gets into a message: it may repeat the key, the file name or what was said.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from callscribe.clock import utc_now
from callscribe.errors import BadGateway, PermanentError, RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.whisperx.dialects.options import FILE_FIELDS, KNOWN_OPTIONS


def is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(frozen=True, slots=True)
class Response:
    """What the service answered. The names of the headers are told in any case.

    `asked` are the names of the options that were sent: they come from the settings, so a message may repeat them.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_options: frozenset[str] = frozenset()

    @property
    def is_success(self) -> bool:
        return is_success(self.status)

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "")


@dataclass(frozen=True, slots=True)
class ErrorMapping:
    """Of an HTTP status: the class of the error, its code, and its message, in which {} is the status."""

    error_type: type[TranscriptionError]
    code: str
    message: str


type ErrorTable = Mapping[int, ErrorMapping]
"""By status. A dialect has one for what it means otherwise than COMMON."""

AUTHENTICATION_FAILED = ErrorMapping(
    ServiceUnavailable,
    "authentication_failed",
    "The service refused the API key ({}), or wants one where none is set. Set the right key of the server.",
)
ENDPOINT_NOT_FOUND = ErrorMapping(
    ServiceUnavailable,
    "endpoint_not_found",
    "There is no such route on the service ({}). Correct the server's address, which has no route such as /asr, "
    "or the dialect.",
)
BAD_GATEWAY = ErrorMapping(
    BadGateway, BadGateway.code, "A proxy says that the service is gone ({}). Start it, or correct its address."
)
SERVICE_BUSY = ErrorMapping(ServiceUnavailable, "service_busy", "The service says that it is overloaded ({}).")
INCOMPLETE_RESPONSE = ErrorMapping(RetryableError, "invalid_response", "The service gave no whole answer ({}).")

DEFAULT_ERRORS: ErrorTable = {
    206: INCOMPLETE_RESPONSE,
    401: AUTHENTICATION_FAILED,
    403: AUTHENTICATION_FAILED,
    404: ENDPOINT_NOT_FOUND,
    405: ENDPOINT_NOT_FOUND,
    407: ErrorMapping(ServiceUnavailable, "authentication_failed", "A proxy on the way wants to know who asks ({})."),
    408: ErrorMapping(RetryableError, "timeout", "The service gave up waiting for the audio ({})."),
    413: ErrorMapping(PermanentError, "too_large", "The audio is over the size limit of the service ({})."),
    415: ErrorMapping(PermanentError, "not_audio", "The service does not take this kind of audio ({})."),
    429: SERVICE_BUSY,
    502: BAD_GATEWAY,
    503: SERVICE_BUSY,
    # Cloudflare's own, where it has no connection to the server
    521: BAD_GATEWAY,
    522: BAD_GATEWAY,
    523: BAD_GATEWAY,
    530: BAD_GATEWAY,
}
"""By 401–405, 429, 502, 503 and Cloudflare's nobody was there to try. A missing route blames the configuration, not the
recording."""

SERVICE_ERROR = ErrorMapping(
    RetryableError,
    "service_error",
    "The service failed ({}). Some servers answer so to audio that they cannot decode, or to a language or model that "
    "they do not have.",
)
BY_STATUS_CLASS: ErrorTable = {
    1: INCOMPLETE_RESPONSE,
    3: ErrorMapping(
        ServiceUnavailable, "endpoint_not_found", "The server's address redirects ({}). Set it to where it leads."
    ),
    4: ErrorMapping(PermanentError, "request_rejected", "The service rejected the request ({})."),
}
"""Of what no table names, by the first digit; all others are FAILED."""

NO_GPU = re.compile(
    "(?i)no CUDA-capable device|CUDA driver version is insufficient|found no NVIDIA driver|not compiled with CUDA"
)
HINTS = (
    (NO_GPU, "The server has no GPU that it can use: set device=cpu&compute_type=int8 in the further options."),
    ("(?i)out of memory", "Its GPU ran out of memory: a smaller model or batch_size needs less."),
    (
        "(?i)not a valid language code|unsupported language|no default align-?model",
        "It does not know this language: correct the language.",
    ),
    (
        "AUDIO_PROCESSING_ERROR|(?i:invalid data found when processing|failed to load audio)",
        "It could not decode the audio.",
    ),
    ("(?i)invalid file extension|unsupported file (type|format)", "It judges by the ending of the file's name."),
    ("(?i)model not found|unknown model|invalid model", "It does not have this model: correct the model."),
    ("(?i)compute type|float16", "It cannot compute so: set compute_type=int8 in the further options."),
    (
        "'NoneType' object has no attribute 'to'|(?i:access gated repo|hf.co/pyannote)",
        "It cannot get its model that tells speakers apart: give it an HF_TOKEN whose owner has accepted its terms.",
    ),
    ("(?i)plain HTTP request was sent to HTTPS port", "It wants https: correct the server's address."),
)
"""Well-known words of servers, and what they mean, in ours."""

INVALID_OPTIONS = ErrorMapping(
    ServiceUnavailable,
    "invalid_options",
    "The service does not take an option as it is set ({}). Correct it in the settings of WhisperX.",
)
"""Here {} is the options, by name."""


def raise_for_status(response: Response, error_table: ErrorTable | None = None) -> Response:
    """The answer, if its status is one of success; otherwise raises what the status means."""
    table = {**DEFAULT_ERRORS, **(error_table or {})}
    mapping = table.get(response.status)
    if mapping is None and response.is_success:
        return response
    if response.status == HTTPStatus.UNPROCESSABLE_ENTITY and (names := invalid_options(response)):
        raise _build_error(INVALID_OPTIONS, response, ", ".join(names))
    raise _build_error(
        mapping or BY_STATUS_CLASS.get(response.status // 100, SERVICE_ERROR), response, str(response.status)
    )


def hint(text: str) -> str:
    """What well-known words of a server mean, as a further sentence; empty for all others."""
    return next((f" {explanation}" for pattern, explanation in HINTS if re.search(pattern, text)), "")


def invalid_options(response: Response) -> list[str]:
    """The options that FastAPI found wrong in a request, if all of them are options: known ones, or sent."""
    try:
        details: Any = json.loads(response.body)["detail"]
        names = {detail["loc"][1] for detail in details}
        return sorted(names) if names <= (KNOWN_OPTIONS | response.sent_options) - FILE_FIELDS else []
    except (ValueError, RecursionError, TypeError, LookupError):
        return []


def _build_error(mapping: ErrorMapping, response: Response, detail: str) -> TranscriptionError:
    message = mapping.message.format(detail) + hint(response.body.decode(errors="replace"))
    arguments: dict[str, Any] = {"code": mapping.code, "status": response.status}
    if issubclass(mapping.error_type, ServiceUnavailable):
        arguments["retry_after"] = _retry_after(response.headers)
    return mapping.error_type(message, **arguments)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, or a date, which is told by the service's own clock where it says what that is (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        date = _parse_date(value)
    if date is None:
        return None
    return max(0.0, (date - (_parse_date(headers.get("Date", "")) or utc_now())).total_seconds())


def _parse_date(text: str) -> datetime | None:
    """An HTTP date, which is always GMT; None for anything else."""
    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
