"""Map error responses and network failures of the service to errors.

The status alone decides the class of the error, and so what happens to the recording; the body can only make the
message more helpful. Nothing that the service wrote is copied into a message: it may repeat the API key, the file name
or what was said.

Failures before any audio is sent do not consume an attempt; failures afterwards do, so that a recording that crashes
the server eventually stops being retried.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import requests
from requests.exceptions import InvalidURL, ReadTimeout
from urllib3.exceptions import DecodeError, HTTPError, LocationParseError, ProtocolError, ReadTimeoutError

from callscribe.clock import utc_now
from callscribe.errors import BadGateway, PermanentError, RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.transcripts.transcript import invalid_response_error

MISSING_ROUTE_STATUSES = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
"""The server does not have the requested route."""


def is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response of the service. `headers` are case-insensitive.

    `sent_options`: the names of the options in the request; they come from the settings, so a message may repeat them.
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
    """The error for an HTTP status: its class, its code, and its message, in which {} is the status."""

    error_type: type[TranscriptionError]
    code: str
    message: str


type ErrorTable = Mapping[int, ErrorMapping]
"""By HTTP status. A dialect has one for the statuses that it uses differently from DEFAULT_ERRORS."""

AUTHENTICATION_FAILED = ErrorMapping(
    ServiceUnavailable,
    "authentication_failed",
    "The WhisperX server rejected the API key ({}), or requires one and none is set. Set the right API key.",
)
ENDPOINT_NOT_FOUND = ErrorMapping(
    ServiceUnavailable,
    "endpoint_not_found",
    "The WhisperX server has no such route ({}). Correct the server URL, which must not contain a route such as /asr, "
    "or the dialect.",
)
BAD_GATEWAY = ErrorMapping(
    BadGateway,
    BadGateway.code,
    "A proxy reports that the WhisperX server is down ({}). Start it, or correct the server URL.",
)
SERVICE_BUSY = ErrorMapping(
    ServiceUnavailable, "service_busy", "The WhisperX server reports that it is overloaded ({})."
)
INCOMPLETE_RESPONSE = ErrorMapping(RetryableError, "invalid_response", "The response is incomplete ({}).")

DEFAULT_ERRORS: ErrorTable = {
    206: INCOMPLETE_RESPONSE,
    401: AUTHENTICATION_FAILED,
    403: AUTHENTICATION_FAILED,
    404: ENDPOINT_NOT_FOUND,
    405: ENDPOINT_NOT_FOUND,
    407: ErrorMapping(ServiceUnavailable, "authentication_failed", "A proxy requires authentication ({})."),
    408: ErrorMapping(RetryableError, "timeout", "The WhisperX server stopped waiting for the audio ({})."),
    413: ErrorMapping(PermanentError, "too_large", "The audio exceeds the size limit of the WhisperX server ({})."),
    415: ErrorMapping(PermanentError, "not_audio", "The WhisperX server does not accept this kind of audio ({})."),
    429: SERVICE_BUSY,
    502: BAD_GATEWAY,
    503: SERVICE_BUSY,
    # Cloudflare's own, when it cannot connect to the server
    521: BAD_GATEWAY,
    522: BAD_GATEWAY,
    523: BAD_GATEWAY,
    530: BAD_GATEWAY,
}
"""401, 403, 404, 405, 407, 429 and 503 mean that the service did not try the audio; with the bad gateways, it may have
crashed on it. A missing route is an error of the configuration, not of the recording."""

SERVICE_ERROR = ErrorMapping(
    RetryableError,
    "service_error",
    "The WhisperX server failed ({}). Some servers respond like this to audio that they cannot decode, or to a "
    "language or model that they do not have.",
)
BY_STATUS_CLASS: ErrorTable = {
    1: INCOMPLETE_RESPONSE,
    3: ErrorMapping(
        ServiceUnavailable,
        "endpoint_not_found",
        "The server URL redirects ({}). Set it to the target of the redirect.",
    ),
    4: ErrorMapping(PermanentError, "request_rejected", "The WhisperX server rejected the request ({})."),
}
"""For statuses that are in no table, by their first digit; SERVICE_ERROR for all others."""

NO_GPU = re.compile(
    "(?i)no CUDA-capable device|CUDA driver version is insufficient|found no NVIDIA driver|not compiled with CUDA"
)
HINTS = (
    (NO_GPU, "The server has no usable GPU: set device=cpu&compute_type=int8 in the additional options."),
    ("(?i)out of memory", "Its GPU ran out of memory: use a smaller model or batch_size."),
    (
        "(?i)not a valid language code|unsupported language|no default align-?model",
        "It does not know this language: correct the language.",
    ),
    (
        "AUDIO_PROCESSING_ERROR|(?i:invalid data found when processing|failed to load audio)",
        "It could not decode the audio.",
    ),
    ("(?i)invalid file extension|unsupported file (type|format)", "It does not accept this file extension."),
    ("(?i)model not found|unknown model|invalid model", "It does not have this model: correct the model."),
    (
        "(?i)compute type|float16",
        "It does not support this compute type: set compute_type=int8 in the additional options.",
    ),
    (
        "'NoneType' object has no attribute 'to'|(?i:access gated repo|hf.co/pyannote)",
        "It cannot download its diarization model: give it an HF_TOKEN whose owner has accepted the model's terms.",
    ),
    ("(?i)plain HTTP request was sent to HTTPS port", "It requires https: correct the server URL."),
)
"""Well-known error texts of servers, and what they mean."""

INVALID_OPTIONS = ErrorMapping(
    ServiceUnavailable,
    "invalid_options",
    "The WhisperX server does not accept the value of an option ({}). Correct it in the settings of WhisperX.",
)
"""Here {} is the names of the options."""

KNOWN_OPTION_NAMES = (
    "align align_model async batch_size beam_size best_of chunk_size chunk_length compression_ratio_threshold "
    "compute_type device device_index diarize diarize_model encode enable_alignment hf_token hotwords initial_prompt "
    "interpolate_method language length_penalty log_prob_threshold max_speakers min_speakers model "
    "no_speech_threshold num_speakers output output_format patience prompt response_format return_char_alignments "
    "speaker_embeddings stream suppress_numerals suppress_tokens task temperature temperatures threads "
    "timestamp_granularities timestamp_granularities[] translate vad_filter vad_offset vad_onset "
    "word_timestamps"
)
KNOWN_OPTIONS = frozenset(KNOWN_OPTION_NAMES.split())
"""The options of the supported servers. A message may repeat these names and those that were sent, and nothing else
that a server wrote."""

FILE_FIELDS = {"file", "audio_file"}

NETWORK_ERRORS = (requests.RequestException, HTTPError, OSError, UnicodeError)
"""What the libraries raise when an exchange fails."""


def raise_for_status(response: Response, error_table: ErrorTable | None = None) -> Response:
    """The response itself, if its status means success.

    Raises: TranscriptionError, of the class for the status; a dialect's `error_table` takes precedence.
    """
    mapping = {**DEFAULT_ERRORS, **(error_table or {})}.get(response.status)
    if mapping is None and response.is_success:
        return response
    if response.status == HTTPStatus.UNPROCESSABLE_ENTITY and (names := invalid_options(response)):
        raise _build_error(INVALID_OPTIONS, response, ", ".join(names))
    raise _build_error(
        mapping or BY_STATUS_CLASS.get(response.status // 100, SERVICE_ERROR), response, str(response.status)
    )


def hint(text: str) -> str:
    """What a well-known error text means, as a sentence to append to a message; empty for all others."""
    return next((f" {explanation}" for pattern, explanation in HINTS if re.search(pattern, text)), "")


def invalid_options(response: Response) -> list[str]:
    """The names that FastAPI reports as invalid; empty unless each is an option that is known or was sent."""
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
    """Seconds. The header holds seconds or a date (RFC 9110, 10.2.3); a date is relative to the service's own clock,
    if the response has a Date."""
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
    """An HTTP date, which is always in GMT; None for anything else."""
    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def map_network_error(error: Exception, status: int | None, bytes_sent: int | None) -> TranscriptionError:
    """An outage if the service was not reached, otherwise a failed attempt.

    `status` is None if there was no response; `bytes_sent` is None for a request without a body.
    """
    if isinstance(error, InvalidURL | LocationParseError | UnicodeError):
        return ServiceUnavailable("The server URL is not valid. Correct it.", code="endpoint_not_found")
    causes = list(exception_chain(error))
    if status is not None:
        was_reached = True
    elif bytes_sent is not None:
        was_reached = bytes_sent > 0
    else:
        was_reached = any(isinstance(cause, ProtocolError | ReadTimeoutError) for cause in causes)
    root_cause = causes[-1]
    # the error's own text would contain host names; this is just `Connection refused`
    reason = (root_cause.strerror if isinstance(root_cause, OSError) else None) or type(root_cause).__name__
    if not was_reached:
        return ServiceUnavailable(
            f"No connection to the WhisperX server ({reason}). "
            "Check that it runs, that the server URL is right, and that this network can reach it."
        )
    if isinstance(error, DecodeError):
        return invalid_response_error()
    if isinstance(error, ReadTimeout) or isinstance(root_cause, TimeoutError):
        return RetryableError("The WhisperX server did not respond in time.", code="timeout")
    return RetryableError(
        f"The connection to the WhisperX server was lost before the response was complete ({reason}).",
        code="connection_lost",
    )


def exception_chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes; the root cause comes last."""
    while error is not None:
        yield error
        error = error.__context__
