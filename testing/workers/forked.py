"""Starts worker processes that are forked from one; testing/workers/nursery.py is that one's side."""

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from local.lambdas.pool import Starter
from local.lambdas.process import CODE_PATHS, WorkerProcess

BYTES = 8
"""Of a process id, and of an exit status."""


@contextmanager
def nursery(environment: Mapping[str, str], module: str) -> Iterator[Starter]:
    """What starts a worker for handlers that this module has imported; it has a `rest`."""
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-P", "-m", "testing.workers.nursery", str(theirs.fileno()), module]
    environ = {**environment, "PYTHONPATH": os.pathsep.join(map(str, CODE_PATHS))}
    with subprocess.Popen(command, env=environ, pass_fds=[theirs.fileno()]) as process:
        theirs.close()

        class Worker(WorkerProcess):
            def _start(self, environment: Mapping[str, str], events: socket.socket, output: BinaryIO) -> Any:
                return Forked(control, environment, events, output)

        try:
            yield Worker
        finally:
            control.close()
            process.wait()


class Forked:
    """As much of `subprocess.Popen` as is asked of a worker's."""

    def __init__(
        self, control: socket.socket, environment: Mapping[str, str], events: socket.socket, output: BinaryIO
    ) -> None:
        self._news, pipe = os.pipe()
        descriptors = [events.fileno(), pipe, output.fileno()]
        try:
            socket.send_fds(control, [json.dumps(dict(environment)).encode()], descriptors)
        finally:
            os.close(pipe)
        self._status: int | None = None
        self.pid = self._read()

    def _read(self) -> int:
        told = os.read(self._news, BYTES)
        assert told, "the process that workers are forked from has ended"
        return int.from_bytes(told, signed=True)

    def poll(self) -> int | None:
        if self._status is None and select.select([self._news], [], [], 0)[0]:
            self._end()
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        if self._status is None:
            if not select.select([self._news], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a worker", timeout or 0)
            self._end()
        assert self._status is not None
        return self._status

    def _end(self) -> None:
        self._status = self._read()
        os.close(self._news)
