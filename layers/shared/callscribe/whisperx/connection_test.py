"""The connection test: whether the WhisperX server can be used as it is configured, and what to change if not.

It sends no audio. What it cannot know without, it says: these servers judge most keys and all options only then.
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
from callscribe.settings.whisperx import WhisperXSettings
from callscribe.whisperx import RequestLogger, Timeouts, all_dialects, get_dialect_info
from callscribe.whisperx.client import WhisperXClient, exception_chain
from callscribe.whisperx.response_errors import Response, raise_for_status

MAX_TEST_SECONDS = 15.0
"""The whole test takes no longer: somebody is watching."""

CONNECT_SECONDS = 4.0
RESPONSE_SECONDS = 6.0

MISSING_ROUTE_STATUSES = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
"""Of a route that a server need not have."""

AUTH_ERROR_STATUSES = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@dataclass(frozen=True, slots=True)
class ConnectionTestResult:
    """`code` for programs, `message` for people: what was found, and what to do about it."""

    ok: bool
    code: str
    message: str


def _failure(code: str, message: str) -> ConnectionTestResult:
    return ConnectionTestResult(ok=False, code=code, message=message)


NO_RESPONSE = _failure(
    "no_answer",
    "The server was reached but has not answered yet. That need not be an outage: many of these servers answer nothing "
    "while they transcribe. Try again when it has nothing to do.",
)
NOT_HTTP = _failure(
    "not_http",
    "The server broke the connection off, or did not answer in HTTP. If it speaks TLS, its address must begin with "
    "https://; otherwise another program answers at this port.",
)
NOT_WHISPERX = _failure(
    "not_whisperx",
    "Something answers at this address, but nothing that looks like a WhisperX server. Correct the "
    "server's address: it has no route such as /asr; behind a proxy, it has the path that leads to the server.",
)
CONNECTION_ERRORS: tuple[tuple[type[BaseException], ConnectionTestResult], ...] = (
    (
        socket.gaierror,
        _failure(
            "name_not_found",
            "The host name in the server's address is not found. Check its spelling, and that this network knows it.",
        ),
    ),
    (
        ConnectionRefusedError,
        _failure(
            "refused",
            "The host refuses connections at this port. Start the server, or correct the port in its address.",
        ),
    ),
    (
        ConnectTimeout,
        _failure(
            "connect_timeout",
            "The host does not answer at this port. Check the address, the firewall or security group, and whether "
            "this network has a way there.",
        ),
    ),
    (
        ssl.SSLError,
        _failure(
            "tls_failed",
            "No TLS connection could be made. If the server speaks plain HTTP, its address must begin with http://.",
        ),
    ),
    (TimeoutError, NO_RESPONSE),
)
"""Where no answer came: the first whose error is among the causes; otherwise NOT_HTTP."""

CERTIFICATE_MESSAGE = "The certificate of the server {}, so nothing is sent to it. {}"
CERTIFICATE_ERRORS = {
    10: ("has expired", "Renew it."),
    18: ("is self-signed", "Use one of a known authority, or http:// within a private network."),
    19: ("is signed by an authority that is not known", "Use one of a known authority."),
    20: ("is signed by an authority that is not known, or comes without it", "Let the server send the whole chain."),
    62: ("is for another host", "Write the name that it is for into the server's address."),
    64: ("is for another address", "Write the name that it is for into the server's address."),
}
"""By the verification codes of OpenSSL."""

OTHER_CERTIFICATE_ERROR = ("cannot be trusted", "Check it.")

RESULTS_BY_ERROR_CODE = {"timeout": NO_RESPONSE, "invalid_response": NOT_WHISPERX}
"""Where an answer began to come."""


def run_connection_test(
    settings: WhisperXSettings, api_key: str, log_request: RequestLogger = lambda _exchange: None
) -> ConnectionTestResult:
    """Takes `SECONDS` at most, and raises nothing for what the server does. Raises ConfigurationError."""
    executor = ThreadPoolExecutor(1)  # for looking up a name has no timeout
    try:
        return executor.submit(ConnectionTest(settings, api_key, log_request).run).result(MAX_TEST_SECONDS)
    except TimeoutError:
        return NO_RESPONSE
    finally:
        executor.shutdown(wait=False)


class ConnectionTest:
    def __init__(self, settings: WhisperXSettings, api_key: str, log_request: RequestLogger) -> None:
        self._dialect = settings.whisperx_dialect
        self._dialects = all_dialects()
        url = get_dialect_info(self._dialect).to_base_url(settings.whisperx_url)
        self._has_key = bool(api_key)
        self._client = WhisperXClient(url, api_key, log_request)
        self._client_without_key = WhisperXClient(url, "", log_request)
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
            dialect for dialect in self._all_dialects() if self._has_route(dialect)
        ]
        if self._dialect in spoken_dialects:
            return self._check_key()
        if spoken_dialects:
            servers = " and ".join(self._dialects[each].server_name for each in spoken_dialects)
            suggestion = f"choose the dialect {' or '.join(spoken_dialects)} instead of {self._dialect}"
            return _failure("wrong_dialect", f"This answers like {servers}: {suggestion}.")
        return NOT_WHISPERX

    def _check_key(self) -> ConnectionTestResult:
        """It is the right server; whether it takes the key is told by a route that may want one."""
        path, response = self._auth_probe()
        if failure := self._check_status(response):
            return failure
        message = f"The server answers and speaks the dialect {self._dialect}."
        if not self._has_key:
            return ConnectionTestResult(
                ok=True, code="ok", message=f"{message} No key is set, and this test was asked for none."
            )
        if self._get(path, self._client_without_key).status in AUTH_ERROR_STATUSES:
            return ConnectionTestResult(ok=True, code="ok", message=f"{message} It takes the key.")
        explanation = (
            "Whether it takes the key cannot be told without sending audio: it answers this test without one too."
        )
        return ConnectionTestResult(ok=True, code="ok", message=f"{message} {explanation}")

    def _auth_probe(self) -> tuple[str, Response]:
        """The first of the routes for which a key may be wanted that there is, or the last."""
        for path in self._dialects[self._dialect].auth_check_paths:
            response = self._get(path)
            if response.status not in MISSING_ROUTE_STATUSES:
                break
        return path, response

    def _all_dialects(self) -> list[str]:
        """All dialects, the configured one first."""
        return sorted(self._dialects, key=lambda dialect: dialect != self._dialect)

    def _dialects_in_openapi(self, response: Response) -> list[str]:
        """The dialects whose routes the server describes; none if it describes nothing."""
        paths = _json_member(response, "paths")
        if not isinstance(paths, dict):
            return []
        return [dialect for dialect, description in self._dialects.items() if description.upload_path in paths]

    def _has_route(self, dialect: str) -> bool:
        """Whether it has the route of a dialect, which says to a GET that it takes POST only, or the dialect's list."""
        dialect_info = self._dialects[dialect]
        if self._get(dialect_info.upload_path).status == HTTPStatus.METHOD_NOT_ALLOWED:
            return True
        return bool(dialect_info.list_member) and isinstance(
            _json_member(self._get(dialect_info.auth_check_paths[0]), dialect_info.list_member), list
        )

    def _check_status(self, response: Response) -> ConnectionTestResult | None:
        """What the status says, unless it is only that there is no such route."""
        if response.status in MISSING_ROUTE_STATUSES:
            return None
        if response.status in AUTH_ERROR_STATUSES and not self._has_key:
            return _failure(
                "authentication_failed",
                f"The server wants an API key ({response.status}), and none is set. Set the key of the server.",
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
    """A member of the JSON object that was answered, if it is one."""
    try:
        return json.loads(response.body)[name]
    except (ValueError, RecursionError, TypeError, LookupError):
        return None


def _connection_failure(error: TranscriptionError) -> ConnectionTestResult:
    """What kept an answer from coming."""
    if error.code == "endpoint_not_found":
        return _failure(error.code, error.message)
    chain = list(exception_chain(error))
    for each in chain:
        if isinstance(each, ssl.SSLCertVerificationError):
            return _failure(
                "certificate",
                CERTIFICATE_MESSAGE.format(*CERTIFICATE_ERRORS.get(each.verify_code, OTHER_CERTIFICATE_ERROR)),
            )
    for error_type, result in CONNECTION_ERRORS:
        if any(isinstance(each, error_type) for each in chain):
            return result
    return RESULTS_BY_ERROR_CODE.get(error.code, NOT_HTTP)
