"""The parent's side of a worker: a process that runs one function, and the socket to it."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).parents[2]
CODE_PATHS = (ROOT, ROOT / "layers" / "shared")
"""The code that Lambda has in /var/task and in /opt/python."""
START_TIMEOUT_SECONDS = 60.0
"""Lambda allows 10 seconds for the import, but on a machine without other load."""
_EXIT_TIMEOUT_SECONDS = 2.0
"""How long a process may take to exit after its socket is closed, before it is killed."""


class WorkerLostError(Exception):
    """The process ended before it returned a result."""


class WorkerProcess:
    """A process of `python -m local.lambdas.runtime`, which imports the handler named in `environment`.

    Its output, and the handler's, is appended to `log`.
    """

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._connection, child_socket = socket.socketpair()
        with child_socket, log.open("ab") as output:
            self._process = self._start(environment, child_socket, output)
        self._responses = self._connection.makefile("rb")
        self._ready = False

    def _start(
        self, environment: Mapping[str, str], child_socket: socket.socket, output: BinaryIO
    ) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "local.lambdas.runtime", str(child_socket.fileno())],
            env={**environment, "PYTHONPATH": os.pathsep.join(map(str, CODE_PATHS))},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[child_socket.fileno()],
            # in its own group: Ctrl-C in the terminal is handled by the parent alone, and processes that the handler
            # started can be killed with the worker
            process_group=0,
        )

    @property
    def is_alive(self) -> bool:
        """Whether the process is still running."""
        return self._process.poll() is None

    def exchange(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Send an event and wait up to `seconds` for its result, not counting the start of the process.

        Raises: TimeoutError; WorkerLostError, when the process ends. The worker cannot be used after either.
        """
        if not self._ready:
            self._receive(START_TIMEOUT_SECONDS)
            self._ready = True
        try:
            self._connection.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise WorkerLostError from error
        return self._receive(seconds)

    def _receive(self, seconds: float) -> dict[str, Any]:
        self._connection.settimeout(seconds)
        try:
            line = self._responses.readline()
        except TimeoutError as error:
            raise TimeoutError(f"Task timed out after {seconds:.2f} seconds") from error
        except OSError as error:
            raise WorkerLostError from error
        if not line.endswith(b"\n"):
            raise WorkerLostError
        response: dict[str, Any] = json.loads(line)
        return response

    def kill(self) -> None:
        """Kill the process and all that it started. A pending `exchange` raises WorkerLostError."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> str:
        """Let the process exit, or kill it. Return how it ended, in Lambda's words."""
        self._responses.close()
        # the worker exits when it notices this, unless it already has
        self._connection.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_TIMEOUT_SECONDS)
        self.kill()
        status = self._process.wait()
        return f"exit status {status}" if status >= 0 else f"signal: {signal.Signals(-status).name}"
