"""A fake WhisperX server with scripted replies: a real HTTP server on loopback."""

import re
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from testing.waiting import LIMIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_BODY = (
    b'{"segments": [{"start": 0.1, "end": 0.9, "text": " hello there", "words": []}], '
    b'"word_segments": [], "language": "en"}'
)


@dataclass
class Reply:
    """How the service responds to one request. `close` drops the connection after the audio.

    `delay_seconds` makes it likely that requests overlap. To prove that they do, use `ScriptedService.hold_until`.
    """

    status: int = 200
    body: bytes = DEFAULT_BODY
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/plain; charset=utf-8"})
    delay_seconds: float = 0.0
    close: bool = False


@dataclass
class ReceivedRequest:
    """One request that arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def recording(self) -> str:
        """The id of the recording in the uploaded file name, or empty."""
        match = re.search(rb'filename="([^-".]+)', self.body)
        return match[1].decode() if match else ""

    @property
    def channel(self) -> str:
        """`left` or `right` if the request contains a single channel, or empty."""
        match = re.search(rb'filename="[^"]+-(left|right)\.wav"', self.body)
        return match[1].decode() if match else ""


class ScriptedService:
    """Sends the next of `replies` for each request, and repeats the last one; `choose_reply` takes precedence."""

    def __init__(self) -> None:
        self.replies: list[Reply] = [Reply()]
        self.choose_reply: Callable[[ReceivedRequest], Reply] | None = None
        self.received: list[ReceivedRequest] = []
        self.max_concurrent = 0
        self.max_concurrent_per_recording = 0
        """How many requests for one recording were in progress at the same time."""
        self._expected_count = 0
        self._timeout_error = ""
        self._in_progress: Counter[str] = Counter()
        self._changed = threading.Condition()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                service._handle(self)

            do_GET = do_POST  # noqa: N815 — the name that http.server calls

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def hold_until(self, request_count: int) -> None:
        """Respond to no request before this many have arrived in total."""
        with self._changed:
            self._expected_count = request_count
            self._changed.notify_all()

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        url = urlsplit(request.path)
        with self._changed:
            headers = {name.lower(): value for name, value in request.headers.items()}
            received = ReceivedRequest(request.command, url.path, parse_qs(url.query), headers, body)
            self.received.append(received)
            if self.choose_reply:
                reply = self.choose_reply(received)
            else:
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            self._in_progress[received.recording] += 1
            self.max_concurrent = max(self.max_concurrent, self._in_progress.total())
            self.max_concurrent_per_recording = max(
                self.max_concurrent_per_recording, self._in_progress[received.recording]
            )
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: len(self.received) >= self._expected_count, LIMIT_SECONDS):
                self._timeout_error = f"expected {self._expected_count} requests, received {len(self.received)}"
        time.sleep(reply.delay_seconds)
        with self._changed:
            self._in_progress[received.recording] -= 1
        request.close_connection = True
        if reply.close:
            return
        request.send_response_only(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            request.send_header(name, value)
        request.end_headers()
        with suppress(ConnectionError):  # the client gave up
            request.wfile.write(reply.body)

    def stop(self) -> None:
        self.hold_until(0)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        assert not self._timeout_error, self._timeout_error
