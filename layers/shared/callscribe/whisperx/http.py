"""One exchange with the service, and what its ending means: the table of sections 4 and 5 of the design.

What was never tried costs the recording no attempt; what broke after the audio was sent does, for a recording that
kills the server must not do so for ever.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import requests
from requests.auth import AuthBase
from requests.exceptions import ConnectTimeout, InvalidURL, ReadTimeout, SSLError
from urllib3.exceptions import NewConnectionError

from callscribe.errors import PermanentError, RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.whisperx import Timeouts
from callscribe.whisperx.multipart import MultipartFile

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
    502: ("service_down", "A proxy says that the service is gone ({}). Start it, or correct WhisperXUrl."),
    503: ("service_busy", BUSY),
}
"""HTTP statuses by which nobody was there to try. A missing route blames the configuration, not the recording."""

BLAMED = {
    413: ("too_large", "The audio is over the size limit of the service ({})."),
    415: ("not_audio", "The service does not take this kind of audio ({})."),
}
"""HTTP statuses that blame the request, with more to say than the others of 4xx."""


class BearerKey(AuthBase):
    """Puts the API key into each request; as `auth`, for a mere header gives way to a .netrc of the machine."""

    def __init__(self, key: str) -> None:
        self._value = f"Bearer {key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


def post(
    session: requests.Session, url: str, query: Mapping[str, str], body: MultipartFile, timeouts: Timeouts
) -> bytes:
    """Sends the audio; the body of a 2xx answer. Raises RetryableError, PermanentError or ServiceUnavailable."""
    try:
        response = session.post(
            url,
            params=dict(query),
            data=body,
            headers={"Content-Type": body.content_type, "Accept": "application/json"},
            timeout=(timeouts.connect, timeouts.read),
            allow_redirects=False,  # a redirected POST becomes a GET without audio
        )
    except (requests.RequestException, OSError) as error:
        raise _failed_exchange(error) from error
    refusal = _refusal(response)
    if refusal:
        raise refusal
    return response.content


def _failed_exchange(error: Exception) -> TranscriptionError:
    if isinstance(error, ConnectTimeout) or _never_connected(error):
        return ServiceUnavailable(
            f"No connection to the transcription service ({_cause(error)}). "
            "Check that it runs, that WhisperXUrl is right, and that this network reaches it."
        )
    if isinstance(error, ReadTimeout):
        return RetryableError("The service took the audio and did not answer in time.", code="timeout")
    if isinstance(error, InvalidURL):
        return ServiceUnavailable("WhisperXUrl is not an address. Correct it.")
    return RetryableError(
        f"The connection to the service broke while it had the audio ({_cause(error)}).", code="connection_lost"
    )


def _never_connected(error: Exception) -> bool:
    """`requests` wraps what urllib3 found: `error.args[0].reason` tells a refused connection from a broken one."""
    reason: Any = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, SSLError) or isinstance(reason, NewConnectionError)


def _cause(error: Exception) -> str:
    """The innermost error's own words, without addresses: `Connection refused`."""
    inner: BaseException = error
    while inner.__context__ is not None:
        inner = inner.__context__
    return (inner.strerror if isinstance(inner, OSError) else None) or type(inner).__name__


def _refusal(response: requests.Response) -> TranscriptionError | None:
    status = response.status_code
    if response.ok and not response.is_redirect:
        return None
    if status in UNAVAILABLE or response.is_redirect:
        code, message = UNAVAILABLE.get(status, ("wrong_address", REDIRECTED))
        return ServiceUnavailable(message.format(status), code=code, retry_after=_retry_after(response))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RetryableError(
            f"The service failed ({status}). Some servers answer so to audio that they cannot decode.",
            code="service_error",
        )
    code, message = BLAMED.get(status, ("rejected", "The service rejected the request ({})."))
    return PermanentError(message.format(status), code=code)


def _retry_after(response: requests.Response) -> float | None:
    try:
        return max(0.0, float(response.headers.get("Retry-After", "")))
    except ValueError:  # an HTTP date, or none
        return None
