"""`invoke`: fires one function of the stack that is up, through Lambda's Invoke API."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from callscribe.clock import utc_now
from local import LocalError
from local.build import ROOT
from local.cloud.client import aws_client
from local.cloud.scheduler import scheduled_event
from local.cloud.stack import Stack

RUNNING_FILE = ROOT / ".callscribe" / "running.json"
"""Where the stack that is up says how to reach it."""

TIMEOUT_SECONDS = 910
"""A little longer than Lambda lets a function run."""


@contextmanager
def announce_stack(stack: Stack, url: str) -> Iterator[None]:
    """Leaves for `invoke`: the server's URL, and each task's function with the event of its schedule."""
    tasks = {}
    for rule in stack.rules:
        task = stack.function(rule.function).handler.split(".")[1]
        tasks[task] = {"function": rule.function, "event": scheduled_event(rule, utc_now(), stack)}
    RUNNING_FILE.parent.mkdir(exist_ok=True)
    RUNNING_FILE.write_text(json.dumps({"url": url, "tasks": tasks}), encoding="utf-8")
    try:
        yield
    finally:
        # unless another stack has come up since
        if RUNNING_FILE.exists() and json.loads(RUNNING_FILE.read_text(encoding="utf-8"))["url"] == url:
            RUNNING_FILE.unlink()


def invoke(task: str, event: Mapping[str, Any] | None) -> Any:
    """The function's answer to `event`, or to its scheduled event where that is None. Raises LocalError."""
    try:
        running = json.loads(RUNNING_FILE.read_text(encoding="utf-8"))
        target = running["tasks"][task]
        # once only, and as long as Lambda lets a function run: asked again, it would run again
        config = Config(read_timeout=TIMEOUT_SECONDS, retries={"total_max_attempts": 1})
        response = aws_client("lambda", running["url"], config).invoke(
            FunctionName=target["function"], Payload=json.dumps(target["event"] if event is None else event)
        )
    except (FileNotFoundError, EndpointConnectionError):
        raise LocalError("No stack is up here. Start one: .venv/bin/python -m local up --samples") from None
    try:
        payload = json.loads(response["Payload"].read())
    except ValueError as error:
        raise LocalError(f"What answers at {running['url']} is not the local stack. Start one.") from error
    if "FunctionError" in response:
        raise LocalError(f"{task} failed: {payload['errorMessage']}")
    return payload
