"""Runs the three tasks in turn until nothing is left to do: what `--once` does, and how a demo starts."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

import requests

from callscribe.clock import utc_now
from callscribe.errors import BadGateway, ConfigurationError, ServiceUnavailable
from functions.sync.ingestion import IN_TRANSFER
from local.api_client import ApiClient
from local.options import describe_error
from local.watch import escape_unprintable

MAX_OUTAGE_SECONDS = 300.0
"""How long to wait for a WhisperX server that cannot be reached or is not ready: many load a model for a minute or two,
some of them before they listen."""

MAX_WRONG_SERVER_SECONDS = 40.0
"""How long to wait for a server that responds, but as another kind of server or with 404: a proxy may do so while the
server behind it starts."""

MAX_WAIT = timedelta(minutes=5)
"""Give up immediately if the server requests a longer pause than this."""

MAX_CONSECUTIVE_CRASHES = 5
"""Give up after this many process runs in a row have crashed, because then a single recording is not the cause."""

MAX_INCOMPLETE_SECONDS = 90.0
"""How long to wait for incomplete files once nothing else is left to do: they need a minute without a change; the rest
is a margin. An empty file that has not changed for as long is not waited for."""

PAUSE_SECONDS = 1.0

MAX_LISTED = 3
"""How many incomplete files are named."""

SERVICE_UNAVAILABLE = ServiceUnavailable.code
"""The error code of a run that found the circuit breaker open."""

OUTAGE_CODES = (SERVICE_UNAVAILABLE, BadGateway.code, "service_busy")
"""Error codes of a server that cannot be reached, or responds that it is not ready."""

UNREADABLE_CODES = ("access_denied", "archived", "audio_missing")
"""Error codes of recordings whose file cannot be read until a user acts. They are retried after an hour."""

DIAGNOSTIC_CODES = ("wrong_dialect", "not_whisperx", "model_not_found")
"""Codes of the connection test that explain an outage better than the error of a recording."""

NEEDS_USER = (
    ConfigurationError.code,
    "paused",
    "module_disabled",
    "authentication_failed",
    "invalid_options",
    "certificate",
    "payment_required",
    "access_denied",
)
"""Error codes of runs that will fail or be skipped again until you fix the cause. `endpoint_not_found` is not one of
them: a proxy also responds 404 while the server behind it starts."""

REMARKS = {
    "archived": "file(s) are archived in S3 Glacier. They are ingested once they are restored.",
    "duplicates": "file(s) are other formats of recordings: same folder and name, another extension.",
    "empty": "file(s) contain no audio.",
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
    *,
    what_remains: str = "",
    is_processing: Callable[[], bool] = lambda: False,
) -> str | None:
    """Run sync, queue and process until every recording is completed or has failed with no retries left.

    Returns the problem if that is impossible, otherwise None. Files without audio are no problem.

    Raises: TaskError, when process crashes repeatedly, or sync or queue once.

    `invoke` runs a task (`sync`, `queue` or `process`) and returns its run. `refresh` is called when much may have
    changed. `print_line` prints why nothing happens. `what_remains` says what becomes of the recordings after
    an outage.
    `is_processing` returns whether a process run that this stack has started in the background is in progress.
    """
    idle_since: float | None = None
    reported_count = 0
    while True:
        synced_at = time.monotonic()
        sync_run = invoke("sync")
        if sync_run["status"] != "succeeded":
            return str(sync_run["error"])
        counts = sync_run["counts"]
        refresh()
        invoke("queue")
        refresh()
        outage, has_processed = _process_until_done(invoke, api, print_line, is_processing)
        if outage:
            return f"{outage} {what_remains}".rstrip()
        if counts.get("incomplete"):
            continue  # there are more files than one run can list
        waiting, empty = _split_incomplete(sync_run)
        if not waiting:
            remarks = counts | {"empty": counts.get("empty", 0) + empty}
            for remark in _count_messages(remarks, REMARKS):
                print_line(remark)
            return " ".join(_count_messages(counts, PROBLEMS)) or None
        if has_processed:
            idle_since = None  # so much time has passed that the files must be looked at again
            continue
        idle_since = idle_since or synced_at
        if synced_at - idle_since > MAX_INCOMPLETE_SECONDS:
            return f"{waiting} file(s) are still incomplete: {_describe_incomplete(sync_run)}"
        if waiting != reported_count:
            reported_count = waiting
            print_line(f"Waiting for {waiting} incomplete file(s): {_describe_incomplete(sync_run)}")
        time.sleep(PAUSE_SECONDS)


def _split_incomplete(sync_run: dict[str, Any]) -> tuple[int, int]:
    """The number of incomplete files to wait for, and of those that are empty and no longer change."""
    changed_before = utc_now() - timedelta(seconds=MAX_INCOMPLETE_SECONDS)
    files = [file for file in sync_run["waiting"] if file["size"] == 0 and file["reason"] != IN_TRANSFER]
    empty = sum(datetime.fromisoformat(file["since"]) < changed_before for file in files)
    return sync_run["counts"]["waiting"] - empty, empty


def _describe_incomplete(sync_run: dict[str, Any]) -> str:
    """Name the first incomplete files, with the reasons; those with sound first."""
    incomplete = [file for file in sync_run["waiting"] if file["reason"] != IN_TRANSFER]
    incomplete.sort(key=lambda file: file["size"] == 0)
    descriptions = [f"{PurePosixPath(file['path']).name}: {file['reason']}" for file in incomplete[:MAX_LISTED]]
    return escape_unprintable(" ".join(descriptions)) + (" …" if len(incomplete) > MAX_LISTED else "")


def _count_messages(counts: dict[str, int], messages: dict[str, str]) -> list[str]:
    return [f"{counts[key]} {text}" for key, text in messages.items() if counts.get(key)]


def _process_until_done(
    invoke: Callable[[str], dict[str, Any]],
    api: ApiClient,
    print_line: Callable[[str], None],
    is_processing: Callable[[], bool],
) -> tuple[str | None, bool]:
    """Process until nothing is left. Return the problem if that is impossible, and whether anything was processed.

    Raises: TaskError, when all runs crash.
    """
    has_reported_lease = has_processed = False
    outage = _Outage(api, print_line)
    while True:
        run = _run_process(invoke, print_line)
        if run["counts"].get("completed") or run["counts"].get("failed"):
            has_processed = True
            outage.end()
            continue
        if run["status"] == "failed" or run["errorCode"] in (SERVICE_UNAVAILABLE, *NEEDS_USER):
            if problem := outage.give_up_reason(run):
                return problem, has_processed
            time.sleep(PAUSE_SECONDS)
            continue
        outage.end()
        if not _has_work_left(api):
            return None, has_processed
        if not has_reported_lease and _has_foreign_claim(api, is_processing):
            has_reported_lease = True
            print_line(
                "A recording is claimed by a worker that crashed or belongs to another stack. "
                "Its lease expires within 16 minutes."
            )
        # a retry is not due yet, no slot is free, or more recordings were pending than one run queues
        time.sleep(PAUSE_SECONDS)
        invoke("queue")


class _Outage:
    """How long nothing could be transcribed, and whether to wait longer."""

    def __init__(self, api: ApiClient, print_line: Callable[[str], None]) -> None:
        self._api = api
        self._print_line = print_line
        self._since: float | None = None

    def end(self) -> None:
        """Note that a run met no outage. One that sent nothing does not end it, such as a recording without sound."""
        if self._since is not None and self._api.summary()["outage"] is None:
            self._since = None
            self._print_line("The WhisperX server is available again.")

    def give_up_reason(self, run: dict[str, Any]) -> str | None:
        """Return the problem of a run that failed, or was skipped because of an outage; None to try again."""
        reason = describe_error({"code": run["errorCode"], "message": run["error"]})
        if run["errorCode"] in NEEDS_USER:
            return reason
        outage = self._api.summary()["outage"]
        pause = datetime.fromisoformat(outage["nextTryAt"]) - utc_now() if outage else timedelta()
        if pause > MAX_WAIT:
            return f"{reason} The next recording would be sent in {pause.total_seconds() / 60:.0f} minutes."
        has_failed = run["status"] == "failed"
        diagnosis = _diagnose_server(self._api) if has_failed else ""
        # a skipped run reports service_unavailable, whatever the outage is
        code = outage["code"] if outage else run["errorCode"]
        may_be_loading = code in OUTAGE_CODES and not diagnosis
        max_seconds = MAX_OUTAGE_SECONDS if may_be_loading else MAX_WRONG_SERVER_SECONDS
        if self._since is None:
            self._since = time.monotonic()
            cause = " The server may still be loading its model." if may_be_loading else ""
            self._print_line(f"{reason}{diagnosis}{cause} Retrying for up to {max_seconds:.0f} seconds.")
        seconds_until_probe = time.monotonic() - self._since + pause.total_seconds()
        is_too_long = has_failed and seconds_until_probe > max_seconds
        return f"{reason}{diagnosis}" if is_too_long else None


def _has_foreign_claim(api: ApiClient, is_processing: Callable[[], bool]) -> bool:
    """Whether a recording is claimed, but by no worker of this stack and by no job on the server."""
    return not is_processing() and any(item["jobStartedAt"] is None for item in api.recordings("processing"))


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


def _has_work_left(api: ApiClient) -> bool:
    """Whether a recording is unfinished, or failed and will be retried without a user having to act first."""
    counts = api.summary()
    if counts["pending"] or counts["queued"] or counts["processing"]:
        return True
    return bool(counts["failed"]) and any(
        item["nextAttemptAt"] and item["error"]["code"] not in UNREADABLE_CODES for item in api.recordings("failed")
    )
