"""Runs the three tasks, one after the other, until nothing is left to do: what `--once` is, and how a demo begins."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.api_client import ApiClient

OUTAGE_PATIENCE_SECONDS = 10.0
"""So long a service that is not available is asked again, before a person is told."""

WAITING_PATIENCE_SECONDS = 90.0
"""So long files are given that may still be being written: a minute at rest, and a margin."""

PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Ending:
    """Why there was nothing more to do. `trouble` is in a person's words; None when all went well."""

    trouble: str | None = None


def drive(
    invoke: Callable[[str], dict[str, Any]], api: ApiClient, look: Callable[[], None], say: Callable[[str], None]
) -> Ending:
    """Syncs, queues and processes until every recording is completed or failed for good.

    `invoke` runs a task, `sync`, `queue` or `process`, and returns its run; `look` is called when much
    may have changed; `say` tells a person why nothing happens.
    """
    began = time.monotonic()
    told = 0
    while True:
        sync = invoke("sync")
        if sync["status"] == "failed":
            return Ending(sync["error"])
        waiting = sync["counts"]["waiting"]
        look()
        invoke("queue")
        look()
        outage = _process(invoke, api, say)
        if outage:
            return Ending(f"{outage} Recordings wait in the queue; none was lost.")
        if not waiting:
            return _passed_over(sync["counts"])
        if time.monotonic() - began > WAITING_PATIENCE_SECONDS:
            return Ending(
                f"{waiting} file(s) are still not complete: empty, with a header only, or being written. "
                "They are looked at again by every sync."
            )
        if waiting != told:
            told = waiting
            say(f"{waiting} file(s) wait until they are complete: just written, or without audio yet.")
        time.sleep(PAUSE_SECONDS)


def _passed_over(counts: dict[str, int]) -> Ending:
    """What sync could not take up, and never will without a person."""
    troubles = [
        f"{counts[what]} {reason}"
        for what, reason in (
            ("refused", "file(s) have a name that is not UTF-8 or too long: rename them."),
            ("unreadable", "file(s) or folder(s) cannot be read: check their permissions."),
        )
        if counts[what]
    ]
    return Ending(" ".join(troubles) or None)


def _process(invoke: Callable[[str], dict[str, Any]], api: ApiClient, say: Callable[[str], None]) -> str | None:
    """Processes until nothing is left; why that cannot be done, if it cannot."""
    outage_since: float | None = None
    told = False
    while True:
        run = invoke("process")
        if run["status"] == "failed":
            outage_since = outage_since or time.monotonic()
            if time.monotonic() - outage_since > OUTAGE_PATIENCE_SECONDS:
                return str(run["error"])
            time.sleep(PAUSE_SECONDS)
        elif run["counts"]["completed"] + run["counts"]["failed"]:
            outage_since = None
        elif left := _work_left(api):
            if left["processing"] and not told:
                told = True
                say("A worker that is not of this stack has a recording. Its lease ends within 16 minutes.")
            # a retry is not due yet, a slot is taken, or more was pending than one run puts in line
            time.sleep(PAUSE_SECONDS)
            invoke("queue")
        else:
            return None


def _work_left(api: ApiClient) -> dict[str, int] | None:
    """The counts, if a recording is on its way, or failed and will be retried."""
    counts = api.counts()
    on_their_way = counts["pending"] + counts["queued"] + counts["processing"]
    retried = counts["failed"] and any(item["nextAttemptAt"] for item in api.recordings("failed"))
    return counts if on_their_way or retried else None
