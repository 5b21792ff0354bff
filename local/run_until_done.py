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
from functions.sync.ingestion import IN_TRANSFER
from local.api_client import ApiClient
from local.options import describe_error
from local.watch import escape_unprintable

MAX_OUTAGE_SECONDS = 20.0
"""So long a service that is not available is tried again, before it is given up."""

MAX_WAIT = timedelta(minutes=5)
"""A service that asks to be left alone for longer is not waited for."""

MAX_CONSECUTIVE_CRASHES = 5
"""So many process runs in a row may die before something is taken to be wrong with all of them."""

MAX_INCOMPLETE_SECONDS = 90.0
"""So long files are given that may still be being written: a minute at rest, and a margin."""

PAUSE_SECONDS = 1.0

MAX_LISTED = 3
"""Files that wait are named, up to so many."""

SERVICE_UNAVAILABLE = ServiceUnavailable.code
"""Why a run did nothing that found the breaker open."""

DIAGNOSTIC_CODES = ("wrong_dialect", "not_whisperx")

NEEDS_USER = (ConfigurationError.code, "paused", "module_disabled", "authentication_failed", "invalid_options")
"""Why a run came to nothing, as the next one will until somebody has put it right. A wrong address is none of these: a
proxy whose server is just starting answers 404, too."""

REMARKS = {
    "ignored": "file(s) are no recordings, by their names, and were passed over.",
    "in_transfer": "file(s) are still being copied, by their names. They are looked at when they have their own.",
    "sidecars_unreadable": "file(s) next to a recording cannot be read, and were left out.",
}
"""What sync counts and leaves out as it should."""

PROBLEMS = {
    "path_too_long": "file(s) have a path of more than 1024 bytes: shorten it.",
    "unreadable": "file(s) or folder(s) cannot be read: check their permissions.",
}
"""What sync counts and cannot handle until an operator acts."""


class TaskError(Exception):
    """A function ended in an unhandled error, died, or did not end in time."""


def run_until_done(
    invoke: Callable[[str], dict[str, Any]],
    api: ApiClient,
    refresh: Callable[[], None],
    print_line: Callable[[str], None],
) -> str | None:
    """Syncs, queues and processes until every recording is completed or failed for good. Returns why not, if not.

    `invoke` runs a task, `sync`, `queue` or `process`, and returns its run; `look` is called when much
    may have changed; `say` tells a person why nothing happens.
    """
    started_at = time.monotonic()
    reported_count = 0
    while True:
        sync_run = invoke("sync")
        if sync_run["status"] != "succeeded":
            return str(sync_run["error"])
        counts = sync_run["counts"]
        incomplete_count = counts["waiting"]
        refresh()
        invoke("queue")
        refresh()
        outage = _process_until_done(invoke, api, print_line)
        if outage:
            return f"{outage}{_diagnose_server(api)} Recordings wait in the queue; none was lost."
        if counts.get("incomplete"):
            continue  # there is more than one run can list
        if not incomplete_count:
            for remark in _count_messages(counts, REMARKS):
                print_line(remark)
            return " ".join(_count_messages(counts, PROBLEMS)) or None
        if time.monotonic() - started_at > MAX_INCOMPLETE_SECONDS:
            described = _describe_incomplete(sync_run)
            return f"{incomplete_count} file(s) are still not complete: {described} Every sync looks at them again."
        if incomplete_count != reported_count:
            reported_count = incomplete_count
            print_line(f"{incomplete_count} file(s) wait until they are complete: {_describe_incomplete(sync_run)}")
        time.sleep(PAUSE_SECONDS)


def _describe_incomplete(sync_run: dict[str, Any]) -> str:
    """The first files that wait, and why."""
    incomplete = [each for each in sync_run["waiting"] if each["reason"] != IN_TRANSFER]
    descriptions = [f"{PurePosixPath(each['path']).name}: {each['reason']}" for each in incomplete[:MAX_LISTED]]
    return escape_unprintable(" ".join(descriptions)) + (" …" if len(incomplete) > MAX_LISTED else "")


def _count_messages(counts: dict[str, int], messages: dict[str, str]) -> list[str]:
    return [f"{counts[key]} {text}" for key, text in messages.items() if counts.get(key)]


def _process_until_done(
    invoke: Callable[[str], dict[str, Any]], api: ApiClient, print_line: Callable[[str], None]
) -> str | None:
    """Processes until nothing is left; why that cannot be done, if it cannot. Raises TaskError if every run dies."""
    has_reported_lease = False
    unavailable_since: float | None = None
    while True:
        run = _run_process(invoke, print_line)
        if run["counts"].get("completed") or run["counts"].get("failed"):
            unavailable_since = None
            continue
        if run["status"] != "failed" and run["errorCode"] not in (SERVICE_UNAVAILABLE, *NEEDS_USER):
            unavailable_since = None
            if not _has_work_left(api):
                return None
            if not has_reported_lease and any(item["jobStartedAt"] is None for item in api.recordings("processing")):
                has_reported_lease = True
                print_line(
                    "A worker that is gone, or not of this stack, has a recording. Its lease ends within 16 minutes."
                )
            # a retry is not due yet, a slot is taken, or more was pending than one run queues
            time.sleep(PAUSE_SECONDS)
            invoke("queue")
            continue
        reason = describe_error({"code": run["errorCode"], "message": run["error"]})
        if run["errorCode"] in NEEDS_USER:
            return reason
        if unavailable_since is None:
            unavailable_since = time.monotonic()
            print_line(f"{reason} It is tried again.")
        is_outage_too_long = run["status"] == "failed" and time.monotonic() - unavailable_since > MAX_OUTAGE_SECONDS
        if is_outage_too_long or _is_next_probe_too_late(api):
            return reason
        time.sleep(PAUSE_SECONDS)


def _run_process(invoke: Callable[[str], dict[str, Any]], print_line: Callable[[str], None]) -> dict[str, Any]:
    """One process run that lives. Raises TaskError if DEATHS in a row do not."""
    for _ in range(MAX_CONSECUTIVE_CRASHES - 1):
        try:
            return invoke("process")
        except TaskError as error:
            print_line(f"{error} What it had is claimed again once its lease has ended.")
    return invoke("process")


def _diagnose_server(api: ApiClient) -> str:
    """What the connection test knows better than a recording that was sent: that it is another server."""
    with suppress(requests.RequestException):
        result = api.test_service()
        if result["code"] in DIAGNOSTIC_CODES:
            return f" {describe_error(result)}"
    return ""


def _is_next_probe_too_late(api: ApiClient) -> bool:
    outage = api.summary()["outage"]
    return outage is not None and datetime.fromisoformat(outage["nextTryAt"]) - utc_now() > MAX_WAIT


def _has_work_left(api: ApiClient) -> bool:
    """Whether a recording is on its way, or failed and will be retried."""
    counts = api.summary()
    if counts["pending"] or counts["queued"] or counts["processing"]:
        return True
    return bool(counts["failed"]) and any(item["nextAttemptAt"] for item in api.recordings("failed"))
