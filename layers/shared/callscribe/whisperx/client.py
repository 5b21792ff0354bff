"""The HTTP client of all dialects: one exchange with the service, within one deadline, reported to the request logger.

The connect timeout applies only until the connection is made: urllib3 leaves it on the socket while the body is sent,
but these servers read nothing while they run another job, so five seconds of that would count as a broken connection.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import Timeout

from callscribe.clock import utc_now
from callscribe.errors import RetryableError, TranscriptionError
from callscribe.recordings.service_request import HttpExchange
from callscribe.settings.whisperx import Credentials
from callscribe.whisperx import RequestLogger, Response, Timeouts, is_success
from callscribe.whisperx.connection_options import KEEPALIVE, SocketOptions, tls_context
from callscribe.whisperx.dialects.base import MultipartUpload, Parameters
from callscribe.whisperx.network_errors import NETWORK_ERRORS, map_network_error

UPLOAD_BLOCK_BYTES = 64 * 1024
"""How much of the audio is read and sent at a time. With a quarter of this size, sending takes 50 % longer."""

DOWNLOAD_CHUNK_BYTES = 64 * 1024


MIN_SOCKET_TIMEOUT_SECONDS = 0.01
"""A timeout of 0 would make the socket non-blocking."""

MAX_RESPONSE_BYTES = 32 * 1024 * 1024
"""Ten hours of speech with a time for each word, listed twice, are about two thirds of this. As parsed JSON it takes
about ten times as much memory, which fits into the function once: hence LARGE_RESPONSE_BYTES."""

LARGE_RESPONSE_BYTES = 4 * 1024 * 1024
"""Up to eight responses may arrive at the same time. Of those larger than this, only one at a time is read to its end
and parsed; the others wait, most of them unread, until it is done or their own deadline has passed."""

_large_response_lock = threading.Lock()

MAX_ERROR_BODY_BYTES = 64 * 1024
ERROR_BODY_SECONDS = 5.0
"""For the body of an error response: enough for the messages of servers; the rest is not waited for."""


class HeaderAuth(AuthBase):
    """Sends headers with each request. Passed as `auth`, even if empty: otherwise requests would use the machine's
    .netrc, which overrides a header."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


class SplitTimeoutAdapter(HTTPAdapter):
    """The transport of a session. `socket_timeout`, in seconds, applies once the connection is made."""

    def __init__(self, socket_timeout: float, socket_options: SocketOptions, ca_certificates: str) -> None:
        self.socket_timeout = socket_timeout
        self._socket_options = [*HTTPConnection.default_socket_options, *socket_options]
        self._ca_certificates = ca_certificates
        self.sockets: list[Any] = []
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {"blocksize": UPLOAD_BLOCK_BYTES, "socket_options": self._socket_options}
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _pool_class(HTTPConnectionPool, HTTPConnection, self),
            "https": _pool_class(HTTPSConnectionPool, HTTPSConnection, self),
        }

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ARG002 — as requests calls it
        """Verify with the shared context, whatever REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE of the machine contain."""
        if url.lower().startswith("https:"):
            conn.conn_kw["ssl_context"] = tls_context(self._ca_certificates)
            conn.cert_reqs, conn.ca_certs, conn.ca_cert_dir = "CERT_REQUIRED", None, None

    def set_read_timeout(self, seconds: float) -> None:
        """Limit how long each further read from the socket may take."""
        for sock in self.sockets:
            with suppress(OSError):  # it is closed once everything has been read
                sock.settimeout(max(seconds, MIN_SOCKET_TIMEOUT_SECONDS))


def _pool_class(pool: type[Any], connection: type[Any], adapter: SplitTimeoutAdapter) -> type[Any]:
    class SplitTimeoutConnection(connection):  # type: ignore[misc]  # either of two classes
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(adapter.socket_timeout)
            adapter.sockets.append(self.sock)

    return type("SplitTimeoutPool", (pool,), {"ConnectionCls": SplitTimeoutConnection})


class NoRedirectSession(requests.Session):
    """Follows no redirects, since a redirected POST becomes a GET without audio, and does not read their body."""

    def __init__(self, timeouts: Timeouts, socket_options: SocketOptions, ca_certificates: str) -> None:
        super().__init__()
        self._adapter = SplitTimeoutAdapter(timeouts.total, socket_options, ca_certificates)
        for scheme in ("http://", "https://"):
            self.mount(scheme, self._adapter)

    def iter_body(self, response: requests.Response, deadline: float) -> Iterator[bytes]:
        """The body, chunk by chunk as it arrives.

        Raises: NETWORK_ERRORS, of which TimeoutError when the body is incomplete at the deadline.
        """
        while (seconds_left := deadline - time.monotonic()) > 0:
            self._adapter.set_read_timeout(seconds_left)
            # read1 returns what has arrived: a server that trickles cannot hold it past the deadline
            if not (chunk := response.raw.read1(DOWNLOAD_CHUNK_BYTES, decode_content=True)):
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
        """The names of the request options that are sent with the audio."""
        return frozenset(name for name, _ in (*self.query, *(self.body.fields if self.body else ())))


class WhisperXClient:
    """Sends requests to the service at one URL. `ca_certificates`, in PEM format, are trusted in addition to public
    ones. `parse` turns the response, whatever its status, into the result.

    Raises: RetryableError, PermanentError or ServiceUnavailable.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        log_request: RequestLogger,
        *,
        ca_certificates: str = "",
        socket_options: SocketOptions = KEEPALIVE,
    ) -> None:
        self._url = url.rstrip("/")
        self._ca_certificates = ca_certificates
        self._socket_options = socket_options
        self._auth = HeaderAuth(credentials.request_headers)
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
                NoRedirectSession(timeouts, self._socket_options, self._ca_certificates) as session,
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
            mapped_error = map_network_error(error, self._url, status, bytes_sent=body.bytes_sent if body else None)
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
    """A URL without the parts that may be secret: user, password and query."""
    try:
        parts = urlsplit(url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    except ValueError:
        return ""


def _read_body(
    session: NoRedirectSession, response: requests.Response, received: bytearray, deadline: float, exit_stack: ExitStack
) -> None:
    """Read the body into `received`. From LARGE_RESPONSE_BYTES on, `exit_stack` holds the lock for large responses.

    Raises: RetryableError, when the body is too large; NETWORK_ERRORS, for a successful response only.
    """
    if not is_success(response.status_code):
        with suppress(*NETWORK_ERRORS):  # the status is what matters
            for chunk in session.iter_body(response, min(deadline, time.monotonic() + ERROR_BODY_SECONDS)):
                received += chunk
                if len(received) > MAX_ERROR_BODY_BYTES:
                    return
        return
    holds_lock = False
    for chunk in session.iter_body(response, deadline):
        received += chunk
        if len(received) > MAX_RESPONSE_BYTES:
            raise RetryableError("The response is too large to be a transcript.", code="invalid_response")
        if len(received) > LARGE_RESPONSE_BYTES and not holds_lock:
            exit_stack.enter_context(_single_large_response(deadline))
            holds_lock = True


@contextmanager
def _single_large_response(deadline: float) -> Iterator[None]:
    """Wait until no other large response is in memory. Raises: TimeoutError, when the deadline comes first."""
    if not _large_response_lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise TimeoutError
    try:
        yield
    finally:
        _large_response_lock.release()
