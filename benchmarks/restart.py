"""How the local stack stops and starts again on one AWS: `python -m benchmarks.restart [N …] [--kill]`.

For each number it serves a simulated AWS that keeps the recordings, stores that many completed ones, and lets
`local up --aws-endpoint` send others to a slow server. In the middle of a transcription it presses Ctrl-C, or with
`--kill` it kills the stack as `kill -9` does. Then it starts the stack again. It prints how long both took, and how
many requests for one recording overlapped at the server, which must be none.
"""

import argparse
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.local_stack import run_aws, seed
from benchmarks.process_stats import SPAWN_CONTEXT
from testing.made_audio import tone, wav

ROOT = Path(__file__).parents[1]
NUMBERS = (20, 5000)
TO_SEND = 20
"""How many recordings there are to send."""
RESPONSE_SECONDS = 5.0
AN_HOUR = 3600
LIMIT_SECONDS = 300.0
"""When to give up."""
SHOWN_SECONDS = 20.0
"""With `--kill`: how long to watch what the stack prints, instead of the 16 minutes until the leases expire."""


@dataclass(slots=True)
class SlowServer:
    """A WhisperX server that takes `RESPONSE_SECONDS` for each recording, and notices when its client is gone.

    `requests`: the times of each request from its start to its response or the end of its connection, by the name of
    the file. `None` is a request in progress.
    """

    requests: dict[str, list[tuple[float, float | None]]] = field(default_factory=lambda: defaultdict(list))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve on a free port and yield the URL."""
        slow_server = self

        class SlowHandler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_error(404)

            def do_POST(self) -> None:
                upload = self.rfile.read(int(self.headers["Content-Length"]))
                name = upload.partition(b'filename="')[2].partition(b'"')[0].decode()
                with slow_server.record(name):
                    is_gone = wait_for_disconnect(self.connection, RESPONSE_SECONDS)
                if is_gone:
                    return
                body = b'{"language": "en", "text": "hello", "segments": [{"start": 0, "end": 1, "text": "hello"}]}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), SlowHandler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()

    @contextmanager
    def record(self, name: str) -> Iterator[None]:
        """Record a request from the start of the context to its end."""
        with self._lock:
            index = len(self.requests[name])
            self.requests[name].append((time.monotonic(), None))
        yield
        with self._lock:
            self.requests[name][index] = (self.requests[name][index][0], time.monotonic())

    def starts(self) -> list[float]:
        """Return when requests have started, in order."""
        with self._lock:
            return sorted(start for requests in self.requests.values() for start, _ in requests)


def wait_for_disconnect(connection: socket.socket, seconds: float) -> bool:
    """Wait up to `seconds`. Return whether the client has closed the connection."""
    readable, _, _ = select.select([connection], [], [], seconds)
    return bool(readable) and not connection.recv(1, socket.MSG_PEEK)


def count_overlaps(requests: Mapping[str, list[tuple[float, float | None]]]) -> int:
    """Count the requests for a recording that started before its previous one had ended."""
    return sum(
        ended_at is None or started_at < ended_at
        for times in requests.values()
        for (_, ended_at), (started_at, _) in pairwise(sorted(times, key=lambda each: each[0]))
    )


@dataclass(frozen=True, slots=True)
class Result:
    """What `measure` has seen. `restart_seconds`: from the command to the next request; None if there was none yet."""

    stop_seconds: float
    restart_seconds: float | None
    overlaps: int
    requests: int
    first_lines: list[str]
    """What the stack printed when it ended."""
    second_lines: list[str]
    """What the second one printed until it sent a recording."""


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.restart", description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, default=NUMBERS, metavar="N", help="numbers of recordings")
    parser.add_argument("--kill", action="store_true", help="kill the stack instead of pressing Ctrl-C")
    arguments = parser.parse_args()
    has_overlaps = False
    for number in arguments.numbers:
        result = measure(number, signal.SIGKILL if arguments.kill else signal.SIGINT)
        sent = (
            f"{result.restart_seconds:.1f} s" if result.restart_seconds is not None else f"not in {SHOWN_SECONDS:.0f} s"
        )
        print(
            f"\n{number:,} recordings\n"
            f"  {'kill -9' if arguments.kill else 'Ctrl-C'} to the end       {result.stop_seconds:.1f} s\n"
            f"  start to the next request {sent}\n"
            f"  requests to the server    {result.requests}, of one recording at the same time: {result.overlaps}",
            flush=True,
        )
        for title, lines in (("The first stack ended with", result.first_lines), ("The second", result.second_lines)):
            print("\n".join([f"  {title}:", *(f"    {line}" for line in lines[-8:])]), flush=True)
        has_overlaps |= bool(result.overlaps)
    return int(has_overlaps)


def measure(number: int, stop_signal: signal.Signals) -> Result:
    """Start the stack, stop it in the middle of a transcription with this signal, and start it again."""
    server = SlowServer()
    with run_aws() as (endpoint, _), TemporaryDirectory() as folder, server.serve() as url:
        calls = make_calls(Path(folder))
        command = ("up", "--recordings", str(calls), "--whisperx", url, "--aws-endpoint", endpoint)
        if number > TO_SEND:
            seed_completed(endpoint, number - TO_SEND)
        with run_stack(*command) as (process, first_lines):
            wait_until(lambda: len(server.starts()) >= 2)
            time.sleep(RESPONSE_SECONDS / 4)
            line_count, stopped_at = len(first_lines), time.monotonic()
            process.send_signal(stop_signal)
            process.wait(LIMIT_SECONDS)
            stop_seconds = time.monotonic() - stopped_at
        request_count, started_at = len(server.starts()), time.monotonic()
        with run_stack(*command) as (process, second_lines):
            limit = SHOWN_SECONDS if stop_signal is signal.SIGKILL else LIMIT_SECONDS
            wait_until(lambda: len(server.starts()) > request_count or time.monotonic() > started_at + limit)
            starts = server.starts()[request_count:]
            shown_lines = second_lines[:]
            if starts:  # then let it send some more
                wait_until(lambda: len(server.starts()) > request_count + 2)
            process.send_signal(signal.SIGINT)
            process.wait(LIMIT_SECONDS)
    return Result(
        stop_seconds,
        starts[0] - started_at if starts else None,
        count_overlaps(server.requests),
        len(server.starts()),
        first_lines[line_count:],
        shown_lines,
    )


def make_calls(folder: Path) -> Path:
    """Make recordings that have not changed for an hour. Return their folder."""
    audio = wav(tone(1.0, 8000))
    for index in range(TO_SEND):
        file = folder / f"in-2025550100-2025550143-20261118-0930{index:02}-1795012210.{index}.wav"
        file.write_bytes(audio)
        os.utime(file, (time.time() - AN_HOUR, time.time() - AN_HOUR))
    return folder


def seed_completed(endpoint: str, number: int) -> None:
    """Store completed recordings, in a process of its own, because `seed` changes the environment."""
    process = SPAWN_CONTEXT.Process(target=_seed, args=(endpoint, number))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError("the recordings could not be stored")


def _seed(endpoint: str, number: int) -> None:
    from local.cloud.stack import deploy

    seed(deploy(ROOT / "template.yaml", endpoint, {"WhisperXUrl": "http://127.0.0.1:9"}), number, completed_only=True)


@contextmanager
def run_stack(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """Run `python -m local` and yield its process and the lines that it has printed so far."""
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "local", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        output = process.stdout
        reader = threading.Thread(target=lambda: lines.extend(line.rstrip() for line in output))
        reader.start()
        try:
            yield process, lines
        finally:
            if process.poll() is None:
                process.kill()
            reader.join()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait. Raises: TimeoutError."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing happened for {LIMIT_SECONDS:.0f} s")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
