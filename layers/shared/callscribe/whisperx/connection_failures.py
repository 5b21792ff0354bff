"""The results of the connection test when there was no usable response: what is wrong, and what to change."""

import socket
import ssl
from dataclasses import dataclass

from requests.exceptions import ConnectTimeout

from callscribe.errors import TranscriptionError
from callscribe.whisperx.error_tables import CLIENT_CERTIFICATE_REQUIRED
from callscribe.whisperx.network_errors import exception_chain


@dataclass(frozen=True, slots=True)
class ConnectionTestResult:
    """`code` is for programs, `message` for users: what was found, and what to do about it."""

    ok: bool
    code: str
    message: str


def failure(code: str, message: str) -> ConnectionTestResult:
    return ConnectionTestResult(ok=False, code=code, message=message)


NO_RESPONSE = failure(
    "no_response",
    "The server was reached but has not responded yet. This is not necessarily an outage: many of these servers do not "
    "respond while they transcribe. Try again when it is idle.",
)
UNFINISHED = failure(
    "no_response",
    "The test did not end in time: this network cannot resolve the host name, or the server responds too slowly. Check "
    "the server URL and the name server, or try again when the server is idle.",
)
NOT_HTTP = failure(
    "not_http",
    "The server closed the connection, or did not respond in HTTP. If it uses TLS, the server URL must begin with "
    "https://; otherwise another program is listening on this port.",
)
NOT_WHISPERX = failure(
    "not_whisperx",
    "Something responds at this URL, but it does not look like a WhisperX server: it may be a sign-in page of a proxy, "
    "or another program. Correct the server URL; behind a proxy, it must include the path to the server. If the proxy "
    "shows a sign-in page, let it accept an API key.",
)
UNVERIFIED = ConnectionTestResult(
    ok=True,
    code="unverified",
    message=(
        "Something responds at this URL, but it has no list of its routes or models. This test cannot tell "
        "without audio whether it is a WhisperX server of this dialect. If the first recording stays queued with "
        "endpoint_not_found, correct the server URL or the dialect."
    ),
)
"""Some servers, such as whisper.cpp, only have the upload route, and some proxies hide all others."""
CONNECTION_ERRORS: tuple[tuple[type[BaseException], ConnectionTestResult], ...] = (
    (
        socket.gaierror,
        failure(
            "name_not_found",
            "The host name in the server URL was not found. Check its spelling, and that this network can resolve it.",
        ),
    ),
    (
        ConnectionRefusedError,
        failure(
            "connection_refused",
            "The host refuses connections on this port. Start the server, or correct the port in the server URL.",
        ),
    ),
    (
        ConnectTimeout,
        failure(
            "connect_timeout",
            "The host does not respond on this port. Check the server URL, the firewall or security group, and that "
            "this network has a route to the host.",
        ),
    ),
    (
        ssl.SSLError,
        failure(
            "tls_failed",
            "The TLS handshake failed. If the server uses plain HTTP, the server URL must begin with http://.",
        ),
    ),
    (TimeoutError, NO_RESPONSE),
)
"""When there was no response: the result for the first of these in the exception chain; NOT_HTTP for all others."""

RESULTS_BY_ERROR_CODE = {"timeout": NO_RESPONSE, "invalid_response": NOT_WHISPERX}
"""When a response began to arrive."""

EXPLAINED_CODES = ("endpoint_not_found", "certificate")
"""Of errors whose own message says what to do."""


def connection_failure(error: TranscriptionError) -> ConnectionTestResult:
    """Why there was no response."""
    if error.code in EXPLAINED_CODES or error.message == CLIENT_CERTIFICATE_REQUIRED.message.format("TLS"):
        return failure(error.code, error.message)
    chain = list(exception_chain(error))
    for error_type, result in CONNECTION_ERRORS:
        if any(isinstance(each, error_type) for each in chain):
            return result
    return RESULTS_BY_ERROR_CODE.get(error.code, NOT_HTTP)
