"""A server with jobs is killed while it transcribes, and started again: when does it get the next recording?

    .venv/bin/python -m tests.e2e.restarted_server

The server is a process that is killed by SIGKILL (job_server.py). The functions run in this process, on a simulated AWS
and on a clock that is moved by a minute for each run of process, so that half an hour takes seconds; nothing else is
simulated. One recording may be at the server at a time, each takes three minutes, and the server is killed one minute
after the first was sent. JobTimeoutMinutes is 60 instead of 360.
"""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests

from testing.handlers import Handlers
from testing.made_audio import tone, wav
from tests.e2e.handler_stack import list_recordings, put_recordings, serve_handlers
from tests.e2e.job_server import KINDS

RECORDINGS = 4
DOWN_MINUTES = (2, 0)
"""With 0, the server is back before any run of process has noticed."""

JOB_TIMEOUT_MINUTES = 60

MAX_MINUTES = 120


@dataclass(frozen=True, slots=True)
class Result:
    """Times in seconds of the functions' clock since the server was back; None for what did not happen.

    `next_sent`: when another recording was sent; `killed_sent_again`: when the one whose job was killed was.
    `max_at_server`: how many unfinished recordings the server had at most at the same time; `copies`: how many of the
    same one.
    """

    kind: str
    down_minutes: int
    completed: int
    next_sent: float | None
    killed_sent_again: float | None
    max_at_server: int
    copies: int


class JobServer:
    """The process of job_server.py."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._kind = folder, kind
        self.start()
        self.url = f"http://127.0.0.1:{(folder / 'port').read_text()}"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.e2e.job_server", str(self._folder), self._kind]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        """Kill it by SIGKILL."""
        self._process.kill()
        self._process.communicate()

    def set_time(self, seconds: float) -> None:
        requests.put(f"{self.url}/time", str(seconds), timeout=30).raise_for_status()

    def sent(self) -> list[dict[str, Any]]:
        """Return the recordings that it was sent, the first one first."""
        return [json.loads(line) for line in (self._folder / "log.jsonl").read_text().splitlines()]


def run(kinds: tuple[str, ...] = KINDS, down_minutes: tuple[int, ...] = DOWN_MINUTES) -> Iterator[Result]:
    for kind in kinds:
        for minutes in down_minutes:
            with TemporaryDirectory() as folder:
                server = JobServer(Path(folder), kind)
                try:
                    yield run_one(server, kind, minutes)
                finally:
                    server.kill()


def run_one(server: JobServer, kind: str, down_minutes: int) -> Result:
    with serve_handlers(
        WHISPERX_URL=server.url, WHISPERX_DIALECT="tasks", JOB_TIMEOUT_MINUTES=str(JOB_TIMEOUT_MINUTES)
    ) as handlers:
        started_at = handlers.now()

        def process() -> None:
            handlers.process()
            handlers.advance_clock(minutes=1)

        def seconds() -> float:
            return (handlers.now() - started_at).total_seconds()

        put_recordings(handlers, "calls", RECORDINGS, wav(tone(3, 8_000, 300)))
        server.set_time(seconds())
        process()
        server.kill()
        for _ in range(down_minutes):
            process()
        server.start()
        restarted_at = seconds()
        while (completed := count_completed(handlers)) < RECORDINGS and seconds() < MAX_MINUTES * 60:
            server.set_time(seconds())
            process()
    first, *later = server.sent()
    return Result(
        kind,
        down_minutes,
        completed,
        next((sent["at"] - restarted_at for sent in later if sent["recording"] != first["recording"]), None),
        next((sent["at"] - restarted_at for sent in later if sent["recording"] == first["recording"]), None),
        max(sent["unfinished"] for sent in (first, *later)),
        max(sent["copies"] for sent in (first, *later)),
    )


def count_completed(handlers: Handlers) -> int:
    return sum(item["transcriptionStatus"] == "completed" for item in list_recordings(handlers, "calls"))


def main() -> None:
    logging.disable()
    print("After the restart: seconds until the next recording is sent, and until the killed one is sent again.")
    print(f"{'the server':24}{'down':>6}{'completed':>12}{'next':>8}{'again':>8}{'most at once':>14}{'of one':>8}")
    with redirect_stdout(StringIO()):  # the functions write metrics to it
        for result in run():
            next_sent, again = (
                "never" if value is None else f"{value:.0f}" for value in (result.next_sent, result.killed_sent_again)
            )
            line = f"{result.kind:24}{result.down_minutes:2} min{result.completed:7} of {RECORDINGS}"
            line += f"{next_sent:>8}{again:>8}{result.max_at_server:14}{result.copies:8}"
            print(line, file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main()
