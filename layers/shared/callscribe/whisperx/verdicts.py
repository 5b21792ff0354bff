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
from callscribe.errors import PermanentError, RetryableError, ServiceDown, ServiceUnavailable, TranscriptionError
from callscribe.whisperx.options import FILE_FIELDS, KNOWN


def succeeded(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered. The names of the headers are told in any case.

    `asked` are the names of the options that were sent: they come from the settings, so a message may repeat them.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    asked: frozenset[str] = frozenset()

    @property
    def succeeded(self) -> bool:
        return succeeded(self.status)

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "")


@dataclass(frozen=True, slots=True)
class Meaning:
    """Of an HTTP status: the class of the error, its code, and its message, in which {} is the status."""

    kind: type[TranscriptionError]
    code: str
    message: str


type Meanings = Mapping[int, Meaning]
"""By status. A dialect has one for what it means otherwise than COMMON."""

KEY_REFUSED = Meaning(
    ServiceUnavailable,
    "key_refused",
    "The service refused the API key ({}), or wants one where none is set. Set the right key of the server.",
)
WRONG_ADDRESS = Meaning(
    ServiceUnavailable,
    "wrong_address",
    "There is no such route on the service ({}). Correct the server's address, which has no route such as /asr, "
    "or the dialect.",
)
DOWN = Meaning(
    ServiceDown, ServiceDown.code, "A proxy says that the service is gone ({}). Start it, or correct its address."
)
BUSY = Meaning(ServiceUnavailable, "service_busy", "The service says that it is overloaded ({}).")
NO_ANSWER = Meaning(RetryableError, "unreadable_answer", "The service gave no whole answer ({}).")

COMMON: Meanings = {
    206: NO_ANSWER,
    401: KEY_REFUSED,
    403: KEY_REFUSED,
    404: WRONG_ADDRESS,
    405: WRONG_ADDRESS,
    407: Meaning(ServiceUnavailable, "key_refused", "A proxy on the way wants to know who asks ({})."),
    408: Meaning(RetryableError, "timeout", "The service gave up waiting for the audio ({})."),
    413: Meaning(PermanentError, "too_large", "The audio is over the size limit of the service ({})."),
    415: Meaning(PermanentError, "not_audio", "The service does not take this kind of audio ({})."),
    429: BUSY,
    502: DOWN,
    503: BUSY,
    # Cloudflare's own, where it has no connection to the server
    521: DOWN,
    522: DOWN,
    523: DOWN,
    530: DOWN,
}
"""By 401–405, 429, 502, 503 and Cloudflare's nobody was there to try. A missing route blames the configuration, not the
recording."""

FAILED = Meaning(
    RetryableError,
    "service_error",
    "The service failed ({}). Some servers answer so to audio that they cannot decode, or to a language or model that "
    "they do not have.",
)
HUNDREDS: Meanings = {
    1: NO_ANSWER,
    3: Meaning(ServiceUnavailable, "wrong_address", "The server's address redirects ({}). Set it to where it leads."),
    4: Meaning(PermanentError, "rejected", "The service rejected the request ({})."),
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

WRONG_SETTINGS = Meaning(
    ServiceUnavailable,
    "wrong_settings",
    "The service does not take an option as it is set ({}). Correct it in the settings of WhisperX.",
)
"""Here {} is the options, by name."""


def approved(answer: Answer, meanings: Meanings | None = None) -> Answer:
    """The answer, if its status is one of success; otherwise raises what the status means."""
    table = {**COMMON, **(meanings or {})}
    meaning = table.get(answer.status)
    if meaning is None and answer.succeeded:
        return answer
    if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY and (names := options_at_fault(answer)):
        raise _error(WRONG_SETTINGS, answer, ", ".join(names))
    raise _error(meaning or HUNDREDS.get(answer.status // 100, FAILED), answer, str(answer.status))


def hint(text: str) -> str:
    """What well-known words of a server mean, as a further sentence; empty for all others."""
    return next((f" {meaning}" for words, meaning in HINTS if re.search(words, text)), "")


def options_at_fault(answer: Answer) -> list[str]:
    """The options that FastAPI found wrong in a request, if all of them are options: known ones, or sent."""
    try:
        faults: Any = json.loads(answer.body)["detail"]
        names = {fault["loc"][1] for fault in faults}
        return sorted(names) if names <= (KNOWN | answer.asked) - FILE_FIELDS else []
    except (ValueError, RecursionError, TypeError, LookupError):
        return []


def _error(meaning: Meaning, answer: Answer, what: str) -> TranscriptionError:
    message = meaning.message.format(what) + hint(answer.body.decode(errors="replace"))
    told: dict[str, Any] = {"code": meaning.code, "status": answer.status}
    if issubclass(meaning.kind, ServiceUnavailable):
        told["retry_after"] = _retry_after(answer.headers)
    return meaning.kind(message, **told)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, or a date, which is told by the service's own clock where it says what that is (RFC 9110, 10.2.3)."""
    given = headers.get("Retry-After", "").strip()
    try:
        seconds = float(given)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        at = _date(given)
    if at is None:
        return None
    return max(0.0, (at - (_date(headers.get("Date", "")) or utc_now())).total_seconds())


def _date(text: str) -> datetime | None:
    """An HTTP date, which is always GMT; None for anything else."""
    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
