"""Misbehaving servers: which error each becomes. Nothing they send is repeated in messages or logged exchanges."""

import gzip
import json
import socket
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from callscribe.errors import (
    PermanentError,
    RetryableError,
    ServiceUnavailable,
    SuspectedOutage,
    TranscriptionError,
)
from callscribe.settings.whisperx import Credentials, WhisperXSettings
from callscribe.whisperx import Timeouts, client, connect
from callscribe.whisperx.client import WhisperXClient
from testing.waiting import LIMIT_SECONDS
from tests.integration.audio import Bytes
from tests.integration.socket_servers import has_hung_up, read_request, server, wait_for_hang_up
from tests.integration.timeouts import LONG_TIMEOUTS, SHORT_TIMEOUTS

NO_CREDENTIALS = Credentials()
KEY, TEXT, NUMBER = "planted-key-5f2e", "planted words", "12025550143"
PLANTED = (KEY, TEXT, NUMBER)
ECHO = f"{TEXT} of {NUMBER} with Bearer {KEY}"
TRANSCRIPT_JSON = json.dumps({"segments": [{"start": 0, "end": 1, "text": TEXT}], "language": "en"}).encode()
ACCENTED_JSON = json.dumps({"segments": [{"text": f"{TEXT} für Zoë"}]}, ensure_ascii=False)
HTML_PAGE = f"<!doctype html><html><body>{ECHO}</body></html>".encode()


def http(body=b"", status="200 OK", *headers, length=None):
    """A complete response as bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def text(body, content_type="text/plain; charset=utf-8"):
    return http(body, "200 OK", f"Content-Type: {content_type}")


def trickle(connection):
    connection.sendall(http(length=1000))
    while not has_hung_up(connection, 0.05):
        connection.sendall(b" ")


def send_headers_only(connection):
    connection.sendall(http(length=9))
    wait_for_hang_up(connection)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def endless_error(connection):
    connection.sendall(http(b"", "503 Busy", length=10**9))
    for _ in range(4000):
        connection.sendall(ECHO.encode() * 100)


INVALID_RESPONSE = (RetryableError, "invalid_response")
SERVICE_ERROR = (RetryableError, "service_error")
CONNECTION_LOST = (RetryableError, "connection_lost")
TIMEOUT = (RetryableError, "timeout")
WRONG_SETTINGS = (SuspectedOutage, "wrong_settings")

MISBEHAVIOUR: dict[str, tuple[Any, Any]] = {
    # status 200, but not a transcript
    "a proxy's HTML page": (text(HTML_PAGE, "text/html"), WRONG_SETTINGS),
    "an HTML page as text/plain": (text(HTML_PAGE), WRONG_SETTINGS),
    "empty": (text(b""), INVALID_RESPONSE),
    "whitespace": (text(b" \r\n "), INVALID_RESPONSE),
    "truncated JSON": (text(TRANSCRIPT_JSON[:-9]), INVALID_RESPONSE),
    "an error with status 200": (text(json.dumps({"error": ECHO}).encode()), SERVICE_ERROR),
    "a detail with status 200": (text(json.dumps({"detail": ECHO}).encode()), SERVICE_ERROR),
    "a string": (text(json.dumps(ECHO).encode()), INVALID_RESPONSE),
    "plain text with another content type": (text(ECHO.encode(), "application/octet-stream"), INVALID_RESPONSE),
    "binary data": (text(bytes(range(256))), INVALID_RESPONSE),
    "partial content": (http(TRANSCRIPT_JSON, "206 Partial Content", "Content-Range: bytes 0-9/99"), INVALID_RESPONSE),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", INVALID_RESPONSE),
    "a job of another dialect": (http(b'{"identifier": "a"}', "202 Accepted"), INVALID_RESPONSE),
    "only an early hint": (b"HTTP/1.1 103 Early Hints\r\n\r\n", INVALID_RESPONSE),
    "not gzip": (http(TRANSCRIPT_JSON, "200 OK", "Content-Encoding: gzip"), INVALID_RESPONSE),
    # status 200, and a transcript
    "HTTP 1.0 without a length": (b"HTTP/1.0 200 OK\r\n\r\n" + TRANSCRIPT_JSON, TEXT),
    "a 100 before the response": (b"HTTP/1.1 100 Continue\r\n\r\n" + text(TRANSCRIPT_JSON), TEXT),
    "created": (http(TRANSCRIPT_JSON, "201 Created"), TEXT),
    "gzip": (http(gzip.compress(TRANSCRIPT_JSON), "200 OK", "Content-Encoding: gzip"), TEXT),
    "deflate": (http(zlib.compress(TRANSCRIPT_JSON), "200 OK", "Content-Encoding: deflate"), TEXT),
    "lines of plain text": (text(f"{TEXT}\n".encode()), TEXT),
    "a byte order mark": (text(b"\xef\xbb\xbf" + TRANSCRIPT_JSON), TEXT),
    "UTF-16": (text(TRANSCRIPT_JSON.decode().encode("utf-16")), TEXT),
    "declared UTF-16": (text(TRANSCRIPT_JSON.decode().encode("utf-16-le"), "text/plain; charset=utf-16le"), TEXT),
    "UTF-8 declared as Latin-1": (
        text(ACCENTED_JSON.encode(), "text/plain; charset=latin-1"),
        f"{TEXT} für Zoë",
    ),
    "Latin-1": (text(ACCENTED_JSON.encode("latin-1")), f"{TEXT} für Zoë"),
    "Latin-1 with an unknown charset": (text(ACCENTED_JSON.encode("latin-1"), "x; charset=klingon"), f"{TEXT} für Zoë"),
    "another charset": (text('{"text": "Привет"}'.encode("koi8-r"), 'a/b; charset="KOI8-R"'), "Привет"),
    "NaN as times": (text(TRANSCRIPT_JSON.replace(b"0", b"NaN").replace(b"1", b"-Infinity")), TEXT),
    "Content-Length too short": (http(TRANSCRIPT_JSON + b"more", length=len(TRANSCRIPT_JSON)), TEXT),
    # invalid HTTP
    "Content-Length too long": (http(TRANSCRIPT_JSON, length=len(TRANSCRIPT_JSON) + 9), CONNECTION_LOST),
    "Content-Length not a number": (http(TRANSCRIPT_JSON, length="many"), TEXT),
    "two Content-Lengths": (http(TRANSCRIPT_JSON, "200 OK", "Content-Length: 7"), CONNECTION_LOST),
    "invalid chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + TRANSCRIPT_JSON, CONNECTION_LOST),
    "not HTTP": (ECHO.encode(), WRONG_SETTINGS),
    "invalid status": (f"HTTP/1.1 fine {ECHO}\r\n\r\n".encode(), CONNECTION_LOST),
    "endless header": (b"HTTP/1.1 200 OK\r\nX-Echo: " + ECHO.encode() * 2000, CONNECTION_LOST),
    "endless headers": (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 500, CONNECTION_LOST),
    "closed after the upload": (b"", CONNECTION_LOST),
    "reset after the upload": (reset, CONNECTION_LOST),
    # too slow
    "a trickle": (trickle, TIMEOUT),
    "no response": (wait_for_hang_up, TIMEOUT),
    "headers without a body": (send_headers_only, TIMEOUT),
    # error statuses
    "a redirect with an endless body": (
        http(ECHO.encode(), f"302 {ECHO}", f"Location: http://{KEY}/{NUMBER}", length=10**9),
        (ServiceUnavailable, "endpoint_not_found"),
    ),
    "a redirect to an invalid URL": (
        http(b"", "301 Moved", "Location: \xff\xfe"),
        (ServiceUnavailable, "endpoint_not_found"),
    ),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\n\r\n", (ServiceUnavailable, "endpoint_not_found")),
    "an error with an endless body": (endless_error, (ServiceUnavailable, "service_busy")),
    "an error with a truncated body": (http(ECHO.encode(), "413 Too Large", length=999), (PermanentError, "too_large")),
    "an error in invalid gzip": (http(b"x", "500 E", "Content-Encoding: gzip"), (RetryableError, "service_error")),
    "an error that repeats secrets": (http(ECHO.encode(), f"400 {ECHO}"), (PermanentError, "request_rejected")),
    "a proxy's own status": (http(HTML_PAGE, "999 Request denied"), (RetryableError, "service_error")),
    "an authenticating proxy": (
        http(HTML_PAGE, "407 Proxy Auth"),
        (ServiceUnavailable, "authentication_failed"),
    ),
    "a teapot": (http(HTML_PAGE, "418 I'm a teapot"), (PermanentError, "request_rejected")),
}


@dataclass
class Outcome:
    result: Any
    exchanges: list[Any]


def send_to(serve, dialect="asr", timeouts=LONG_TIMEOUTS):
    exchanges: list[Any] = []

    def respond(connection):
        read_request(connection)
        with suppress(OSError):
            connection.sendall(serve) if isinstance(serve, bytes) else serve(connection)

    with server(respond) as url:
        settings = WhisperXSettings(whisperx_url=url, whisperx_dialect=dialect, whisperx_options=f"prompt={KEY}")
        try:
            result = connect(settings, Credentials(KEY), exchanges.append).send(Bytes(1000), "abc.wav", timeouts)
        except TranscriptionError as error:
            return Outcome(error, exchanges)
    return Outcome(result, exchanges)


@pytest.mark.parametrize("dialect", ["asr", "openai"])
@pytest.mark.parametrize(("serve", "expected"), MISBEHAVIOUR.values(), ids=MISBEHAVIOUR)
def test_misbehaving_server_maps_to_an_error_or_a_transcript(dialect, serve, expected):
    outcome = send_to(serve, dialect, SHORT_TIMEOUTS if expected == TIMEOUT else LONG_TIMEOUTS)
    (exchange,) = outcome.exchanges
    if isinstance(expected, str):
        assert outcome.result.text == expected
        assert exchange.error is None
        return
    assert (type(outcome.result), outcome.result.code) == expected
    assert exchange.error == outcome.result.code
    assert not [secret for secret in PLANTED if secret in outcome.result.message or secret in str(exchange)]
    assert exchange.bytes_received < 200_000


def test_connection_reset_during_the_upload_is_a_failed_attempt():
    def reset_early(connection):
        connection.recv(5000)
        reset(connection)

    with server(reset_early) as url, pytest.raises(RetryableError) as raised:
        connect(WhisperXSettings(whisperx_url=url), NO_CREDENTIALS).send(Bytes(5_000_000), "a.wav", LONG_TIMEOUTS)
    assert raised.value.code == "connection_lost"


def test_client_does_not_wait_for_an_error_body(monkeypatch):
    monkeypatch.setattr(client, "ERROR_BODY_SECONDS", 0.2)

    def stall(connection):
        connection.sendall(http(length=9, status="413 Too Large"))
        wait_for_hang_up(connection)

    timeouts = Timeouts(LIMIT_SECONDS, 2 * LIMIT_SECONDS)  # longer than the server waits
    assert send_to(stall, timeouts=timeouts).result.code == "too_large"


def test_response_with_ten_megabytes_of_words_is_parsed():
    word = {"word": "something", "start": 1.25, "end": 2.5, "score": 0.812, "speaker": "SPEAKER_00"}
    segments = [{"start": 1.0, "end": 9.0, "text": " something" * 10, "words": [word] * 10}] * 1000
    body = json.dumps({"segments": segments, "word_segments": [word] * 110_000}).encode()
    assert 10_000_000 < len(body) < 13_000_000
    outcome = send_to(text(body))
    assert len(outcome.result.segments) == 1000
    assert outcome.exchanges[0].bytes_received == len(body)


def send_large_response(connection):
    read_request(connection)
    with suppress(OSError):
        connection.sendall(http(b" " * (client.LARGE_RESPONSE_BYTES + 3_000_000)))


def test_only_one_large_response_is_in_memory_at_a_time():
    is_parsing, may_finish, exchanges = threading.Event(), threading.Event(), list[Any]()

    def body_length(response):
        return len(response.body)

    def hold(response):
        is_parsing.set()
        assert may_finish.wait(LIMIT_SECONDS)
        return body_length(response)

    with server(send_large_response) as first, server(send_large_response) as second, ThreadPoolExecutor() as pool:
        one = pool.submit(WhisperXClient(first, NO_CREDENTIALS, exchanges.append).get, "/", LONG_TIMEOUTS, hold)
        assert is_parsing.wait(LIMIT_SECONDS)
        other = pool.submit(
            WhisperXClient(second, NO_CREDENTIALS, exchanges.append).get, "/", LONG_TIMEOUTS, body_length
        )
        assert not wait([other], timeout=0.3).done
        with server(lambda connection: connection.sendall(http(b"{}"))) as third:
            assert WhisperXClient(third, NO_CREDENTIALS, exchanges.append).get("/", LONG_TIMEOUTS, body_length) == 2
        may_finish.set()
        assert one.result() == other.result() == client.LARGE_RESPONSE_BYTES + 3_000_000


def test_large_response_waits_for_another_one_only_until_its_deadline():
    exchanges: list[Any] = []
    with (
        client._single_large_response(time.monotonic() + LIMIT_SECONDS),
        server(send_large_response) as url,
        pytest.raises(RetryableError) as raised,
    ):
        WhisperXClient(url, NO_CREDENTIALS, exchanges.append).get("/", SHORT_TIMEOUTS, lambda _: None)
    assert raised.value.code == exchanges[0].error == "timeout"
    assert exchanges[0].bytes_received <= client.LARGE_RESPONSE_BYTES + client.DOWNLOAD_CHUNK_BYTES
    with server(send_large_response) as url:  # the lock was released
        WhisperXClient(url, NO_CREDENTIALS, exchanges.append).get("/", LONG_TIMEOUTS, lambda _: None)


def test_response_that_is_too_large_is_not_read_to_its_end():
    def flood(connection):
        connection.sendall(http(length=10**9))
        for _ in range(1000):
            connection.sendall(b" " * 1_000_000)

    outcome = send_to(flood)
    assert (type(outcome.result), outcome.result.code) == INVALID_RESPONSE
    assert outcome.exchanges[0].bytes_received < 40_000_000


def test_decompression_bomb_is_not_decompressed_to_its_end():
    compressed = zlib.compress(b" " * 200_000_000, 9)
    outcome = send_to(http(compressed, "200 OK", "Content-Encoding: deflate"))
    assert (type(outcome.result), outcome.result.code) == INVALID_RESPONSE
    assert outcome.exchanges[0].bytes_received < 40_000_000


def test_compressed_response_that_arrives_byte_by_byte_is_parsed():
    def send_slowly(connection):
        compressed = gzip.compress(TRANSCRIPT_JSON)
        connection.sendall(http(b"", "200 OK", "Content-Encoding: gzip", length=len(compressed)))
        for byte in compressed:
            connection.sendall(bytes([byte]))
            time.sleep(0.001)

    assert send_to(send_slowly).result.text == TEXT
