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

REMARKS = {
    "passed_over": "file(s) are no recordings, by their names, and were passed over.",
    "copying": "file(s) are still being copied, by their names. They are looked at when they have their own.",
    "sidecars_unreadable": "file(s) next to a recording cannot be read, and were left out.",
}
"""What sync counts and leaves out as it should."""

TROUBLES = {
    "refused": "file(s) have a path of more than 1024 bytes: shorten it.",
    "unreadable": "file(s) or folder(s) cannot be read: check their permissions.",
}
"""What sync counts and cannot handle until an operator acts."""


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
            for remark in _counted(counts, REMARKS):
                say(remark)
            return " ".join(_counted(counts, TROUBLES)) or None
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


def _counted(counts: dict[str, int], words: dict[str, str]) -> list[str]:
    return [f"{counts[what]} {text}" for what, text in words.items() if counts.get(what)]


def _process(invoke: Callable[[str], dict[str, Any]], api: ApiClient, say: Callable[[str], None]) -> str | None:
    """Processes until nothing is left; why that cannot be done, if it cannot. Raises TaskError if every run dies."""
    told = False
    unavailable_since: float | None = None
    while True:
        run = _run(invoke, say)
        if run["counts"].get("completed") or run["counts"].get("failed"):
            unavailable_since = None
            continue
        if run["status"] != "failed" and run["errorCode"] not in (UNAVAILABLE, *A_PERSON_ACTS):
            unavailable_since = None
            if not _is_work_left(api):
                return None
            if not told and any(item["jobSince"] is None for item in api.recordings("processing")):
                told = True
                say("A worker that is gone, or not of this stack, has a recording. Its lease ends within 16 minutes.")
            # a retry is not due yet, a slot is taken, or more was pending than one run queues
            time.sleep(PAUSE_SECONDS)
            invoke("queue")
            continue
        reason = message_of({"code": run["errorCode"], "message": run["error"]})
        if run["errorCode"] in A_PERSON_ACTS:
            return reason
        if unavailable_since is None:
            unavailable_since = time.monotonic()
            say(f"{reason} It is tried again.")
        tried_enough = run["status"] == "failed" and time.monotonic() - unavailable_since > OUTAGE_PATIENCE_SECONDS
        if tried_enough or _next_try_is_far(api):
            return reason
        time.sleep(PAUSE_SECONDS)


def _run(invoke: Callable[[str], dict[str, Any]], say: Callable[[str], None]) -> dict[str, Any]:
    """One process run that lives. Raises TaskError if DEATHS in a row do not."""
    for _ in range(DEATHS - 1):
        try:
            return invoke("process")
        except TaskError as death:
            say(f"{death} What it had is claimed again once its lease has ended.")
    return invoke("process")


def _what_answers(api: ApiClient) -> str:
    """What the connection test knows better than a recording that was sent: that it is another server."""
    with suppress(requests.RequestException):
        found = api.test_service()
        if found["code"] in TELLS_MORE:
            return f" {message_of(found)}"
    return ""


def _next_try_is_far(api: ApiClient) -> bool:
    outage = api.summary()["outage"]
    return outage is not None and datetime.fromisoformat(outage["nextTryAt"]) - utc_now() > LONGEST_WAIT


def _is_work_left(api: ApiClient) -> bool:
    """Whether a recording is on its way, or failed and will be retried."""
    counts = api.summary()
    if counts["pending"] or counts["queued"] or counts["processing"]:
        return True
    return bool(counts["failed"]) and any(item["nextAttemptAt"] for item in api.recordings("failed"))
