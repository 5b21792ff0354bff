"""What a worker process runs: one Lambda function, as Lambda's Python runtime would, one event at a time.

Started as `python -m local.lambdas.runtime FD`. FD is a socket over which events come and answers go, one JSON
document a line; standard output stays free for the handler. The worker ends with the socket's other end.
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

# Lambda refuses a longer answer: 6 MB and a little.
MAX_RESPONSE_BYTES = 6_291_556


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """The second argument of a handler: the attributes that Lambda documents, of the types that it gives."""

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
        """What is left until the worker is killed, never below 0."""
        return max(0, int((self.deadline - time.monotonic()) * 1000))


def main() -> NoReturn:
    """Serve events until the parent goes away."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    for stream in (sys.stdout, sys.stderr):
        # Several workers write to one file: whole lines do not get mixed.
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, events), daemon=True).start()
    handler = _load_handler(os.environ["_HANDLER"])
    _send(connection, {"ready": True})
    while True:
        request = events.get()
        if isinstance(handler, str):
            # Nothing will come of this process; the next one may find the code mended.
            _send(connection, _error_response("Runtime.ImportModuleError", handler) | {"last": True})
        else:
            _send(connection, _invoke_handler(handler, request) | {"last": False})


def _receive(connection: socket.socket, events: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Read in a thread of its own, so that the parent's end is noticed in the middle of an event, too."""
    with connection.makefile("rb") as lines:
        try:
            for line in lines:
                events.put(json.loads(line))
        except OSError:
            pass
    # Not sys.exit: that would only end this thread.
    os._exit(0)


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    try:
        connection.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        os._exit(0)


def _load_handler(name: str) -> Handler | str:
    """The handler, or why it cannot be imported."""
    module_name, _, attribute = name.rpartition(".")
    try:
        handler: Handler = getattr(import_module(module_name), attribute)
    except Exception as error:  # noqa: BLE001 — a module may raise anything, and whoever invokes it is told
        traceback.print_exc()
        return f"Unable to import {name}: {type(error).__name__}: {error}"
    return handler


def _invoke_handler(handler: Handler, request: dict[str, Any]) -> dict[str, Any]:
    """Run the handler. The payload is JSON text, for what does not fit into JSON has to be noticed here."""
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
    except Exception as error:  # noqa: BLE001 — a handler may raise anything, and whoever invokes it is told
        traceback.print_exc()
        # The first frame is this module's own.
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
