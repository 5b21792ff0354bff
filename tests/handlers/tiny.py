"""Handlers that do one thing each, for tests of the code that runs handlers."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from testing.waiting import wait_until


def echo(event: Any, context: Any) -> dict[str, Any]:
    """Return everything that a handler can see."""
    return {
        "event": event,
        "pid": os.getpid(),
        "environment": dict(os.environ),
        "context": asdict(context) | {"remaining": context.get_remaining_time_in_millis()},
    }


def respond(event: Any, _context: Any) -> Any:
    """Return the JSON document in the body of an HTTP request, or the event if there is none."""
    return json.loads(event["body"]) if event.get("body") and not event["isBase64Encoded"] else event


def waiting(event: Any, _context: Any) -> dict[str, Any]:
    """Log `began`, wait as the event says, log `ended`.

    `child`: start a process that runs longer. `until`: wait for this file. `meet`: wait until `number` workers have
    created a file in this folder.
    """
    child = subprocess.Popen(["sleep", "600"]) if event.get("child") else None
    sys.stdout.write(f"began {os.getpid()} {child.pid if child else 0}\n")
    if "meet" in event:
        (Path(event["meet"]) / str(os.getpid())).touch()
        wait_until(lambda: len(list(Path(event["meet"]).iterdir())) >= event["number"])
    if "until" in event:
        wait_until(Path(event["until"]).exists)
    sys.stdout.write("ended\n")
    return {"pid": os.getpid()}


def raising(_event: Any, _context: Any) -> None:
    """Raise an exception."""
    sys.stdout.write("about to fail\n")
    raise LookupError("no such thing")


def exiting(event: Any, _context: Any) -> dict[str, Any]:
    """Exit the process if the event says so."""
    if event.get("die"):
        os._exit(3)
    if event.get("leave"):
        sys.exit(4)
    return {"pid": os.getpid()}


def unserializable(_event: Any, _context: Any) -> Any:
    """Return a value that JSON cannot represent."""
    return {"value": {1, 2}}


def huge(_event: Any, _context: Any) -> str:
    """Return more than Lambda's limit."""
    return "x" * 6_300_000
