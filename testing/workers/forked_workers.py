"""Starts worker processes by forking them from a fork server (testing/workers/fork_server.py)."""

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from local.lambdas.pool import WorkerFactory
from local.lambdas.worker_process import CODE_PATHS, WorkerProcess

INT_BYTES = 8
"""Size of a process id and of an exit status in the status pipe."""


@contextmanager
def run_fork_server(environment: Mapping[str, str], module: str) -> Iterator[WorkerFactory]:
    """Run a fork server, and yield a factory for workers with the handlers that `module` imports.

    The module must have a function `preload`.
    """
    control, child_socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-P", "-m", "testing.workers.fork_server", str(child_socket.fileno()), module]
    environ = {**environment, "PYTHONPATH": os.pathsep.join(map(str, CODE_PATHS))}
    with subprocess.Popen(command, env=environ, pass_fds=[child_socket.fileno()]) as process:
        child_socket.close()

        class ForkedWorker(WorkerProcess):
            def _start(self, environment: Mapping[str, str], events: socket.socket, output: BinaryIO) -> Any:
                return ForkedProcess(control, environment, events, output)

        try:
            yield ForkedWorker
        finally:
            control.close()
            process.wait()


class ForkedProcess:
    """The part of the interface of `subprocess.Popen` that is used of a worker process."""

    def __init__(
        self, control: socket.socket, environment: Mapping[str, str], events: socket.socket, output: BinaryIO
    ) -> None:
        self._status_pipe, pipe = os.pipe()
        descriptors = [events.fileno(), pipe, output.fileno()]
        try:
            socket.send_fds(control, [json.dumps(dict(environment)).encode()], descriptors)
        finally:
            os.close(pipe)
        self._status: int | None = None
        self.pid = self._read_int()

    def _read_int(self) -> int:
        data = os.read(self._status_pipe, INT_BYTES)
        assert data, "the process that workers are forked from has ended"
        return int.from_bytes(data, signed=True)

    def poll(self) -> int | None:
        if self._status is None and select.select([self._status_pipe], [], [], 0)[0]:
            self._read_status()
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        if self._status is None:
            if not select.select([self._status_pipe], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a worker", timeout or 0)
            self._read_status()
        assert self._status is not None
        return self._status

    def _read_status(self) -> None:
        self._status = self._read_int()
        os.close(self._status_pipe)
