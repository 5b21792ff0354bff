"""Error responses. All have the shape `{"error": {"code", "message", "details"}}`, which only this module builds."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from callscribe.errors import CallscribeError, ConfigurationError, InvalidTransition, StoreError
from callscribe.observability import logger, safe_exception_info


class ApiError(Exception):
    """Ends the request with this status. `message` says what the client can do."""

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


STATUS_BY_ERROR: dict[type[CallscribeError], HTTPStatus] = {
    InvalidTransition: HTTPStatus.CONFLICT,
    StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
    ConfigurationError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

RETRYABLE_STATUSES = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
RETRY_AFTER = {"Retry-After": "5"}


def _to_json(error: ApiError) -> str:
    logger.append_keys(code=error.code)  # for the log line of the request
    return json.dumps(
        {"error": {"code": error.code, "message": error.message, "details": error.details}}, ensure_ascii=False
    )


def to_response(error: ApiError) -> Response[str]:
    """Convert an error to a response of the resolver."""
    return Response(error.status, content_types.APPLICATION_JSON, _to_json(error), headers=dict(error.headers))


def to_gateway_response(error: ApiError) -> dict[str, Any]:
    """Convert an error to an API Gateway response, for a request that never reaches a route."""
    return {
        "statusCode": error.status,
        "headers": {"Content-Type": content_types.APPLICATION_JSON, **error.headers},
        "body": _to_json(error),
    }


def from_domain_error(error: CallscribeError) -> ApiError:
    """Convert an error of the layer to its HTTP status. Server errors are logged."""
    status = STATUS_BY_ERROR.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request failed", code=error.code, reason=error.message)
    return ApiError(status, error.code, error.message, headers=RETRY_AFTER if status in RETRYABLE_STATUSES else {})


def _handle_validation_error(error: RequestValidationError) -> Response[str]:
    details = [
        {"field": ".".join(map(str, item["loc"])), "message": item["msg"].removeprefix("Value error, ")}
        for item in error.errors()
    ]
    if any(item["loc"][0] == "response" for item in error.errors()):
        return to_response(from_unexpected(error))  # our response is invalid, not the client's request
    if all(item["loc"][0] == "path" for item in error.errors()):
        message = "The path contains an unknown value. See `details`."
        return to_response(ApiError(HTTPStatus.NOT_FOUND, "not_found", message, details=details))
    is_malformed = any(item["type"] == "json_invalid" for item in error.errors())
    message = "The body is not valid JSON." if is_malformed else "The request is invalid. `details` lists the errors."
    return to_response(ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", message, details=details))


def _handle_not_found(app: Any) -> Response[str]:
    methods: list[str] = []
    for routes in (app._static_routes, app._dynamic_routes):  # noqa: SLF001 — Powertools has no public way
        methods = methods or sorted({route.method for route in routes if route.rule.match(app.current_event.path)})
    if methods:
        allowed = ", ".join(methods)
        message = f"This route does not support the method. It supports {allowed}."
        return to_response(
            ApiError(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", message, headers={"Allow": allowed})
        )
    return to_response(
        ApiError(HTTPStatus.NOT_FOUND, "route_not_found", "This route does not exist. /docs lists all routes.")
    )


def from_unexpected(error: Exception) -> ApiError:
    """Convert an unexpected exception to a 500. It is logged; the client sees no detail."""
    logger.error("unhandled exception", **safe_exception_info(error))
    message = "Internal error in Callscribe. See the log of the API function."
    return ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", message)


def install(app: BaseRouter) -> None:
    """Make `app` return all errors in this shape."""
    handle: Any = app.exception_handler  # type: ignore[attr-defined]  # all resolvers have it
    handle(ApiError)(to_response)
    handle(CallscribeError)(lambda error: to_response(from_domain_error(error)))
    handle(RequestValidationError)(_handle_validation_error)
    handle(NotFoundError)(lambda _error: _handle_not_found(app))
    handle(Exception)(lambda error: to_response(from_unexpected(error)))
