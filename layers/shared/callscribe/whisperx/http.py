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

from callscribe.call import Exchange
from callscribe.clock import utc_now
from callscribe.errors import RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.transcript import unreadable
from callscribe.whisperx import Observer, Timeouts
from callscribe.whisperx.multipart import MultipartFile
from callscribe.whisperx.options import Pairs
from callscribe.whisperx.transport import PatientAdapter
from callscribe.whisperx.verdicts import Answer, succeeded

CHUNK = 64 * 1024
LARGEST_ANSWER = 32 * 1024 * 1024
"""Bytes. Ten hours of speech with a time for each word, told twice over, come to about two thirds of this; and what
JSON becomes in memory, about ten times this, fits into the function: once, so LARGE_ANSWER has to wait its turn."""

LARGE_ANSWER = 4 * 1024 * 1024
"""Bytes. Up to eight answers may come at once. Of those that are larger, one at a time is read on and parsed; the
others wait, most of them unread, until it is done or their own time is up."""

_large = threading.Lock()

LARGEST_REFUSAL = 64 * 1024
REFUSAL_SECONDS = 5.0
"""Of an answer that is no success: enough for what servers say, and whatever follows is not waited for."""

TIMED_OUT = "The service did not answer in time."

FAILURES = (requests.RequestException, HTTPError, OSError, UnicodeError)
"""What the libraries raise where an exchange fails."""


class BearerKey(AuthBase):
    """Puts the API key into each request; as `auth`, for a mere header gives way to a .netrc of the machine."""

    def __init__(self, key: str) -> None:
        self._value = f"Bearer {key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


class OneRequest(requests.Session):
    """Follows nothing: a redirected POST becomes a GET without audio. Nor does it read what came with a redirect."""

    def __init__(self, timeouts: Timeouts) -> None:
        super().__init__()
        self._adapter = PatientAdapter(timeouts.total)
        for scheme in ("http://", "https://"):
            self.mount(scheme, self._adapter)

    def pieces(self, response: requests.Response, deadline: float) -> Iterator[bytes]:
        """The body as it comes. Raises what the libraries do, also when it has not all come by then."""
        while (left := deadline - time.monotonic()) > 0:
            self._adapter.wait_for(left)
            # read1 returns with what there is: a server that trickles does not hold it past the deadline
            if not (piece := response.raw.read1(CHUNK, decode_content=True)):
                return
            yield piece
        raise TimeoutError

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 — as requests calls it
        return None


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: Pairs = ()
    body: MultipartFile | None = None

    @property
    def options(self) -> frozenset[str]:
        """The names of what is sent beside the audio."""
        return frozenset(name for name, _ in (*self.query, *(self.body.fields if self.body else ())))


class Client:
    """The service at its address. `read` makes of an answer, whatever its status, what the caller wants, or raises.

    Its methods raise RetryableError, PermanentError or ServiceUnavailable.
    """

    def __init__(self, url: str, api_key: str, observe: Observer) -> None:
        self._url = url.rstrip("/")
        self._auth = BearerKey(api_key) if api_key else None
        self._observe = observe

    def get[T](self, path: str, timeouts: Timeouts, read: Callable[[Answer], T]) -> T:
        return self._exchange(Request("GET", path), timeouts, read)

    def post[T](
        self, path: str, body: MultipartFile, timeouts: Timeouts, read: Callable[[Answer], T], *, query: Pairs = ()
    ) -> T:
        return self._exchange(Request("POST", path, query, body), timeouts, read)

    def _exchange[T](self, request: Request, timeouts: Timeouts, read: Callable[[Answer], T]) -> T:
        body, started_at, began = request.body, utc_now(), time.monotonic()
        deadline = began + timeouts.total
        received = bytearray()
        status: int | None = None
        code: str | None = "internal_error"
        try:
            with (
                ExitStack() as turn,
                OneRequest(timeouts) as session,
                self._open(session, request, timeouts, deadline) as response,
            ):
                status = response.status_code
                _receive(session, response, received, deadline, turn)
                result = read(Answer(status, response.headers, bytes(received), request.options))
                code = None
                return result
        except TranscriptionError as error:
            code = error.code
            raise
        except FAILURES as error:
            failure = _failed(error, begun=_has_begun(error, status, body))
            code = failure.code
            raise failure from error
        finally:
            self._observe(
                Exchange(
                    method=request.method,
                    url=public(self._url + request.path),
                    started_at=started_at,
                    duration=time.monotonic() - began,
                    status=status,
                    bytes_sent=body.sent if body else 0,
                    bytes_received=len(received),
                    error=code,
                )
            )

    def _open(
        self, session: requests.Session, request: Request, timeouts: Timeouts, deadline: float
    ) -> requests.Response:
        body = request.body
        headers = {"Accept": "application/json"} | ({"Content-Type": body.content_type} if body else {})
        limit: Any = Timeout(connect=timeouts.connect, total=timeouts.total)  # as requests passes it on to urllib3
        return session.request(
            request.method,
            self._url + request.path,
            params=list(request.query),
            data=body and body.until(deadline),
            headers=headers,
            auth=self._auth,
            timeout=limit,
            stream=True,
        )


def public(url: str) -> str:
    """An address without anything that may be secret: no user, no query."""
    try:
        parts = urlsplit(url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    except ValueError:
        return ""


def _receive(
    session: OneRequest, response: requests.Response, received: bytearray, deadline: float, turn: ExitStack
) -> None:
    """Reads the answer's body, as long as there is time and it is of a sane size; a large one in its `turn` alone."""
    if not succeeded(response.status_code):
        with suppress(*FAILURES):  # the status says what matters
            for piece in session.pieces(response, min(deadline, time.monotonic() + REFUSAL_SECONDS)):
                received += piece
                if len(received) > LARGEST_REFUSAL:
                    return
        return
    alone = False
    for piece in session.pieces(response, deadline):
        received += piece
        if len(received) > LARGEST_ANSWER:
            raise RetryableError("The answer of the service is too large to be a transcript.", code="unreadable_answer")
        if len(received) > LARGE_ANSWER and not alone:
            turn.enter_context(_alone(deadline))
            alone = True


@contextmanager
def _alone(deadline: float) -> Iterator[None]:
    """While no other large answer is in memory. Raises TimeoutError when it is not its turn by then."""
    if not _large.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise TimeoutError
    try:
        yield
    finally:
        _large.release()


def _has_begun(error: Exception, status: int | None, body: MultipartFile | None) -> bool:
    """Whether the service was there: it was given audio, it answered, or a connection stood."""
    if status is not None:
        return True
    if body:
        return body.sent > 0
    return any(isinstance(each, ProtocolError | ReadTimeoutError) for each in causes(error))


def _failed(error: Exception, *, begun: bool) -> TranscriptionError:
    """Before the first byte of audio it is an outage, whatever the libraries call it; from then on a failed attempt."""
    if isinstance(error, InvalidURL | LocationParseError | UnicodeError):
        return ServiceUnavailable("The server's address is not valid. Correct it.", code="wrong_address")
    if not begun:
        return ServiceUnavailable(
            f"No connection to the transcription service ({_cause(error)}). "
            "Check that it runs, that its address is right, and that this network reaches it."
        )
    if isinstance(error, DecodeError):
        return unreadable()
    if isinstance(error, ReadTimeout) or isinstance(_innermost(error), TimeoutError):
        return RetryableError(TIMED_OUT, code="timeout")
    return RetryableError(
        f"The connection to the service broke before it had answered ({_cause(error)}).", code="connection_lost"
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that led to it, the first of them last."""
    while error is not None:
        yield error
        error = error.__context__


def _innermost(error: BaseException) -> BaseException:
    *_, first = causes(error)
    return first


def _cause(error: Exception) -> str:
    """The innermost error's own words, without addresses: `Connection refused`."""
    inner = _innermost(error)
    return (inner.strerror if isinstance(inner, OSError) else None) or type(inner).__name__
