"""The connection test: whether the WhisperX server can be used as it is configured, and what to change if not.

It sends no audio. These servers check options, and most of them the API key, only when they get audio; the result says
what was not checked.
"""

import json
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from requests.exceptions import ConnectTimeout

from callscribe.errors import TranscriptionError
from callscribe.settings.whisperx import DIALECTS, Credentials, WhisperXSettings
from callscribe.whisperx import RequestLogger, Timeouts, get_dialect_info
from callscribe.whisperx.client import WhisperXClient
from callscribe.whisperx.error_tables import CLIENT_CERTIFICATE_REQUIRED, MISSING_ROUTE_STATUSES
from callscribe.whisperx.network_errors import describe_certificate_error, exception_chain
from callscribe.whisperx.response_errors import Response, raise_for_status

MAX_TEST_SECONDS = 15.0
"""The limit for the whole test, since a user is waiting for its result."""

CONNECT_SECONDS = 4.0
RESPONSE_SECONDS = 6.0

AUTH_ERROR_STATUSES = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@dataclass(frozen=True, slots=True)
class ConnectionTestResult:
    """`code` is for programs, `message` for users: what was found, and what to do about it."""

    ok: bool
    code: str
    message: str


def _failure(code: str, message: str) -> ConnectionTestResult:
    return ConnectionTestResult(ok=False, code=code, message=message)


NO_RESPONSE = _failure(
    "no_response",
    "The server was reached but has not responded yet. This is not necessarily an outage: many of these servers do not "
    "respond while they transcribe. Try again when it is idle.",
)
UNFINISHED = _failure(
    "no_response",
    "The test did not end in time: this network cannot resolve the host name, or the server responds too slowly. Check "
    "the server URL and the name server, or try again when the server is idle.",
)
NOT_HTTP = _failure(
    "not_http",
    "The server closed the connection, or did not respond in HTTP. If it uses TLS, the server URL must begin with "
    "https://; otherwise another program is listening on this port.",
)
NOT_WHISPERX = _failure(
    "not_whisperx",
    "Something responds at this URL, but it does not look like a WhisperX server. Correct the server URL: it must not "
    "contain a route such as /asr; behind a proxy, it must contain the path to the server.",
)
CONNECTION_ERRORS: tuple[tuple[type[BaseException], ConnectionTestResult], ...] = (
    (
        socket.gaierror,
        _failure(
            "name_not_found",
            "The host name in the server URL was not found. Check its spelling, and that this network can resolve it.",
        ),
    ),
    (
        ConnectionRefusedError,
        _failure(
            "connection_refused",
            "The host refuses connections on this port. Start the server, or correct the port in the server URL.",
        ),
    ),
    (
        ConnectTimeout,
        _failure(
            "connect_timeout",
            "The host does not respond on this port. Check the server URL, the firewall or security group, and that "
            "this network has a route to the host.",
        ),
    ),
    (
        ssl.SSLError,
        _failure(
            "tls_failed",
            "The TLS handshake failed. If the server uses plain HTTP, the server URL must begin with http://.",
        ),
    ),
    (TimeoutError, NO_RESPONSE),
)
"""When there was no response: the result for the first of these in the exception chain; NOT_HTTP for all others."""

RESULTS_BY_ERROR_CODE = {"timeout": NO_RESPONSE, "invalid_response": NOT_WHISPERX}
"""When a response began to arrive."""


def run_connection_test(
    settings: WhisperXSettings, credentials: Credentials, log_request: RequestLogger = lambda _exchange: None
) -> ConnectionTestResult:
    """Test the connection within MAX_TEST_SECONDS. Whatever the server does is a result, not an error.

    Raises: ConfigurationError, when there is no such dialect.
    """
    executor = ThreadPoolExecutor(1)  # name resolution has no timeout of its own
    try:
        return executor.submit(ConnectionTest(settings, credentials, log_request).run).result(MAX_TEST_SECONDS)
    except TimeoutError:
        return UNFINISHED
    finally:
        executor.shutdown(wait=False)


class ConnectionTest:
    def __init__(self, settings: WhisperXSettings, credentials: Credentials, log_request: RequestLogger) -> None:
        self._dialect = settings.whisperx_dialect
        configured_first = sorted(DIALECTS, key=lambda dialect: dialect != self._dialect)
        self._dialects = {dialect: get_dialect_info(dialect) for dialect in configured_first}
        url = get_dialect_info(self._dialect).to_base_url(settings.whisperx_url)
        self._has_key = bool(credentials)
        self._client = WhisperXClient(url, credentials, log_request)
        self._client_without_key = WhisperXClient(url, Credentials(), log_request)
        self._deadline = time.monotonic() + MAX_TEST_SECONDS

    def run(self) -> ConnectionTestResult:
        try:
            return self._evaluate(self._get("/openapi.json"))
        except TranscriptionError as error:
            return _connection_failure(error)

    def _evaluate(self, openapi_response: Response) -> ConnectionTestResult:
        if failure := self._check_status(openapi_response):
            return failure
        spoken_dialects = self._dialects_in_openapi(openapi_response) or [
            dialect for dialect in self._dialects if self._has_route(dialect)
        ]
        if self._dialect in spoken_dialects:
            return self._check_key()
        if spoken_dialects:
            servers = " and ".join(self._dialects[dialect].server_name for dialect in spoken_dialects)
            suggestion = f"choose the dialect {' or '.join(spoken_dialects)} instead of {self._dialect}"
            return _failure("wrong_dialect", f"The server responds like {servers}: {suggestion}.")
        return NOT_WHISPERX

    def _check_key(self) -> ConnectionTestResult:
        """The dialect is right. Check the API key with a route that may require one."""
        for path in self._dialects[self._dialect].auth_check_paths:
            response = self._get(path)
            if response.status not in MISSING_ROUTE_STATUSES:
                break
        if failure := self._check_status(response):
            return failure
        if not self._has_key:
            key_result = "No API key is set, and this test did not require one."
        elif self._get(path, self._client_without_key).status in AUTH_ERROR_STATUSES:
            key_result = "It accepts the API key."
        else:
            key_result = "The API key was not checked: this server does not require one for the requests of this test."
        message = f"The server responds and uses the dialect {self._dialect}. {key_result}"
        return ConnectionTestResult(ok=True, code="ok", message=message)

    def _dialects_in_openapi(self, response: Response) -> list[str]:
        """The dialects with an upload route in the server's OpenAPI description; none if it has no description."""
        paths = _json_member(response, "paths")
        if not isinstance(paths, dict):
            return []
        return [dialect for dialect, dialect_info in self._dialects.items() if dialect_info.upload_path in paths]

    def _has_route(self, dialect: str) -> bool:
        """Whether the server has the upload route of a dialect, which allows POST only, or the dialect's list."""
        dialect_info = self._dialects[dialect]
        if self._get(dialect_info.upload_path).status == HTTPStatus.METHOD_NOT_ALLOWED:
            return True
        return bool(dialect_info.list_member) and isinstance(
            _json_member(self._get(dialect_info.auth_check_paths[0]), dialect_info.list_member), list
        )

    def _check_status(self, response: Response) -> ConnectionTestResult | None:
        """The failure that the status means; None for success, and for a route that does not exist."""
        if response.status in MISSING_ROUTE_STATUSES:
            return None
        if response.status in AUTH_ERROR_STATUSES and not self._has_key:
            return _failure(
                "authentication_failed",
                f"The server requires an API key ({response.status}), and none is set. Set the API key.",
            )
        try:
            raise_for_status(response)
        except TranscriptionError as error:
            return _failure(error.code, error.message)
        return None

    def _get(self, path: str, client: WhisperXClient | None = None) -> Response:
        seconds_left = max(0.1, self._deadline - time.monotonic())
        timeouts = Timeouts(min(CONNECT_SECONDS, seconds_left), min(RESPONSE_SECONDS, seconds_left))
        return (client or self._client).get(path, timeouts, lambda response: response)


def _json_member(response: Response, name: str) -> Any:
    """A member of the JSON object in the body; None if there is no such object or member."""
    try:
        return json.loads(response.body)[name]
    except (ValueError, RecursionError, TypeError, LookupError):
        return None


def _connection_failure(error: TranscriptionError) -> ConnectionTestResult:
    """Why there was no response."""
    if error.code == "endpoint_not_found":
        return _failure(error.code, error.message)
    chain = list(exception_chain(error))
    for each in chain:
        if isinstance(each, ssl.SSLCertVerificationError):
            return _failure("certificate", describe_certificate_error(each))
    if error.message == CLIENT_CERTIFICATE_REQUIRED.message.format("TLS"):
        return _failure(error.code, error.message)
    for error_type, result in CONNECTION_ERRORS:
        if any(isinstance(each, error_type) for each in chain):
            return result
    return RESULTS_BY_ERROR_CODE.get(error.code, NOT_HTTP)
