"""The other functions, as the API starts them: to do a task now, or to look at something with their rights."""

import json
from functools import cache
from http import HTTPStatus
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from callscribe.clock import iso, utc_now
from callscribe.run import Outcome, Task
from callscribe.store import runs
from callscribe.telemetry import logger
from functions.api.errors import LATER, ApiError
from functions.api.settings import settings

PATIENCE_SECONDS = 22
"""API Gateway gives up after 30 s, this function after 29: so long a request waits for another function."""

THROTTLED = "TooManyRequestsException"
"""As many of the function, or of all of the account's, run as may run at once."""


@cache
def _client() -> Any:
    import boto3  # here, for it costs a cold start a tenth

    # one attempt: a repeated invocation would run the task twice
    config = Config(connect_timeout=3, read_timeout=PATIENCE_SECONDS, retries={"total_max_attempts": 1})
    return boto3.client("lambda", config=config)


def start(function: str, payload: dict[str, Any]) -> None:
    """Starts a function and does not wait. Should that fail, its next scheduled run does the work."""
    try:
        _client().invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(payload))
    except (ClientError, BotoCoreError) as error:
        logger.warning("a function could not be started at once", function=function, reason=type(error).__name__)


def run(task: Task, **payload: Any) -> dict[str, Any]:
    """Does a task now, and gives its run: as it ended or, when that takes longer than a request may, as it began.

    Raises ApiError.
    """
    now = utc_now()
    run_id = runs.new_id(now)
    ended = call(settings().functions[task], {"trigger": "api", "run": run_id, **payload})
    going_on = {"id": run_id, "task": task, "trigger": "api", "status": Outcome.RUNNING, "startedAt": iso(now)}
    return ended or going_on


def call(function: str, payload: dict[str, Any]) -> dict[str, Any] | None:
    """Starts a function and waits for its answer; None when it takes longer than a request may. Raises ApiError."""
    try:
        answer = _client().invoke(FunctionName=function, InvocationType="RequestResponse", Payload=json.dumps(payload))
        content: dict[str, Any] = json.loads(answer["Payload"].read())
    except ReadTimeoutError:
        return None
    except ClientError as error:
        raise _not_started(error.response["Error"]["Code"]) from error
    except BotoCoreError as error:
        raise _failed(type(error).__name__) from error
    if "FunctionError" in answer:
        raise _failed(content.get("errorType", "unknown"))
    return content


def _not_started(why: str) -> ApiError:
    if why == THROTTLED:
        message = "The function is busy. Try again in a moment."
        return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "function_busy", message, headers=LATER)
    return ApiError(HTTPStatus.BAD_GATEWAY, "function_failed", f"The function could not be started ({why}).")


def _failed(why: str) -> ApiError:
    return ApiError(HTTPStatus.BAD_GATEWAY, "function_failed", f"The function ended in an error ({why}). See its log.")
