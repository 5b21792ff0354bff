"""Servers that misbehave, each in its way, and what comes of it. Whatever they say stays out of messages and calls."""

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

from callscribe.errors import PermanentError, RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.settings.whisperx import WhisperXSettings
from callscribe.whisperx import Timeouts, connect
from callscribe.whisperx import client as whisperx_http
from callscribe.whisperx.client import WhisperXClient
from testing.waiting import LIMIT_SECONDS
from tests.integration.audio import Bytes
from tests.integration.bare import has_hung_up, read_request, server, wait_for_hang_up
from tests.integration.timeouts import IMPATIENT, PATIENT

KEY, TEXT, NUMBER = "planted-key-5f2e", "planted words", "12025550143"
PLANTED = (KEY, TEXT, NUMBER)
ECHO = f"{TEXT} of {NUMBER} with Bearer {KEY}"
ANSWER = json.dumps({"segments": [{"start": 0, "end": 1, "text": TEXT}], "language": "en"}).encode()
ACCENTED = json.dumps({"segments": [{"text": f"{TEXT} für Zoë"}]}, ensure_ascii=False)
PAGE = f"<!doctype html><html><body>{ECHO}</body></html>".encode()


def http(body=b"", status="200 OK", *headers, length=None):
    """A whole answer as bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def text(body, content_type="text/plain; charset=utf-8"):
    return http(body, "200 OK", f"Content-Type: {content_type}")


def trickle(connection):
    connection.sendall(http(length=1000))
    while not has_hung_up(connection, 0.05):
        connection.sendall(b" ")


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def endless_refusal(connection):
    connection.sendall(http(b"", "503 Busy", length=10**9))
    for _ in range(4000):
        connection.sendall(ECHO.encode() * 100)


UNREADABLE = (RetryableError, "invalid_response")
LOST = (RetryableError, "connection_lost")
LATE = (RetryableError, "timeout")
READ = TEXT
"""It is a transcript, and this is its text."""

MISBEHAVIOUR: dict[str, tuple[Any, Any]] = {
    # 200, and no transcript
    "a page of a proxy": (text(PAGE, "text/html"), UNREADABLE),
    "a page under text/plain": (text(PAGE), UNREADABLE),
    "no bytes": (text(b""), UNREADABLE),
    "blanks": (text(b" \r\n "), UNREADABLE),
    "JSON cut in the middle": (text(ANSWER[:-9]), UNREADABLE),
    "an error under 200": (text(json.dumps({"error": ECHO}).encode()), UNREADABLE),
    "a detail under 200": (text(json.dumps({"detail": ECHO}).encode()), UNREADABLE),
    "a string": (text(json.dumps(ECHO).encode()), UNREADABLE),
    "plain text under another type": (text(ECHO.encode(), "application/octet-stream"), UNREADABLE),
    "bytes that are no text": (text(bytes(range(256))), UNREADABLE),
    "a part of an answer": (http(ANSWER, "206 Partial Content", "Content-Range: bytes 0-9/99"), UNREADABLE),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", UNREADABLE),
    "a job of another dialect": (http(b'{"identifier": "a"}', "202 Accepted"), UNREADABLE),
    "an early hint and no more": (b"HTTP/1.1 103 Early Hints\r\n\r\n", UNREADABLE),
    "gzip that is none": (http(ANSWER, "200 OK", "Content-Encoding: gzip"), UNREADABLE),
    # 200, and a transcript after all
    "HTTP 1.0 without a length": (b"HTTP/1.0 200 OK\r\n\r\n" + ANSWER, READ),
    "a 100 before the answer": (b"HTTP/1.1 100 Continue\r\n\r\n" + text(ANSWER), READ),
    "created": (http(ANSWER, "201 Created"), READ),
    "gzip": (http(gzip.compress(ANSWER), "200 OK", "Content-Encoding: gzip"), READ),
    "deflate": (http(zlib.compress(ANSWER), "200 OK", "Content-Encoding: deflate"), READ),
    "plain lines": (text(f"{TEXT}\n".encode()), READ),
    "a byte order mark": (text(b"\xef\xbb\xbf" + ANSWER), READ),
    "UTF-16": (text(ANSWER.decode().encode("utf-16")), READ),
    "UTF-16 as declared": (text(ANSWER.decode().encode("utf-16-le"), "text/plain; charset=utf-16le"), READ),
    "UTF-8 declared as something else": (text(ACCENTED.encode(), "text/plain; charset=latin-1"), f"{TEXT} für Zoë"),
    "Latin-1": (text(ACCENTED.encode("latin-1")), f"{TEXT} für Zoë"),
    "Latin-1 under a charset that is none": (text(ACCENTED.encode("latin-1"), "x; charset=klingon"), f"{TEXT} für Zoë"),
    "another charset": (text('{"text": "Привет"}'.encode("koi8-r"), 'a/b; charset="KOI8-R"'), "Привет"),
    "NaN for times": (text(ANSWER.replace(b"0", b"NaN").replace(b"1", b"-Infinity")), READ),
    "a length too short": (http(ANSWER + b"more", length=len(ANSWER)), READ),
    # broken HTTP
    "a length too long": (http(ANSWER, length=len(ANSWER) + 9), LOST),
    "a length that is none": (http(ANSWER, length="many"), READ),
    "two lengths": (http(ANSWER, "200 OK", "Content-Length: 7"), LOST),
    "chunks that are none": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + ANSWER, LOST),
    "no HTTP": (ECHO.encode(), LOST),
    "a status that is none": (f"HTTP/1.1 fine {ECHO}\r\n\r\n".encode(), LOST),
    "a header without end": (b"HTTP/1.1 200 OK\r\nX-Echo: " + ECHO.encode() * 2000, LOST),
    "headers without end": (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 500, LOST),
    "closed after the audio": (b"", LOST),
    "reset after the audio": (reset, LOST),
    # too slow
    "a trickle": (trickle, LATE),
    "no answer": (wait_for_hang_up, LATE),
    "headers, and no body": (lambda each: (each.sendall(http(length=9)), wait_for_hang_up(each)), LATE),
    # refusals
    "a redirect with a body without end": (
        http(ECHO.encode(), f"302 {ECHO}", f"Location: http://{KEY}/{NUMBER}", length=10**9),
        (ServiceUnavailable, "endpoint_not_found"),
    ),
    "a redirect to nowhere": (http(b"", "301 Moved", "Location: \xff\xfe"), (ServiceUnavailable, "endpoint_not_found")),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\n\r\n", (ServiceUnavailable, "endpoint_not_found")),
    "a refusal without end": (endless_refusal, (ServiceUnavailable, "service_busy")),
    "a refusal that is cut": (http(ECHO.encode(), "413 Too Large", length=999), (PermanentError, "too_large")),
    "a refusal in broken gzip": (http(b"x", "500 E", "Content-Encoding: gzip"), (RetryableError, "service_error")),
    "a refusal that tells all": (http(ECHO.encode(), f"400 {ECHO}"), (PermanentError, "request_rejected")),
    "a proxy's own status": (http(PAGE, "999 Request denied"), (RetryableError, "service_error")),
    "a proxy that asks who is there": (http(PAGE, "407 Proxy Auth"), (ServiceUnavailable, "authentication_failed")),
    "a teapot": (http(PAGE, "418 I'm a teapot"), (PermanentError, "request_rejected")),
}


@dataclass
class Outcome:
    result: Any
    told: list[Any]


def came_of(serve, dialect="asr", timeouts=PATIENT):
    told: list[Any] = []

    def answer(connection):
        read_request(connection)
        with suppress(OSError):
            connection.sendall(serve) if isinstance(serve, bytes) else serve(connection)

    with server(answer) as url:
        settings = WhisperXSettings(whisperx_url=url, whisperx_dialect=dialect, whisperx_options=f"prompt={KEY}")
        try:
            result = connect(settings, KEY, told.append).send(Bytes(1000), "abc.wav", timeouts)
        except TranscriptionError as error:
            return Outcome(error, told)
    return Outcome(result, told)


@pytest.mark.parametrize("dialect", ["asr", "openai"])
@pytest.mark.parametrize(("serve", "expected"), MISBEHAVIOUR.values(), ids=MISBEHAVIOUR)
def test_a_server_that_misbehaves_is_understood(dialect, serve, expected):
    outcome = came_of(serve, dialect, IMPATIENT if expected == LATE else PATIENT)
    (exchange,) = outcome.told
    if isinstance(expected, str):
        assert outcome.result.text == expected
        assert exchange.error is None
        return
    assert (type(outcome.result), outcome.result.code) == expected
    assert exchange.error == outcome.result.code
    assert not [each for each in PLANTED if each in outcome.result.message or each in str(exchange)]
    assert exchange.bytes_received < 200_000


def test_a_server_that_breaks_off_before_it_has_read_all_is_a_failed_attempt():
    def break_off(connection):
        connection.recv(5000)
        reset(connection)

    with server(break_off) as url, pytest.raises(RetryableError) as raised:
        connect(WhisperXSettings(whisperx_url=url), "").send(Bytes(5_000_000), "a.wav", PATIENT)
    assert raised.value.code == "connection_lost"


def test_a_refusal_whose_body_does_not_come_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(whisperx_http, "ERROR_BODY_SECONDS", 0.2)

    def stall(connection):
        connection.sendall(http(length=9, status="413 Too Large"))
        wait_for_hang_up(connection)

    timeouts = Timeouts(LIMIT_SECONDS, 2 * LIMIT_SECONDS)  # the server must not wait for as long
    assert came_of(stall, timeouts=timeouts).result.code == "too_large"


def test_an_answer_of_ten_megabytes_of_words_is_read():
    word = {"word": "something", "start": 1.25, "end": 2.5, "score": 0.812, "speaker": "SPEAKER_00"}
    segments = [{"start": 1.0, "end": 9.0, "text": " something" * 10, "words": [word] * 10}] * 1000
    body = json.dumps({"segments": segments, "word_segments": [word] * 110_000}).encode()
    assert 10_000_000 < len(body) < 13_000_000
    outcome = came_of(text(body))
    assert len(outcome.result.segments) == 1000
    assert outcome.told[0].bytes_received == len(body)


def large_answers(connection):
    read_request(connection)
    with suppress(OSError):
        connection.sendall(http(b" " * (whisperx_http.LARGE_RESPONSE_BYTES + 3_000_000)))


def test_two_large_answers_are_never_in_memory_at_once():
    reading, read, told = threading.Event(), threading.Event(), list[Any]()

    def hold(answer):
        reading.set()
        assert read.wait(LIMIT_SECONDS)
        return len(answer.body)

    with server(large_answers) as first, server(large_answers) as second, ThreadPoolExecutor() as pool:
        one = pool.submit(WhisperXClient(first, "", told.append).get, "/", PATIENT, hold)
        assert reading.wait(LIMIT_SECONDS)
        other = pool.submit(WhisperXClient(second, "", told.append).get, "/", PATIENT, lambda answer: len(answer.body))
        assert not wait([other], timeout=0.3).done
        with server(lambda connection: connection.sendall(http(b"{}"))) as third:
            assert WhisperXClient(third, "", told.append).get("/", PATIENT, lambda answer: answer.body) == b"{}"
        read.set()
        assert one.result() == other.result() == whisperx_http.LARGE_RESPONSE_BYTES + 3_000_000


def test_a_large_answer_waits_for_its_turn_no_longer_than_it_has_time():
    told: list[Any] = []
    with (
        whisperx_http._single_large_response(time.monotonic() + LIMIT_SECONDS),
        server(large_answers) as url,
        pytest.raises(RetryableError) as raised,
    ):
        WhisperXClient(url, "", told.append).get("/", IMPATIENT, lambda _: None)
    assert raised.value.code == told[0].error == "timeout"
    assert told[0].bytes_received <= whisperx_http.LARGE_RESPONSE_BYTES + whisperx_http.CHUNK_BYTES
    with server(large_answers) as url:  # the turn was given back
        WhisperXClient(url, "", told.append).get("/", PATIENT, lambda _: None)


def test_an_answer_too_large_to_be_a_transcript_is_not_read_to_its_end():
    def flood(connection):
        connection.sendall(http(length=10**9))
        for _ in range(1000):
            connection.sendall(b" " * 1_000_000)

    outcome = came_of(flood)
    assert (type(outcome.result), outcome.result.code) == UNREADABLE
    assert outcome.told[0].bytes_received < 40_000_000


def test_a_small_answer_that_unpacks_to_gigabytes_is_not_unpacked_to_its_end():
    packed = zlib.compress(b" " * 200_000_000, 9)
    outcome = came_of(http(packed, "200 OK", "Content-Encoding: deflate"))
    assert (type(outcome.result), outcome.result.code) == UNREADABLE
    assert outcome.told[0].bytes_received < 40_000_000


def test_a_packed_answer_that_comes_byte_by_byte_is_read():
    def slowly(connection):
        packed = gzip.compress(ANSWER)
        connection.sendall(http(b"", "200 OK", "Content-Encoding: gzip", length=len(packed)))
        for byte in packed:
            connection.sendall(bytes([byte]))
            time.sleep(0.001)

    assert came_of(slowly).result.text == TEXT
