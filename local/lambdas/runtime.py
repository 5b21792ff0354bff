"""The worker process: runs one Lambda function as Lambda's Python runtime does, one event at a time.

Started as `python -m local.lambdas.runtime FD`. FD is a socket for events and results, one JSON document per line;
standard output is left to the handler. The worker exits when the other end of the socket is closed.
"""

import json
import os
import queue
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

type Handler = Callable[[Any, "LambdaContext"], Any]

MAX_RESPONSE_BYTES = 6_291_556
"""Lambda's limit for a response: slightly more than 6 MB."""


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """The second argument of a handler, with the attributes that Lambda documents. `deadline` is in monotonic time."""

    aws_request_id: str
    invoked_function_arn: str
    deadline: float
    function_name: str
    function_version: str
    memory_limit_in_mb: str
    log_group_name: str
    log_stream_name: str
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        """The time until the worker is killed, never below 0."""
        return max(0, int((self.deadline - time.monotonic()) * 1000))


def main() -> NoReturn:
    """Handle events until the parent process ends."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    for stream in (sys.stdout, sys.stderr):
        # several workers write to one file, so write whole lines
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, events), daemon=True).start()
    handler = _load_handler(os.environ["_HANDLER"])
    _send(connection, {"ready": True})
    while True:
        request = events.get()
        if isinstance(handler, str):
            # this process cannot recover; the next one may find corrected code
            _send(connection, _error_response("Runtime.ImportModuleError", handler) | {"last": True})
        else:
            _send(connection, _invoke_handler(handler, request) | {"last": False})


def _receive(connection: socket.socket, events: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Read events in a separate thread, to notice the parent's end also while an event is handled."""
    with connection.makefile("rb") as lines:
        try:
            for line in lines:
                events.put(json.loads(line))
        except OSError:
            pass
    # sys.exit would only end this thread
    os._exit(0)


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    try:
        connection.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        os._exit(0)


def _load_handler(name: str) -> Handler | str:
    """Import the handler; return it, or a message if the import fails."""
    module_name, _, attribute = name.rpartition(".")
    try:
        handler: Handler = getattr(import_module(module_name), attribute)
    except Exception as error:  # noqa: BLE001 — a module may raise anything; the invoker gets the message
        traceback.print_exc()
        return f"Unable to import {name}: {type(error).__name__}: {error}"
    return handler


def _invoke_handler(handler: Handler, request: dict[str, Any]) -> dict[str, Any]:
    """Run the handler. The payload is serialised here, to notice a result that is not JSON."""
    context = LambdaContext(
        aws_request_id=request["request_id"],
        invoked_function_arn=request["arn"],
        deadline=time.monotonic() + request["timeout_seconds"],
        function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        function_version=os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
        memory_limit_in_mb=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        log_group_name=os.environ["AWS_LAMBDA_LOG_GROUP_NAME"],
        log_stream_name=os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
    )
    try:
        result = handler(request["event"], context)
    except Exception as error:  # noqa: BLE001 — a handler may raise anything; the invoker gets the message
        traceback.print_exc()
        # the first frame is in this module
        stack = traceback.format_tb(error.__traceback__)[1:]
        error_payload = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": stack}
        return {"payload": json.dumps(error_payload), "failed": True}
    try:
        payload = json.dumps(result)
    except (TypeError, ValueError) as error:
        return _error_response("Runtime.MarshalError", f"Unable to marshal response: {error}")
    if len(payload.encode()) > MAX_RESPONSE_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
        return _error_response("Function.ResponseSizeTooLarge", message)
    return {"payload": payload, "failed": False}


def _error_response(error_type: str, message: str) -> dict[str, Any]:
    print(message, file=sys.stderr)
    return {"payload": json.dumps({"errorMessage": message, "errorType": error_type}), "failed": True}


if __name__ == "__main__":
    main()
