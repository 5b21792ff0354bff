"""Runs the three tasks in a worker that records every remote request, and kills itself before or after one on demand.

In addition to what the function takes, an event contains:
`task`: the task to run;
`environ`: the function's environment, so that one worker can serve several stacks;
`clock_offset`: by how many seconds the function's clock is ahead, so that leases expire without waiting;
`die`: {"number" or "name": which request, "when": "before" or "after" it, "recording": only while this one is claimed};
`hold`: {"name": the request that waits for the lock on the file `go` in the "folder"}; the worker first creates a file
there that is named after its process id.
The response contains the function's own response as `run`, and as `requests` the name and status of each request.
"""

import fcntl
import json
import os
import re
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from botocore.httpsession import URLLib3Session
from requests.adapters import HTTPAdapter

from callscribe import aws
from callscribe.clock import utc_now
from callscribe.store import tables
from functions.process import app as process_app
from functions.queue import app as queue_app
from functions.sync import app as sync_app


class RequestRecorder:
    """Records the remote requests of one event, and holds or kills the worker at the requested one."""

    def __init__(self, event: dict[str, Any]) -> None:
        self.requests: list[dict[str, Any]] = []
        self._die = event.get("die")
        self._hold = event.get("hold")
        self._claimed_recording = ""
        self._lock = threading.Lock()

    def record(self, name: str, recording: str, send: Callable[[], Any]) -> Any:
        """Send a request, unless the worker must die first."""
        entry: dict[str, Any] = {"name": name, "status": None}
        with self._lock:
            number = len(self.requests)
            self.requests.append(entry)
            if name == CLAIM:
                self._claimed_recording = recording
        if self._hold and self._hold["name"] == name:
            folder, self._hold = Path(self._hold["folder"]), None
            (folder / str(os.getpid())).touch()
            with (folder / "go").open() as go:
                fcntl.flock(go, fcntl.LOCK_SH)
        self._die_if_requested(number, name, "before")
        response = send()
        entry["status"] = response.status_code
        self._die_if_requested(number, name, "after")
        return response

    def _die_if_requested(self, number: int, name: str, when: str) -> None:
        die = self._die
        if not die or die["when"] != when or die.get("recording", self._claimed_recording) != self._claimed_recording:
            return
        if number == die.get("number") or name == die.get("name"):
            os.kill(os.getpid(), signal.SIGKILL)


CLAIM = "UpdateItem recordings processing"
SETTINGS = (
    sync_app.load_env,
    sync_app.configure_tables,
    queue_app.configure_tables,
    process_app.load_settings,
    process_app.configure_tables,
)
"""Cached for the lifetime of a worker, but the next event may be for another stack."""
_recorder = RequestRecorder({})
_send_to_aws, _send_to_service = URLLib3Session.send, HTTPAdapter.send


def _record_aws_request(session: Any, request: Any) -> Any:
    return _recorder.record(*_describe_request(request), lambda: _send_to_aws(session, request))


def _record_service_request(adapter: Any, request: Any, *args: Any, **options: Any) -> Any:
    name = f"{request.method} {request.path_url.partition('?')[0]}"
    return _recorder.record(name, "", lambda: _send_to_service(adapter, request, *args, **options))


URLLib3Session.send = _record_aws_request
HTTPAdapter.send = _record_service_request  # type: ignore[method-assign, assignment]


def _describe_request(request: Any) -> tuple[str, str]:
    """Return a short name for a request to AWS, and the id of the recording that it is about."""
    target = request.headers.get("X-Amz-Target", "")
    service, _, operation = (target.decode() if isinstance(target, bytes) else target).partition(".")
    if not operation:
        purpose = (
            "listing" if "list-type" in request.url else "transcript" if "/transcripts/" in request.url else "audio"
        )
        return f"{request.method} {purpose}", ""
    if not service.startswith("DynamoDB"):
        return operation, ""
    body = json.loads(request.body)
    (table,) = [body["TableName"]] if "TableName" in body else body["RequestItems"]
    kind = next(name for name in ("recordings", "control", "runs") if os.environ[f"{name.upper()}_TABLE"] == table)
    words = [operation, body.get("IndexName", kind)]
    update, values = body.get("UpdateExpression", ""), body.get("ExpressionAttributeValues", {})
    if kind == "recordings" and (status_match := re.match(r"SET #\d+ = (:\d+)", update)):
        words.append(values[status_match[1]]["S"])  # the new status
    elif operation == "Query":
        words.append(min(values.items())[1]["S"])
    elif update:
        words += re.findall("[A-Z]{3,}", update)
    return " ".join(words), body.get("Key", {}).get("id", {}).get("S", "")


def preload() -> None:
    """Create the clients that all workers share."""
    tables.configure(os.environ)
    aws.client("s3")
    _ = tables.RunModel._get_connection().connection.client


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    global _recorder  # noqa: PLW0603 — a worker serves one event at a time
    _recorder = RequestRecorder(event)
    os.environ.update(event["environ"])
    for settings in SETTINGS:
        settings.cache_clear()
    app = {"sync": sync_app, "queue": queue_app, "process": process_app}[event["task"]]
    clock_offset = timedelta(seconds=event.get("clock_offset", 0))
    vars(app)["utc_now"] = lambda: utc_now() + clock_offset
    run = app.lambda_handler(event, context)
    return {"run": run, "requests": _recorder.requests}
