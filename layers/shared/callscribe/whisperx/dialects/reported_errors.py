"""Errors that servers report in a response whose status says success: `{"error": …}`, `{"status": "error"}`, HTML."""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from callscribe.errors import RetryableError, SuspectedOutage, TranscriptionError
from callscribe.transcripts.response_parser import parse_json
from callscribe.whisperx import Response
from callscribe.whisperx.error_tables import PAGE_FOR_BROWSERS, ErrorTable
from callscribe.whisperx.response_errors import hint, is_html, raise_for_status

ERROR_MEMBERS = ("error", "errors", "exception", "detail")
STATE_MEMBERS = ("status", "state", "success", "ok")
ERROR_STATES = ("error", "failed", "failure", "false")

STATUS_MEMBERS = ("code", "status", "status_code", "statusCode", "http_status")

STATUS_BY_TYPE = {
    "authentication_error": HTTPStatus.UNAUTHORIZED,
    "invalid_api_key": HTTPStatus.UNAUTHORIZED,
    "permission_error": HTTPStatus.FORBIDDEN,
    "not_found_error": HTTPStatus.NOT_FOUND,
    "model_not_found": HTTPStatus.NOT_FOUND,
    "rate_limit_error": HTTPStatus.TOO_MANY_REQUESTS,
    "rate_limit_exceeded": HTTPStatus.TOO_MANY_REQUESTS,
    "insufficient_quota": HTTPStatus.TOO_MANY_REQUESTS,
    "billing_hard_limit_reached": HTTPStatus.TOO_MANY_REQUESTS,
    "invalid_request_error": HTTPStatus.BAD_REQUEST,
    "server_error": HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The types and codes of OpenAI's API, and the status that it has with them."""


def find_reported_error(response: Response, error_table: ErrorTable | None = None) -> TranscriptionError | None:
    """The error in a successful response; None if it reports none.

    A status in the error has the meaning that it has as the status of a response; an error without one is retried.
    A page for browsers blames a proxy or the server URL; JSON is none, although some servers call it `text/html`.
    """
    try:
        payload = parse_json(response.body, response.content_type)
    except RetryableError:
        if is_html(response):
            return SuspectedOutage(PAGE_FOR_BROWSERS.message.format(response.status), status=response.status)
        return None
    if not isinstance(payload, Mapping) or not _is_error(payload):
        return None
    prefix = f"The WhisperX server reports an error, although the status of its response is {response.status}."
    if status := _find_status(payload):
        try:
            raise_for_status(replace(response, status=status), error_table)
        except TranscriptionError as error:
            return type(error)(f"{prefix} {error.message}", code=error.code, status=response.status)
    text = hint(response.body.decode(errors="replace")) or " See its log."
    return RetryableError(prefix + text, code="service_error", status=response.status)


def _is_error(payload: Mapping[str, Any]) -> bool:
    states = (str(payload.get(name)).lower() for name in STATE_MEMBERS)
    return (
        any(map(payload.get, ERROR_MEMBERS))
        or any(state in ERROR_STATES for state in states)
        or _status_in(payload) > 0
    )


def _find_status(payload: Mapping[str, Any]) -> int:
    """The HTTP status that the error has or means; 0 if it is unknown."""
    errors = [payload.get(name) for name in ERROR_MEMBERS]
    for members in (*errors, payload):
        if isinstance(members, Mapping):
            if status := _status_in(members):
                return status
            for name in ("code", "type"):
                if status := STATUS_BY_TYPE.get(str(members.get(name)), 0):
                    return status
            if isinstance(members.get("param"), str):
                return HTTPStatus.BAD_REQUEST
    # FastAPI lists what is wrong with a request
    return HTTPStatus.UNPROCESSABLE_ENTITY if isinstance(payload.get("detail"), list) else 0


def _status_in(members: Mapping[str, Any]) -> int:
    numbers = (str(members.get(name)) for name in STATUS_MEMBERS)
    errors = (int(number) for number in numbers if number.isascii() and number.isdigit() and len(number) == len("500"))
    return next((number for number in errors if 400 <= number < 600), 0)  # noqa: PLR2004 — client and server errors
