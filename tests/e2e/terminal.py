"""A command in a terminal of its own, and the answers to its questions."""

import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

LIMIT_SECONDS = 120
ESCAPES = re.compile(r"\x1b\[[0-9;]*m|\r")


class Terminal:
    """Runs a command that asks questions. `text` is everything that it has printed, without colours.

    `limit_seconds` is how long to wait for each question, and for the end.
    """

    def __init__(
        self,
        command: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        *,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        self._limit_seconds = limit_seconds
        self._terminal, terminal_of_command = pty.openpty()
        self._answered = 0
        self.text = ""
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**environment, "COLUMNS": "80"},
            stdin=terminal_of_command,
            stdout=terminal_of_command,
            stderr=terminal_of_command,
            start_new_session=True,
        )
        os.close(terminal_of_command)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def answer(self, question: str, text: str = "", *, hidden: bool = False) -> None:
        """Wait for this text after the last question, and type an answer. `hidden` waits until the echo is off."""
        deadline = time.monotonic() + self._limit_seconds
        while (position := self.text.find(question, self._answered)) < 0:
            assert self._read(deadline), f"no question {question!r} in:\n{self.text}"
        self._answered = position + len(question)
        while hidden and termios.tcgetattr(self._terminal)[3] & termios.ECHO:
            # until then, the command discards what is typed
            assert time.monotonic() < deadline, f"{question!r} is not hidden"
            time.sleep(0.02)
        os.write(self._terminal, f"{text}\n".encode())

    def exit_status(self) -> int:
        """Wait until the command has ended."""
        deadline = time.monotonic() + self._limit_seconds
        while self._read(deadline):
            pass
        return self._process.wait(self._limit_seconds)

    def _read(self, deadline: float) -> bool:
        """Read what the command has printed; False when it has ended."""
        readable, _, _ = select.select([self._terminal], [], [], max(0, deadline - time.monotonic()))
        assert readable, f"nothing more after {self._limit_seconds:.0f} s:\n{self.text}"
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # Linux reports the end of the other side as an error
            return False
        self.text += ESCAPES.sub("", data.decode(errors="replace"))
        return bool(data)
