"""`invoke`: invokes one function of the running stack, through Lambda's Invoke API."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from callscribe.clock import utc_now
from local import LocalError
from local.build import ROOT
from local.cloud.client import aws_client
from local.cloud.scheduler import scheduled_event
from local.cloud.stack import Stack

RUNNING_FILE = ROOT / ".callscribe" / "running.json"
"""Written by the running stack: how to reach it."""

HEALTH_SECONDS = 5
"""How long another stack may take to respond."""

TIMEOUT_SECONDS = 910
"""Slightly longer than the 15 minutes that Lambda lets a function run."""


@contextmanager
def announce_stack(stack: Stack, url: str) -> Iterator[None]:
    """Write RUNNING_FILE for `invoke`: the server's URL, and each task's function with its scheduled event."""
    tasks = {}
    for rule in stack.rules:
        task = stack.function(rule.function).handler.split(".")[1]
        tasks[task] = {"function": rule.function, "event": scheduled_event(rule, utc_now(), stack)}
    RUNNING_FILE.parent.mkdir(exist_ok=True)
    temporary_file = RUNNING_FILE.with_name(f"{RUNNING_FILE.name}.{os.getpid()}")
    try:
        temporary_file.write_text(json.dumps({"url": url, "endpoint": stack.endpoint, "tasks": tasks}), "utf-8")
        temporary_file.replace(RUNNING_FILE)  # never incomplete, also when the disk is full
    finally:
        temporary_file.unlink(missing_ok=True)
    try:
        yield
    finally:
        # unless another stack has started since
        if _read_running().get("url") == url:
            RUNNING_FILE.unlink()


def find_other_stack(endpoint: str) -> str | None:
    """Return the URL of a stack of this folder that runs on the same AWS; None if there is none."""
    running = _read_running()
    if running.get("endpoint") != endpoint:
        return None
    url: str = running["url"]
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy for loopback
            session.get(f"{url}/health", timeout=HEALTH_SECONDS).raise_for_status()
    except requests.RequestException:
        return None
    return url


def _read_running() -> dict[str, Any]:
    """Read RUNNING_FILE. Without one, or with one that is not complete, no stack is running: return nothing."""
    try:
        running: dict[str, Any] = json.loads(RUNNING_FILE.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return running


def invoke(task: str, event: Mapping[str, Any] | None) -> Any:
    """Invoke the function of a task with `event` (None: its scheduled event) and return its result.

    Raises: LocalError, when the function failed or no stack is running.
    """
    try:
        running = _read_running()
        target = running["tasks"][task]
        # no retries, and a timeout as long as Lambda's: a second request would be a second run
        config = Config(read_timeout=TIMEOUT_SECONDS, retries={"total_max_attempts": 1})
        response = aws_client("lambda", running["url"], config).invoke(
            FunctionName=target["function"], Payload=json.dumps(target["event"] if event is None else event)
        )
    except (KeyError, EndpointConnectionError):
        raise LocalError("No stack is running. Start one: .venv/bin/python -m local up --samples") from None
    try:
        payload = json.loads(response["Payload"].read())
    except ValueError as error:
        raise LocalError(f"The server at {running['url']} is not the local stack. Start the stack again.") from error
    if "FunctionError" in response:
        raise LocalError(f"{task} failed: {payload['errorMessage']}")
    return payload
