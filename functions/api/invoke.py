"""Invoke the other functions: to run a task now, or to test settings with that function's permissions."""

import json
from http import HTTPStatus
from typing import Any

from callscribe import aws
from callscribe.aws import AwsError, map_aws_errors
from callscribe.clock import utc_now
from callscribe.observability import logger
from callscribe.recordings.run import TEST_TRIGGER, Run, Task, Trigger
from callscribe.store import runs
from functions.api.errors import RETRY_AFTER, ApiError
from functions.api.settings import settings

THROTTLED_ERROR_CODE = "TooManyRequestsException"
"""The concurrency limit of the function or the account is reached."""

NOT_SENT_ERRORS = (
    *("ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError", "SSLError"),
    *("NoCredentialsError", "NoRegionError", "ParamValidationError"),
)
"""botocore's exceptions before a request is sent: for example in a VPC without a route to Lambda."""


def invoke_async(function_name: str, payload: dict[str, Any]) -> None:
    """Start a function without waiting for it. If that fails, its next scheduled run does the work."""
    try:
        with map_aws_errors():
            aws.client("lambda").invoke(FunctionName=function_name, InvocationType="Event", Payload=json.dumps(payload))
    except AwsError as error:
        logger.warning("async invoke failed", function=function_name, reason=error.code)


def run_task(task: Task, **payload: Any) -> dict[str, Any]:
    """Run a task now and return its run: finished, or still running if it takes longer than a request may.

    Raises: ApiError 502 or 503, when the function fails or is busy.
    """
    now = utc_now()
    run_id = runs.new_run_id(now)
    finished_run = invoke_and_wait(settings().functions[task], {"trigger": Trigger.API, "run": run_id, **payload})
    return finished_run or Run(id=run_id, task=task, trigger=Trigger.API, started_at=now, deadline=now).to_api()


def run_module_test(function_name: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Let a function test its module with the settings in `payload`, else with the effective ones.

    Raises: ApiError 502, 503 or 504, when the function fails, is busy, or takes too long.
    """
    result = invoke_and_wait(function_name, {"trigger": TEST_TRIGGER, **payload})
    if result is None:
        raise ApiError(HTTPStatus.GATEWAY_TIMEOUT, "function_timeout", "The test took too long. Try again.")
    return result


def invoke_and_wait(function_name: str, payload: dict[str, Any]) -> dict[str, Any] | None:
    """Invoke a function and return its result; None if it takes longer than a request may.

    Raises: ApiError 502 or 503, when the function fails or is busy.
    """
    try:
        with map_aws_errors():
            response = aws.client("lambda").invoke(
                FunctionName=function_name, InvocationType="RequestResponse", Payload=json.dumps(payload)
            )
            result: dict[str, Any] = json.loads(response["Payload"].read())
    except AwsError as error:
        if error.code == "ReadTimeoutError":
            return None
        if error.has_response or error.code in NOT_SENT_ERRORS:
            raise _start_error(error.code) from error
        message = f"The response of the function was lost ({error.code}). It may have run: list its runs."
        raise ApiError(HTTPStatus.BAD_GATEWAY, "function_failed", message) from error
    if "FunctionError" in response:
        raise _function_error(result.get("errorType", "unknown"))
    return result


def _start_error(reason: str) -> ApiError:
    if reason == THROTTLED_ERROR_CODE:
        message = "The function is busy. Try again in a moment."
        return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "function_busy", message, headers=RETRY_AFTER)
    return ApiError(HTTPStatus.BAD_GATEWAY, "function_failed", f"The function could not be started ({reason}).")


def _function_error(reason: str) -> ApiError:
    return ApiError(
        HTTPStatus.BAD_GATEWAY, "function_failed", f"The function failed with an error ({reason}). See its log."
    )
