"""Errors over HTTP: every one in the one shape `{"error": {"code", "message", "details"}}`, made here only."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from callscribe.errors import CallscribeError, ConfigurationError, InvalidTransition, StoreError
from callscribe.telemetry import fault_of, logger


class ApiError(Exception):
    """Ends a request with this status; `message` tells the caller what to do."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        *,
        details: Sequence[Any] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, list(details)
        self.headers = headers or {}


STATUSES: dict[type[CallscribeError], HTTPStatus] = {
    InvalidTransition: HTTPStatus.CONFLICT,
    StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
    ConfigurationError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

BUSY = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
LATER = {"Retry-After": "5"}


def _body(error: ApiError) -> str:
    logger.append_keys(code=error.code)  # the line that the log has of each request tells it
    return json.dumps(
        {"error": {"code": error.code, "message": error.message, "details": error.details}}, ensure_ascii=False
    )


def response(error: ApiError) -> Response[str]:
    """The error as the resolver's routes answer."""
    return Response(error.status, content_types.APPLICATION_JSON, _body(error), headers=dict(error.headers))


def wire(error: ApiError) -> dict[str, Any]:
    """The error as API Gateway takes it, for a request that never comes to a route."""
    return {
        "statusCode": error.status,
        "headers": {"Content-Type": content_types.APPLICATION_JSON, **error.headers},
        "body": _body(error),
    }


def of_callscribe(error: CallscribeError) -> ApiError:
    """What an error of the layer comes to over HTTP; one that is not the caller's is logged."""
    status = STATUSES.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request failed", code=error.code, reason=error.message)
    return ApiError(status, error.code, error.message, headers=LATER if status in BUSY else {})


def _invalid_request(error: RequestValidationError) -> Response[str]:
    faults = [
        {"field": ".".join(map(str, fault["loc"])), "message": fault["msg"].removeprefix("Value error, ")}
        for fault in error.errors()
    ]
    if any(fault["loc"][0] == "response" for fault in error.errors()):
        return response(of_fault(error))  # it is our answer that is not valid, and no fault of the caller's
    if all(fault["loc"][0] == "path" for fault in error.errors()):
        message = "There is none of this name. `details` says which there are."
        return response(ApiError(HTTPStatus.NOT_FOUND, "not_found", message, details=faults))
    malformed = any(fault["type"] == "json_invalid" for fault in error.errors())
    message = (
        "The body is not JSON." if malformed else "The request is not valid: `details` names each field and fault."
    )
    return response(ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", message, details=faults))


def _no_route(app: Any) -> Response[str]:
    methods: list[str] = []
    for routes in (app._static_routes, app._dynamic_routes):  # noqa: SLF001 — Powertools knows no other way
        methods = methods or sorted({each.method for each in routes if each.rule.match(app.current_event.path)})
    if methods:
        allowed = ", ".join(methods)
        message = f"This route has no such method; it has {allowed}."
        return response(
            ApiError(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", message, headers={"Allow": allowed})
        )
    return response(
        ApiError(HTTPStatus.NOT_FOUND, "no_such_route", "There is no such route. /docs lists those there are.")
    )


def of_fault(error: Exception) -> ApiError:
    """What nobody has foreseen: it is logged, and the client learns nothing of it."""
    logger.error("request failed on a fault of ours", **fault_of(error))
    message = "A fault in Callscribe. The log says more."
    return ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", message)


def install(app: BaseRouter) -> None:
    """Makes `app` answer every error in the one shape."""
    handle: Any = app.exception_handler  # type: ignore[attr-defined]  # every resolver has it
    handle(ApiError)(response)
    handle(CallscribeError)(lambda error: response(of_callscribe(error)))
    handle(RequestValidationError)(_invalid_request)
    handle(NotFoundError)(lambda _error: _no_route(app))
    handle(Exception)(lambda error: response(of_fault(error)))
