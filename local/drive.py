"""Runs the three tasks, one after the other, until nothing is left to do: what `--once` is, and how a demo begins."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

import requests

from callscribe.clock import utc_now
from callscribe.errors import ConfigurationError, ServiceUnavailable
from functions.sync.complete import PARTIAL
from local.api_client import ApiClient
from local.options import message_of
from local.watch import printable

OUTAGE_PATIENCE_SECONDS = 20.0
"""So long a service that is not available is tried again, before it is given up."""

LONGEST_WAIT = timedelta(minutes=5)
"""A service that asks to be left alone for longer is not waited for."""

DEATHS = 5
"""So many process runs in a row may die before something is taken to be wrong with all of them."""

WAITING_PATIENCE_SECONDS = 90.0
"""So long files are given that may still be being written: a minute at rest, and a margin."""

PAUSE_SECONDS = 1.0

NAMED = 3
"""Files that wait are named, up to so many."""

UNAVAILABLE = ServiceUnavailable.code
"""Why a run did nothing that found the breaker open."""

TELLS_MORE = ("wrong_dialect", "not_whisperx")

A_PERSON_ACTS = (ConfigurationError.code, "paused", "module_disabled", "key_refused", "wrong_settings")
"""Why a run came to nothing, as the next one will until somebody has put it right. A wrong address is none of these: a
proxy whose server is just starting answers 404, too."""


class TaskError(Exception):
    """A function ended in an unhandled error, died, or did not end in time."""


def drive(
    invoke: Callable[[str], dict[str, Any]], api: ApiClient, look: Callable[[], None], say: Callable[[str], None]
) -> str | None:
    """Syncs, queues and processes until every recording is completed or failed for good. Returns why not, if not.

    `invoke` runs a task, `sync`, `queue` or `process`, and returns its run; `look` is called when much
    may have changed; `say` tells a person why nothing happens.
    """
    began = time.monotonic()
    told = 0
    while True:
        sync = invoke("sync")
        if sync["status"] != "succeeded":
            return str(sync["error"])
        counts = sync["counts"]
        waiting = counts["waiting"]
        look()
        invoke("queue")
        look()
        outage = _process(invoke, api, say)
        if outage:
            return f"{outage}{_what_answers(api)} Recordings wait in the queue; none was lost."
        if counts.get("stopped_early"):
            continue  # there is more than one run can list
        if not waiting:
            _tell(counts, say)
            return _passed_over(counts)
        if time.monotonic() - began > WAITING_PATIENCE_SECONDS:
            return f"{waiting} file(s) are still not complete: {_named(sync)} Every sync looks at them again."
        if waiting != told:
            told = waiting
            say(f"{waiting} file(s) wait until they are complete: {_named(sync)}")
        time.sleep(PAUSE_SECONDS)


def _named(sync: dict[str, Any]) -> str:
    """The first files that wait, and why."""
    waiting = [each for each in sync["waiting"] if each["why"] != PARTIAL]
    named = [f"{PurePosixPath(each['path']).name}: {each['why']}" for each in waiting[:NAMED]]
    return printable(" ".join(named)) + (" …" if len(waiting) > NAMED else "")


def _tell(counts: dict[str, int], say: Callable[[str], None]) -> None:
    """What sync made nothing of, and that is as it should be."""
    for what, words in (
        ("passed_over", "file(s) are no recordings, by their names, and were passed over."),
        ("copying", "file(s) are still being copied, by their names. They are looked at when they have their own."),
        ("sidecars_unreadable", "file(s) beside a recording cannot be read, and were left out."),
    ):
        if counts.get(what):
            say(f"{counts[what]} {words}")


def _passed_over(counts: dict[str, int]) -> str | None:
    """What sync could not take up, and never will without a person."""
    troubles = [
        f"{counts[what]} {reason}"
        for what, reason in (
            ("refused", "file(s) have a path of more than 1024 bytes: shorten it."),
            ("unreadable", "file(s) or folder(s) cannot be read: check their permissions."),
        )
        if counts[what]
    ]
    return " ".join(troubles) or None


def _process(invoke: Callable[[str], dict[str, Any]], api: ApiClient, say: Callable[[str], None]) -> str | None:
    """Processes until nothing is left; why that cannot be done, if it cannot. Raises TaskError if every run dies."""
    outage = _Outage(api, say)
    deaths = 0
    told = False
    while True:
        try:
            run = invoke("process")
        except TaskError as death:
            deaths += 1
            if deaths == DEATHS:
                raise
            say(f"{death} What it had is taken up again once its lease has ended.")
            continue
        deaths = 0
        if reason := outage.gives_up(run):
            return reason
        if not outage.lasts and not run["counts"].get("completed") and not run["counts"].get("failed"):
            if not _is_work_left(api):
                return None
            if not told and any(item["jobSince"] is None for item in api.recordings("processing")):
                told = True
                say("A worker that is gone, or not of this stack, has a recording. Its lease ends within 16 minutes.")
            # a retry is not due yet, a slot is taken, or more was pending than one run puts in line
            time.sleep(PAUSE_SECONDS)
            invoke("queue")


def _what_answers(api: ApiClient) -> str:
    """What the connection test knows better than a recording that was sent: that it is another server."""
    with suppress(requests.RequestException):
        found = api.test_service()
        if found["code"] in TELLS_MORE:
            return f" {message_of(found)}"
    return ""


class _Outage:
    """How long the service has been unavailable, and whether it is worth while to wait."""

    def __init__(self, api: ApiClient, say: Callable[[str], None]) -> None:
        self._api = api
        self._say = say
        self._since: float | None = None

    @property
    def lasts(self) -> bool:
        return self._since is not None

    def gives_up(self, run: dict[str, Any]) -> str | None:
        """Why, when it was tried long enough or a person has to act first; waits a little when it was not."""
        done = run["counts"].get("completed") or run["counts"].get("failed")
        if done or (run["status"] != "failed" and run["errorCode"] not in (UNAVAILABLE, *A_PERSON_ACTS)):
            self._since = None
            return None
        if run["errorCode"] in A_PERSON_ACTS:
            return _reason(run)
        if self._since is None:
            self._since = time.monotonic()
            self._say(f"{_reason(run)} It is tried again.")
        tried_enough = run["status"] == "failed" and time.monotonic() - self._since > OUTAGE_PATIENCE_SECONDS
        if tried_enough or _next_try_is_far(self._api):
            return _reason(run)
        time.sleep(PAUSE_SECONDS)
        return None


def _reason(run: dict[str, Any]) -> str:
    return message_of({"code": run["errorCode"], "message": run["error"]})


def _next_try_is_far(api: ApiClient) -> bool:
    outage = api.summary()["outage"]
    return outage is not None and datetime.fromisoformat(outage["nextTryAt"]) - utc_now() > LONGEST_WAIT


def _is_work_left(api: ApiClient) -> bool:
    """Whether a recording is on its way, or failed and will be retried."""
    counts = api.summary()
    if counts["pending"] or counts["queued"] or counts["processing"]:
        return True
    return bool(counts["failed"]) and any(item["nextAttemptAt"] for item in api.recordings("failed"))
