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

RUNNING = ROOT / ".callscribe" / "running.json"
"""Where the stack that is up says how to reach it."""

TIMEOUT_SECONDS = 910
"""A little longer than Lambda lets a function run."""


@contextmanager
def announced(stack: Stack, url: str) -> Iterator[None]:
    """Leaves for `invoke`: the server's URL, and each task's function with the event of its schedule."""
    tasks = {}
    for rule in stack.rules:
        folder = stack.function(rule.function).handler.split(".")[1]
        tasks[folder] = {"function": rule.function, "event": scheduled_event(rule, utc_now(), stack)}
    RUNNING.parent.mkdir(exist_ok=True)
    RUNNING.write_text(json.dumps({"url": url, "tasks": tasks}), encoding="utf-8")
    try:
        yield
    finally:
        # unless another stack has come up since
        if RUNNING.exists() and json.loads(RUNNING.read_text(encoding="utf-8"))["url"] == url:
            RUNNING.unlink()


def invoke(task: str, event: Mapping[str, Any] | None) -> Any:
    """The function's answer to `event`, or to its scheduled event where that is None. Raises LocalError."""
    try:
        running = json.loads(RUNNING.read_text(encoding="utf-8"))
        known = running["tasks"][task]
        # once only, and as long as Lambda lets a function run: asked again, it would run again
        patience = Config(read_timeout=TIMEOUT_SECONDS, retries={"total_max_attempts": 1})
        answer = aws_client("lambda", running["url"], patience).invoke(
            FunctionName=known["function"], Payload=json.dumps(known["event"] if event is None else event)
        )
    except (FileNotFoundError, EndpointConnectionError):
        raise LocalError("No stack is up here. Start one: .venv/bin/python -m local up --samples") from None
    try:
        payload = json.loads(answer["Payload"].read())
    except ValueError as error:
        raise LocalError(f"What answers at {running['url']} is not the local stack. Start one.") from error
    if "FunctionError" in answer:
        raise LocalError(f"{task} failed: {payload['errorMessage']}")
    return payload
