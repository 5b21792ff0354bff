"""Runs the three tasks in turn until nothing is left to do: what `--once` does, and how a demo starts."""

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
"""How long to retry a WhisperX server that is unavailable before giving up."""

MAX_WAIT = timedelta(minutes=5)
"""Give up immediately if the server requests a longer pause than this."""

MAX_CONSECUTIVE_CRASHES = 5
"""Give up after this many process runs in a row have crashed, because then a single recording is not the cause."""

MAX_INCOMPLETE_SECONDS = 90.0
"""How long to wait for incomplete files: they need a minute without a change; the rest is a margin."""

PAUSE_SECONDS = 1.0

MAX_LISTED = 3
"""How many incomplete files are named."""

SERVICE_UNAVAILABLE = ServiceUnavailable.code
"""The error code of a run that found the circuit breaker open."""

DIAGNOSTIC_CODES = ("wrong_dialect", "not_whisperx")
"""Codes of the connection test that explain an outage better than the error of a recording."""

NEEDS_USER = (ConfigurationError.code, "paused", "module_disabled", "authentication_failed", "invalid_options")
"""Error codes of runs that will fail or be skipped again until you fix the cause. `endpoint_not_found` is not one of
them: a proxy also responds 404 while the server behind it starts."""

REMARKS = {
    "ignored": "file(s) ignored: not recordings, by their names.",
    "in_transfer": "file(s) still being copied, by their names. They are ingested once they are renamed.",
    "sidecars_unreadable": "sidecar file(s) unreadable; their recordings were ingested without them.",
}
"""Files that sync leaves out on purpose, by the run's counts."""

PROBLEMS = {
    "path_too_long": "file(s) have a path of more than 1024 bytes. Shorten it.",
    "unreadable": "file(s) or folder(s) cannot be read. Check their permissions.",
}
"""Files that sync cannot ingest until you act, by the run's counts."""


class TaskError(Exception):
    """A function raised an unhandled exception, crashed, or timed out."""


def run_until_done(
    invoke: Callable[[str], dict[str, Any]],
    api: ApiClient,
    refresh: Callable[[], None],
    print_line: Callable[[str], None],
) -> str | None:
    """Run sync, queue and process until every recording is completed or has failed with no retries left.

    Returns the problem if that is impossible, otherwise None.

    Raises: TaskError, when process crashes repeatedly, or sync or queue once.

    `invoke` runs a task (`sync`, `queue` or `process`) and returns its run. `refresh` is called when much may have
    changed. `print_line` prints why nothing happens.
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
            return f"{outage}{_diagnose_server(api)} The recordings stay queued; none is lost."
        if counts.get("incomplete"):
            continue  # there are more files than one run can list
        if not incomplete_count:
            for remark in _count_messages(counts, REMARKS):
                print_line(remark)
            return " ".join(_count_messages(counts, PROBLEMS)) or None
        if time.monotonic() - started_at > MAX_INCOMPLETE_SECONDS:
            described = _describe_incomplete(sync_run)
            return f"{incomplete_count} file(s) are still incomplete: {described} Each sync checks them again."
        if incomplete_count != reported_count:
            reported_count = incomplete_count
            print_line(f"Waiting for {incomplete_count} incomplete file(s): {_describe_incomplete(sync_run)}")
        time.sleep(PAUSE_SECONDS)


def _describe_incomplete(sync_run: dict[str, Any]) -> str:
    """Name the first incomplete files, with the reasons."""
    incomplete = [file for file in sync_run["waiting"] if file["reason"] != IN_TRANSFER]
    descriptions = [f"{PurePosixPath(file['path']).name}: {file['reason']}" for file in incomplete[:MAX_LISTED]]
    return escape_unprintable(" ".join(descriptions)) + (" …" if len(incomplete) > MAX_LISTED else "")


def _count_messages(counts: dict[str, int], messages: dict[str, str]) -> list[str]:
    return [f"{counts[key]} {text}" for key, text in messages.items() if counts.get(key)]


def _process_until_done(
    invoke: Callable[[str], dict[str, Any]], api: ApiClient, print_line: Callable[[str], None]
) -> str | None:
    """Process until nothing is left; return the problem if that is impossible.

    Raises: TaskError, when all runs crash.
    """
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
                    "A recording is claimed by a worker that crashed or belongs to another stack. "
                    "Its lease expires within 16 minutes."
                )
            # a retry is not due yet, no slot is free, or more recordings were pending than one run queues
            time.sleep(PAUSE_SECONDS)
            invoke("queue")
            continue
        reason = describe_error({"code": run["errorCode"], "message": run["error"]})
        if run["errorCode"] in NEEDS_USER:
            return reason
        if unavailable_since is None:
            unavailable_since = time.monotonic()
            print_line(f"{reason} Retrying.")
        is_outage_too_long = run["status"] == "failed" and time.monotonic() - unavailable_since > MAX_OUTAGE_SECONDS
        if is_outage_too_long or _is_next_probe_too_late(api):
            return reason
        time.sleep(PAUSE_SECONDS)


def _run_process(invoke: Callable[[str], dict[str, Any]], print_line: Callable[[str], None]) -> dict[str, Any]:
    """Run process until a run does not crash. Raises: TaskError, after MAX_CONSECUTIVE_CRASHES in a row."""
    for _ in range(MAX_CONSECUTIVE_CRASHES - 1):
        try:
            return invoke("process")
        except TaskError as error:
            print_line(f"{error} Its recordings are recovered when their leases expire.")
    return invoke("process")


def _diagnose_server(api: ApiClient) -> str:
    """Run the connection test, which recognises another kind of server; a recording's error does not show that."""
    with suppress(requests.RequestException):
        result = api.test_service()
        if result["code"] in DIAGNOSTIC_CODES:
            return f" {describe_error(result)}"
    return ""


def _is_next_probe_too_late(api: ApiClient) -> bool:
    outage = api.summary()["outage"]
    return outage is not None and datetime.fromisoformat(outage["nextTryAt"]) - utc_now() > MAX_WAIT


def _has_work_left(api: ApiClient) -> bool:
    """Whether a recording is unfinished, or failed and will be retried."""
    counts = api.summary()
    if counts["pending"] or counts["queued"] or counts["processing"]:
        return True
    return bool(counts["failed"]) and any(item["nextAttemptAt"] for item in api.recordings("failed"))
