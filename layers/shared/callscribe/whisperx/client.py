"""One exchange with the service, for all dialects: sent, waited for and read before one deadline, told to the observer.

What was never tried costs the recording no attempt; what broke after the audio was sent does, for a recording that
kills the server must not do so for ever.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from requests.exceptions import InvalidURL, ReadTimeout
from urllib3.exceptions import DecodeError, HTTPError, LocationParseError, ProtocolError, ReadTimeoutError
from urllib3.util import Timeout

from callscribe.clock import utc_now
from callscribe.errors import RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.recordings.service_request import HttpExchange
from callscribe.transcripts.transcript import invalid_response_error
from callscribe.whisperx import RequestLogger, Timeouts
from callscribe.whisperx.dialects.options import Parameters
from callscribe.whisperx.multipart import MultipartUpload
from callscribe.whisperx.response_errors import Response, is_success
from callscribe.whisperx.transport import SplitTimeoutAdapter

CHUNK_BYTES = 64 * 1024
MAX_RESPONSE_BYTES = 32 * 1024 * 1024
"""Bytes. Ten hours of speech with a time for each word, told twice over, come to about two thirds of this; and what
JSON becomes in memory, about ten times this, fits into the function: once, so LARGE_ANSWER has to wait its turn."""

LARGE_RESPONSE_BYTES = 4 * 1024 * 1024
"""Bytes. Up to eight answers may come at once. Of those that are larger, one at a time is read on and parsed; the
others wait, most of them unread, until it is done or their own time is up."""

_large_response_lock = threading.Lock()

MAX_ERROR_BODY_BYTES = 64 * 1024
ERROR_BODY_SECONDS = 5.0
"""Of an answer that is no success: enough for what servers say, and whatever follows is not waited for."""

TIMEOUT_MESSAGE = "The service did not answer in time."

NETWORK_ERRORS = (requests.RequestException, HTTPError, OSError, UnicodeError)
"""What the libraries raise where an exchange fails."""


class BearerAuth(AuthBase):
    """Puts the API key into each request; as `auth`, for a mere header gives way to a .netrc of the machine."""

    def __init__(self, key: str) -> None:
        self._value = f"Bearer {key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


class NoRedirectSession(requests.Session):
    """Follows nothing: a redirected POST becomes a GET without audio. Nor does it read what came with a redirect."""

    def __init__(self, timeouts: Timeouts) -> None:
        super().__init__()
        self._adapter = SplitTimeoutAdapter(timeouts.total)
        for scheme in ("http://", "https://"):
            self.mount(scheme, self._adapter)

    def iter_body(self, response: requests.Response, deadline: float) -> Iterator[bytes]:
        """The body as it comes. Raises what the libraries do, also when it has not all come by then."""
        while (seconds_left := deadline - time.monotonic()) > 0:
            self._adapter.set_read_timeout(seconds_left)
            # read1 returns with what there is: a server that trickles does not hold it past the deadline
            if not (chunk := response.raw.read1(CHUNK_BYTES, decode_content=True)):
                return
            yield chunk
        raise TimeoutError

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 — as requests calls it
        return None


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    path: str
    query: Parameters = ()
    body: MultipartUpload | None = None

    @property
    def option_names(self) -> frozenset[str]:
        """The names of what is sent beside the audio."""
        return frozenset(name for name, _ in (*self.query, *(self.body.fields if self.body else ())))


class WhisperXClient:
    """The service at its address. `read` makes of an answer, whatever its status, what the caller wants, or raises.

    Its methods raise RetryableError, PermanentError or ServiceUnavailable.
    """

    def __init__(self, url: str, api_key: str, log_request: RequestLogger) -> None:
        self._url = url.rstrip("/")
        self._auth = BearerAuth(api_key) if api_key else None
        self._log_request = log_request

    def get[T](self, path: str, timeouts: Timeouts, parse: Callable[[Response], T]) -> T:
        return self._exchange(HttpRequest("GET", path), timeouts, parse)

    def post[T](
        self,
        path: str,
        body: MultipartUpload,
        timeouts: Timeouts,
        parse: Callable[[Response], T],
        *,
        query: Parameters = (),
    ) -> T:
        return self._exchange(HttpRequest("POST", path, query, body), timeouts, parse)

    def _exchange[T](self, request: HttpRequest, timeouts: Timeouts, parse: Callable[[Response], T]) -> T:
        body, started_at, monotonic_start = request.body, utc_now(), time.monotonic()
        deadline = monotonic_start + timeouts.total
        received = bytearray()
        status: int | None = None
        code: str | None = "internal_error"
        try:
            with (
                ExitStack() as exit_stack,
                NoRedirectSession(timeouts) as session,
                self._open(session, request, timeouts, deadline) as response,
            ):
                status = response.status_code
                _read_body(session, response, received, deadline, exit_stack)
                result = parse(Response(status, response.headers, bytes(received), request.option_names))
                code = None
                return result
        except TranscriptionError as error:
            code = error.code
            raise
        except NETWORK_ERRORS as error:
            mapped_error = _map_network_error(error, has_reached_service=_has_reached_service(error, status, body))
            code = mapped_error.code
            raise mapped_error from error
        finally:
            self._log_request(
                HttpExchange(
                    method=request.method,
                    url=redact_url(self._url + request.path),
                    started_at=started_at,
                    duration=time.monotonic() - monotonic_start,
                    status=status,
                    bytes_sent=body.bytes_sent if body else 0,
                    bytes_received=len(received),
                    error=code,
                )
            )

    def _open(
        self, session: requests.Session, request: HttpRequest, timeouts: Timeouts, deadline: float
    ) -> requests.Response:
        body = request.body
        headers = {"Accept": "application/json"} | ({"Content-Type": body.content_type} if body else {})
        timeout: Any = Timeout(connect=timeouts.connect, total=timeouts.total)  # as requests passes it on to urllib3
        return session.request(
            request.method,
            self._url + request.path,
            params=list(request.query),
            data=body and body.with_deadline(deadline),
            headers=headers,
            auth=self._auth,
            timeout=timeout,
            stream=True,
        )


def redact_url(url: str) -> str:
    """An address without anything that may be secret: no user, no query."""
    try:
        parts = urlsplit(url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    except ValueError:
        return ""


def _read_body(
    session: NoRedirectSession, response: requests.Response, received: bytearray, deadline: float, exit_stack: ExitStack
) -> None:
    """Reads the answer's body, as long as there is time and it is of a sane size; a large one in its `turn` alone."""
    if not is_success(response.status_code):
        with suppress(*NETWORK_ERRORS):  # the status says what matters
            for chunk in session.iter_body(response, min(deadline, time.monotonic() + ERROR_BODY_SECONDS)):
                received += chunk
                if len(received) > MAX_ERROR_BODY_BYTES:
                    return
        return
    holds_lock = False
    for chunk in session.iter_body(response, deadline):
        received += chunk
        if len(received) > MAX_RESPONSE_BYTES:
            raise RetryableError("The answer of the service is too large to be a transcript.", code="invalid_response")
        if len(received) > LARGE_RESPONSE_BYTES and not holds_lock:
            exit_stack.enter_context(_single_large_response(deadline))
            holds_lock = True


@contextmanager
def _single_large_response(deadline: float) -> Iterator[None]:
    """While no other large answer is in memory. Raises TimeoutError when it is not its turn by then."""
    if not _large_response_lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise TimeoutError
    try:
        yield
    finally:
        _large_response_lock.release()


def _has_reached_service(error: Exception, status: int | None, body: MultipartUpload | None) -> bool:
    """Whether the service was there: it was given audio, it answered, or a connection stood."""
    if status is not None:
        return True
    if body:
        return body.bytes_sent > 0
    return any(isinstance(each, ProtocolError | ReadTimeoutError) for each in exception_chain(error))


def _map_network_error(error: Exception, *, has_reached_service: bool) -> TranscriptionError:
    """Before the first byte of audio it is an outage, whatever the libraries call it; from then on a failed attempt."""
    if isinstance(error, InvalidURL | LocationParseError | UnicodeError):
        return ServiceUnavailable("The server's address is not valid. Correct it.", code="endpoint_not_found")
    if not has_reached_service:
        return ServiceUnavailable(
            f"No connection to the transcription service ({_describe_cause(error)}). "
            "Check that it runs, that its address is right, and that this network reaches it."
        )
    if isinstance(error, DecodeError):
        return invalid_response_error()
    if isinstance(error, ReadTimeout) or isinstance(_root_cause(error), TimeoutError):
        return RetryableError(TIMEOUT_MESSAGE, code="timeout")
    return RetryableError(
        f"The connection to the service broke before it had answered ({_describe_cause(error)}).",
        code="connection_lost",
    )


def exception_chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that led to it, the first of them last."""
    while error is not None:
        yield error
        error = error.__context__


def _root_cause(error: BaseException) -> BaseException:
    *_, first = exception_chain(error)
    return first


def _describe_cause(error: Exception) -> str:
    """The innermost error's own words, without addresses: `Connection refused`."""
    root_cause = _root_cause(error)
    return (root_cause.strerror if isinstance(root_cause, OSError) else None) or type(root_cause).__name__
