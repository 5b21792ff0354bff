"""Map network failures to errors: the foreign exceptions of requests, urllib3, http.client and ssl.

Failures before any audio is sent do not consume an attempt; failures afterwards do, so that a recording that crashes
the server eventually stops being retried. Failures that only wrong settings cause never do.
"""

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from http.client import BadStatusLine, RemoteDisconnected
from urllib.parse import urlsplit

import requests
from requests.exceptions import InvalidURL, ReadTimeout
from urllib3.exceptions import DecodeError, HTTPError, LocationParseError, ProtocolError, ReadTimeoutError

from callscribe.errors import (
    RetryableError,
    ServerStopped,
    ServiceUnavailable,
    SuspectedOutage,
    TranscriptionError,
)
from callscribe.transcripts.response_parser import TRUNCATED, invalid_response_error
from callscribe.whisperx.error_tables import CLIENT_CERTIFICATE_REQUIRED, HTTPS_REQUIRED

NETWORK_ERRORS = (requests.RequestException, HTTPError, OSError, UnicodeError)
"""What the libraries raise when an exchange fails."""

CERTIFICATE_MESSAGE = "The server's certificate {}, so nothing is sent to the server. {}"
PRIVATE_AUTHORITY = "Set the certificate of this authority as the CA certificate of the server."
OTHER_NAME = "Use the name in the certificate in the server URL, or issue a certificate for the name in the URL."
CERTIFICATE_PROBLEMS = {
    9: ("is not valid yet", "Check the clock of the machine that issued it."),
    10: ("has expired, or that of its authority has", "Renew it."),
    18: ("is self-signed", "If it is your own, set it as the CA certificate of the server."),
    19: ("is signed by an authority that is not public", PRIVATE_AUTHORITY),
    20: (
        "is signed by an authority that is not public, or was sent without its chain",
        f"{PRIVATE_AUTHORITY} If it is a public one, configure the server to send the whole chain.",
    ),
    62: ("is for another host name", OTHER_NAME),
    64: ("is for another IP address", OTHER_NAME),
}
"""By the verification codes of OpenSSL (X509_V_ERR_…)."""

OTHER_CERTIFICATE_PROBLEM = ("cannot be trusted", "Check it with: openssl s_client -connect HOST:PORT")

IN_TLS = "it responds in TLS"
NOT_HTTP = "Another program than an HTTP server responds on this port. Correct the server URL."
NOT_TLS = (
    "No connection to the WhisperX server: the port does not respond in TLS. If the server uses plain HTTP, the server "
    "URL must begin with http://."
)

NO_TLS_REASONS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE")
"""OpenSSL's reasons for a peer that responds in something else than TLS to the handshake."""

CLIENT_CERTIFICATE_REASONS = (
    "CERTIFICATE_REQUIRED",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_UNKNOWN_CA",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_NO_CERTIFICATE",
    "ALERT_ACCESS_DENIED",
    "ALERT_HANDSHAKE_FAILURE",
)
"""Parts of OpenSSL's reasons for a peer that ends a handshake for lack of a certificate, with TLS 1.2 during it. With
TLS 1.3 the client learns of it when it first reads, after it has sent audio (RFC 8446, 4.4.2.4)."""

TLS_ALERT_RECORD = "\x15\x03"
"""The beginning of the response of a TLS server to plain HTTP: the type of the record and the protocol's version."""

TLS_CHECK_SECONDS = 3.0


def map_network_error(error: Exception, url: str, status: int | None, bytes_sent: int | None) -> TranscriptionError:
    """An outage if the service was not reached or the settings are wrong, otherwise a failed attempt.

    `status` is None if there was no response; `bytes_sent` is None for a request without a body.
    """
    if isinstance(error, InvalidURL | LocationParseError | UnicodeError):
        return ServiceUnavailable("The server URL is not valid. Correct it.", code="endpoint_not_found")
    causes = list(exception_chain(error))
    if settings_error := next(filter(None, map(_settings_error, causes)), None):
        return settings_error
    root_cause = causes[-1]
    # the error's own text would contain host names; this is just `Connection refused`
    reason = (root_cause.strerror if isinstance(root_cause, OSError) else None) or type(root_cause).__name__
    if not _was_reached(causes, status, bytes_sent):
        return _no_connection(root_cause, reason)
    if isinstance(error, DecodeError):
        return invalid_response_error(TRUNCATED)
    if isinstance(error, ReadTimeout) or isinstance(root_cause, TimeoutError):
        return RetryableError("The WhisperX server did not respond in time.", code="timeout")
    return _connection_lost(url, status, reason)


def _no_connection(root_cause: BaseException, reason: str) -> ServiceUnavailable:
    if isinstance(root_cause, ssl.SSLError) and root_cause.reason in NO_TLS_REASONS:
        return SuspectedOutage(NOT_TLS)
    error_type = ServerStopped if isinstance(root_cause, ConnectionRefusedError) else ServiceUnavailable
    return error_type(
        f"No connection to the WhisperX server ({reason}). "
        "Check that it runs, that the server URL is right, and that this network can reach it."
    )


def _connection_lost(url: str, status: int | None, reason: str) -> TranscriptionError:
    # a server that expects TLS and gets plain HTTP may close the connection without a response, like one that crashes
    if status is None and url.startswith("http://") and _responds_in_tls(url):
        return SuspectedOutage(HTTPS_REQUIRED.message.format(IN_TLS))
    return RetryableError(
        f"The connection to the WhisperX server was lost before the response was complete ({reason}). The server may "
        "have crashed or been restarted: see its log, and that of a proxy in front of it.",
        code="connection_lost",
    )


def exception_chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes; the root cause comes last."""
    while error is not None:
        yield error
        error = error.__context__


def _was_reached(causes: list[BaseException], status: int | None, bytes_sent: int | None) -> bool:
    if status is not None:
        return True
    if bytes_sent is not None:
        return bytes_sent > 0
    return any(isinstance(cause, ProtocolError | ReadTimeoutError) for cause in causes)


def _settings_error(cause: BaseException) -> ServiceUnavailable | None:
    """The error, if only wrong settings of Callscribe, the server or its proxy have such a cause."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        problem = CERTIFICATE_PROBLEMS.get(cause.verify_code, OTHER_CERTIFICATE_PROBLEM)
        return ServiceUnavailable(CERTIFICATE_MESSAGE.format(*problem), code="certificate")
    if isinstance(cause, ssl.SSLError):
        is_known = any(known in (cause.reason or "") for known in CLIENT_CERTIFICATE_REASONS)
        return SuspectedOutage(CLIENT_CERTIFICATE_REQUIRED.message.format("TLS")) if is_known else None
    # RemoteDisconnected is a BadStatusLine too, but there the response is empty
    if isinstance(cause, BadStatusLine) and not isinstance(cause, RemoteDisconnected) and "HTTP/" not in str(cause):
        is_tls = TLS_ALERT_RECORD in cause.args[0]
        return SuspectedOutage(HTTPS_REQUIRED.message.format(IN_TLS) if is_tls else NOT_HTTP)
    return None


def _responds_in_tls(url: str) -> bool:
    """Whether a TLS handshake on the port of this URL gets as far as a certificate. Nothing else is sent."""
    parts = urlsplit(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        suppress(OSError, ValueError),
        socket.create_connection((parts.hostname or "", parts.port or 80), TLS_CHECK_SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=parts.hostname),
    ):
        return True
    return False
