"""Console output: lines with a progress bar below them."""

import sys
import threading
from collections.abc import Mapping
from typing import TextIO

BAR_WIDTH = 30
"""Width of the bar in characters."""
CLEAR_LINE = "\r\x1b[2K"
DONE, TO_DO = "█", "░"


class Console:
    """Thread-safe output. Without a terminal (in a file or a pipe) there are lines but no bar."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()
        self._bar = ""
        self._is_interactive = self._stream.isatty()

    def print_line(self, text: str) -> None:
        """Print a line above the bar."""
        self._write(f"{text}\n")

    def show_counts(self, counts: Mapping[str, int]) -> None:
        """Redraw the bar from the number of recordings by status; remove it if there are none."""
        if self._is_interactive:
            self._write("", format_bar(counts))

    def _write(self, lines: str, bar: str | None = None) -> None:
        """Write lines above the bar, and replace the bar unless `bar` is None."""
        with self._lock:
            new_bar = self._bar if bar is None else bar
            if lines or new_bar != self._bar:
                self._stream.write(f"{CLEAR_LINE if self._bar else ''}{lines}{new_bar}")
                self._stream.flush()
            self._bar = new_bar


def format_bar(counts: Mapping[str, int]) -> str:
    """Format `█████░░░░░ 12 of 30 completed, 1 failed`; empty if there are no recordings."""
    total = sum(counts.values())
    if not total:
        return ""
    completed, failed = counts.get("completed", 0), counts.get("failed", 0)
    done = BAR_WIDTH * completed // total
    text = f"{DONE * done}{TO_DO * (BAR_WIDTH - done)} {completed:,} of {total:,} completed"
    return f"{text}, {failed:,} failed" if failed else text
