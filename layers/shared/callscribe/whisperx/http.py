"""One exchange with the service, and what its ending means, by tables; docs/states.md tells them in words.

What was never tried costs the recording no attempt; what broke after the audio was sent does, for a recording that
kills the server must not do so for ever.
"""

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import requests
from requests.auth import AuthBase
from requests.exceptions import InvalidURL, ReadTimeout
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import Timeout

from callscribe.clock import utc_now
from callscribe.errors import PermanentError, RetryableError, ServiceDown, ServiceUnavailable, TranscriptionError
from callscribe.whisperx import Timeouts
from callscribe.whisperx.multipart import MultipartFile
from callscribe.whisperx.transport import PatientAdapter

CHUNK = 64 * 1024
LARGEST_ANSWER = 32 * 1024 * 1024
"""Bytes. Ten hours of speech with a time for each word, told twice over, come to about two thirds of this; and what
JSON becomes in memory, about eight times this, fits into the function."""

KEY_REFUSED = "The service refused the API key ({}). Write the right key into the WhisperX secret."
REDIRECTED = "The address redirects ({}). Set WhisperXUrl to where it leads."
WRONG_ADDRESS = "There is no such route on the service ({}). Correct WhisperXUrl or WhisperXDialect."
BUSY = "The service says that it is overloaded ({})."

UNAVAILABLE = {
    401: ("key_refused", KEY_REFUSED),
    403: ("key_refused", KEY_REFUSED),
    404: ("wrong_address", WRONG_ADDRESS),
    405: ("wrong_address", WRONG_ADDRESS),
    429: ("service_busy", BUSY),
    502: (ServiceDown.code, "A proxy says that the service is gone ({}). Start it, or correct WhisperXUrl."),
    503: ("service_busy", BUSY),
}
"""HTTP statuses by which nobody was there to try. A missing route blames the configuration, not the recording."""

BLAMED = {
    413: ("too_large", "The audio is over the size limit of the service ({})."),
    415: ("not_audio", "The service does not take this kind of audio ({})."),
}
"""HTTP statuses that blame the request, with more to say than the others of 4xx."""

FAILED = "The service failed ({}). Some servers answer so to audio that they cannot decode."
TIMED_OUT = "The service took the audio and did not answer in time."


class BearerKey(AuthBase):
    """Puts the API key into each request; as `auth`, for a mere header gives way to a .netrc of the machine."""

    def __init__(self, key: str) -> None:
        self._value = f"Bearer {key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


def post(
    url: str, query: Mapping[str, str], body: MultipartFile, timeouts: Timeouts, *, auth: AuthBase | None
) -> bytes:
    """Sends the audio; the body of a 2xx answer. Raises RetryableError, PermanentError or ServiceUnavailable."""
    deadline = time.monotonic() + timeouts.total
    limit: Any = Timeout(connect=timeouts.connect, total=timeouts.total)  # as requests passes it on to urllib3
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, PatientAdapter(timeouts.total))
        try:
            with session.post(
                url,
                params=dict(query),
                data=body.until(deadline),
                headers={"Content-Type": body.content_type, "Accept": "application/json"},
                auth=auth,
                timeout=limit,
                stream=True,
                allow_redirects=False,  # a redirected POST becomes a GET without audio
            ) as response:
                refusal = _refusal(response)
                if refusal:
                    raise refusal
                return _read(response, deadline)
        except (requests.RequestException, HTTPError, OSError, UnicodeError) as error:
            raise _failed_exchange(error, begun=body.begun) from error


def _read(response: requests.Response, deadline: float) -> bytes:
    """The answer's body, as long as there is time and it is of a sane size."""
    answer = bytearray()
    # read1 returns with what there is: a server that trickles does not hold it past the deadline
    while chunk := response.raw.read1(CHUNK, decode_content=True):
        answer += chunk
        if time.monotonic() > deadline:
            raise RetryableError(TIMED_OUT, code="timeout")
        if len(answer) > LARGEST_ANSWER:
            raise RetryableError("The answer of the service is too large to be a transcript.", code="unreadable_answer")
    return bytes(answer)


def _failed_exchange(error: Exception, *, begun: bool) -> TranscriptionError:
    """Before the first byte of audio it is an outage, whatever the libraries call it; from then on a failed attempt."""
    if isinstance(error, InvalidURL | LocationParseError | UnicodeError):
        return ServiceUnavailable("WhisperXUrl is not an address. Correct it.", code="wrong_address")
    if not begun:
        return ServiceUnavailable(
            f"No connection to the transcription service ({_cause(error)}). "
            "Check that it runs, that WhisperXUrl is right, and that this network reaches it."
        )
    if isinstance(error, ReadTimeout) or isinstance(_innermost(error), TimeoutError):
        return RetryableError(TIMED_OUT, code="timeout")
    return RetryableError(
        f"The connection to the service broke while it had the audio ({_cause(error)}).", code="connection_lost"
    )


def _innermost(error: BaseException) -> BaseException:
    while error.__context__ is not None:
        error = error.__context__
    return error


def _cause(error: Exception) -> str:
    """The innermost error's own words, without addresses: `Connection refused`."""
    inner = _innermost(error)
    return (inner.strerror if isinstance(inner, OSError) else None) or type(inner).__name__


def _refusal(response: requests.Response) -> TranscriptionError | None:
    status = response.status_code
    if response.ok and not response.is_redirect:
        return None
    if status in UNAVAILABLE or response.is_redirect:
        code, message = UNAVAILABLE.get(status, ("wrong_address", REDIRECTED))
        kind = ServiceDown if code == ServiceDown.code else ServiceUnavailable
        return kind(message.format(status), code=code, retry_after=_retry_after(response))
    if status == HTTPStatus.REQUEST_TIMEOUT:
        return RetryableError(f"The service gave up waiting for the audio ({status}).", code="timeout")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RetryableError(FAILED.format(status), code="service_error")
    code, message = BLAMED.get(status, ("rejected", "The service rejected the request ({})."))
    return PermanentError(message.format(status), code=code)


def _retry_after(response: requests.Response) -> float | None:
    """Seconds, or a date, which is told by the service's own clock where it says what that is (RFC 9110, 10.2.3)."""
    given = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(given)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        at = _date(given)
    if at is None:
        return None
    return max(0.0, (at - (_date(response.headers.get("Date", "")) or utc_now())).total_seconds())


def _date(text: str) -> datetime | None:
    """An HTTP date, which is always GMT; None for anything else."""
    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
