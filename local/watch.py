"""Prints a line whenever a recording changes its status."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Any, Self

import requests

from callscribe.clock import utc_now
from local.api_client import ApiClient
from local.options import describe_error

POLL_SECONDS = 0.25
IDLE_POLL_SECONDS = 5.0
"""The interval of refreshes while no function runs: then only an API request can change anything."""
PAUSE_FACTOR = 3
"""The pause after a refresh, in multiples of its duration: at most a quarter of the time is spent refreshing."""


class Watcher:
    """Polls the API in a background thread; a context manager."""

    def __init__(
        self,
        api: ApiClient,
        print_line: Callable[[str], None],
        show_counts: Callable[[Mapping[str, int]], None],
        is_busy: Callable[[], bool],
    ) -> None:
        """`show_counts` receives the number of recordings by status after each refresh.

        `is_busy` returns whether any function has run since its last call.
        """
        self._api = api
        self._print_line = print_line
        self._show_counts = show_counts
        self._is_busy = is_busy
        self._states: dict[str, tuple[str, int]] = {}
        self._started_at = utc_now()
        self._has_listed = False
        self._stopped = threading.Event()
        self._refresh_lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop at once, also in the middle of a refresh."""
        self._stopped.set()
        self._thread.join()

    def refresh(self, max_seconds: float = math.inf) -> None:
        """Print what has changed since the last refresh. Raises `requests.RequestException`.

        Prints nothing when it would take longer than `max_seconds`: the background thread does it then.
        """
        deadline = time.monotonic() + max_seconds
        if not self._refresh_lock.acquire(timeout=-1 if max_seconds == math.inf else max_seconds):
            return
        try:

            def may_continue(_: object) -> bool:
                return not self._stopped.is_set() and time.monotonic() < deadline

            listed = list(takewhile(may_continue, self._api.recordings()))
            if not may_continue(None):
                return
            items = sorted(listed, key=lambda item: str(item["statusSince"]))
            if not self._has_listed:
                self._has_listed = True
                self._count_earlier(items)
            for item in items:
                state = _state(item)
                previous, attempts = self._states.get(item["id"], ("", 0))
                if state[0] == previous:
                    continue
                self._states[item["id"]] = state
                if item["attempts"] > attempts and item["transcriptionStatus"] != "processing":
                    # the claim was too short to be seen, but there was one: only a claim counts as an attempt
                    self._print_line(format_item({**item, "transcriptionStatus": "processing"}))
                self._print_line(format_item(item))
            self._show_counts(Counter(item["transcriptionStatus"] for item in items))
        finally:
            self._refresh_lock.release()

    def _count_earlier(self, items: Iterable[dict[str, Any]]) -> None:
        """Print how many recordings an earlier stack on the same AWS has finished. The others get a line each."""
        earlier = [item for item in items if datetime.fromisoformat(item["statusSince"]) < self._started_at]
        finished = [item for item in earlier if _is_finished(item)]
        # attempts made under an earlier stack are not printed either
        self._states = {item["id"]: ("", item["attempts"]) for item in earlier}
        self._states |= {item["id"]: _state(item) for item in finished}
        if finished:
            count = Counter(item["transcriptionStatus"] for item in finished)
            self._print_line(
                f"{count['completed']:,} recording(s) were already completed, {count['failed']:,} had failed for good."
            )

    def _watch(self) -> None:
        pause, refreshed_at = POLL_SECONDS, -math.inf
        while not self._stopped.wait(pause):
            started_at = time.monotonic()
            if not self._is_busy() and started_at - refreshed_at < IDLE_POLL_SECONDS:
                continue
            with suppress(requests.RequestException):  # the next refresh may succeed
                self.refresh()
            refreshed_at = time.monotonic()
            pause = max(POLL_SECONDS, PAUSE_FACTOR * (refreshed_at - started_at))


def _state(item: dict[str, Any]) -> tuple[str, int]:
    return f"{item['transcriptionStatus']} {item['statusSince']}", item["attempts"]


def _is_finished(item: dict[str, Any]) -> bool:
    """Whether nothing more happens to the recording until a user acts."""
    return item["transcriptionStatus"] in ("completed", "failed") and not item["nextAttemptAt"]


def format_item(item: dict[str, Any]) -> str:
    """Format `12:40:31  completed   call.wav  "thank you for calling"`, in the time zone of this machine."""
    status_since = datetime.fromisoformat(item["statusSince"]).astimezone()
    name = PurePosixPath(item["path"]).name
    return escape_unprintable(
        f"{status_since:%H:%M:%S}  {item['transcriptionStatus']:<10}  {name}{_describe_outcome(item)}".rstrip()
    )


def escape_unprintable(text: str) -> str:
    """Escape control characters as Python does, so that any file name is printed on one line."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _describe_outcome(item: dict[str, Any]) -> str:  # noqa: PLR0911 — a table of statuses
    error, transcript = item["error"], item["transcript"]
    match item["transcriptionStatus"]:
        case "completed" if transcript["noSpeech"]:
            return "  (no speech)"
        case "completed":
            return f'  "{transcript["preview"]}"'
        case "processing":
            return f"  attempt {item['attempts']}"
        case "failed" if item["nextAttemptAt"]:
            next_attempt_at = datetime.fromisoformat(item["nextAttemptAt"]).astimezone()
            return f"  attempt {item['attempts']}: {describe_error(error)} Next attempt at {next_attempt_at:%H:%M:%S}."
        case "failed":
            return f"  attempts: {item['attempts']}, no more retries: {describe_error(error)}"
        case "queued" if error:
            return f"  requeued: {describe_error(error)}"
        case _:
            return ""
