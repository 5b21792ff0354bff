"""Parse requests: headers, request bodies, the query parameters of lists, and their cursors."""

import base64
import binascii
import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime
from http import HTTPMethod, HTTPStatus
from typing import Annotated, Any, TypeIs

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Query

from callscribe.call_metadata.metadata import Direction
from callscribe.observability import logger
from callscribe.recordings.recording import Status
from callscribe.recordings.recording_filter import RecordingFilter
from callscribe.store.paging import Cursor
from functions.api.errors import ApiError
from functions.api.schemas.base import Absent, Code, PhoneDigits, Text, UtcDateTime

StatusFilter = Annotated[Status | Absent, Query(alias="transcriptionStatus", description="Current status.")]
SearchFilter = Annotated[
    Text | Absent,
    Query(
        alias="search",
        description="A call ID, a recording ID, a phone number as in `phoneNumber`, or the beginning of a file name.",
    ),
]
NumberFilter = Annotated[
    PhoneDigits | Absent,
    Query(alias="phoneNumber", description="A phone number, its last digits (at least four), or an extension."),
]
DirectionFilter = Annotated[
    Direction | Absent, Query(description="As seen by the phone system that recorded the call.")
]
CodeFilter = Annotated[Code | Absent, Query(alias="errorCode", description="Code of the last error.")]
Since = Annotated[UtcDateTime | Absent, Query(alias="from", description="Earliest time, inclusive.")]
Until = Annotated[UtcDateTime | Absent, Query(alias="to", description="Latest time, inclusive.")]
Limit = Annotated[int, Query(ge=1, le=500, description="Maximum number of items per page.")]
NextCursor = Annotated[str | Absent, Query(max_length=4096, description="`nextCursor` of the previous page.")]


def build_filters(  # noqa: PLR0917 — one per query parameter
    status: Status | None,
    search_text: str | None,
    phone_number: str | None,
    direction: Direction | None,
    error_code: str | None,
    since: datetime | None,
    until: datetime | None,
) -> RecordingFilter:
    """Combine the query parameters of a list. Raises: ApiError 400, when the time range is reversed."""
    require_ordered(since, until)
    return RecordingFilter(
        status=status,
        text=search_text or "",
        number=phone_number or "",
        direction=direction,
        error_code=error_code or "",
        since=since,
        until=until,
    )


def require_ordered(since: datetime | None, until: datetime | None) -> None:
    """Reject a time range that can match nothing. Raises: ApiError 400."""
    if since and until and since > until:
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", "`from` is later than `to`. Swap them.")


def check_parameters_and_body(app: APIGatewayHttpResolver, next_middleware: Any) -> Response[Any]:
    """Reject query parameters and bodies that the route does not accept, and updates without a change.

    Middleware of all routes. A misspelled filter, or one in a body that the route ignores, would list everything. Pages
    and Powertools' own not-found route accept anything. From here on, log lines of API routes include the route.

    Raises: ApiError 400.
    """
    route = app.context["_route"]
    if route.include_in_schema and route.func.__module__.startswith("functions.api"):
        logger.append_keys(route=f"{route.method} {route.path}")
        accepted_names = [parameter.alias for parameter in route.dependant.query_params]
        query = app.current_event.query_string_parameters or {}
        accepted_hint = f"This route accepts {', '.join(accepted_names) or 'no parameters'}."
        if unknown_names := [name for name in query if name not in accepted_names]:
            details = [{"field": f"query.{name}", "message": f"is unknown. {accepted_hint}"} for name in unknown_names]
            message = f"Unknown query parameters: {', '.join(unknown_names)[:200]}. {accepted_hint}"
            raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", message, details=details)
        body = app.current_event.body
        if body and not route.dependant.body_params and json.loads(body):
            message = "This route accepts no body."
            raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", message)
        if body and route.method == HTTPMethod.PUT and not json.loads(body):
            message = "The body contains no change. Send at least one member with its new value."
            raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", message)
    response: Response[Any] = next_middleware(app)
    return response


def request_header(event: Mapping[str, Any], name: str) -> str:
    """Return a header, by its lower-case name. API Gateway sends names in lower case, `sam local` capitalized."""
    return next((value for key, value in (event.get("headers") or {}).items() if key.lower() == name), "")


MAX_BODY_BYTES = 256 * 1024
"""The largest legitimate request body, settings with 20 patterns, has about 10 kB."""

FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
"""What `curl -d` sends by default. The API has no forms, so such a request body is parsed as JSON."""


def require_json_body(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with its request body decoded to a JSON object's text; without Content-Type if it has none.

    Runs before the resolver sees the request.

    Raises: ApiError 413, when the body is too large; 415, for another content type; 400, when it is no JSON object.
    """
    body = event.get("body")
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    content_type = headers.pop("content-type", "").partition(";")[0].strip().lower()
    if not body:
        return {**event, "headers": headers}
    if content_type not in ("", content_types.APPLICATION_JSON, FORM_CONTENT_TYPE):
        message = "Send the body as JSON, with the header Content-Type: application/json."
        raise ApiError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    try:
        content = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        if len(content) > MAX_BODY_BYTES:
            message = f"The body exceeds {MAX_BODY_BYTES // 1024} kB."
            raise ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", message)
        text = content.decode()
        is_object = isinstance(json.loads(text), dict)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", "The body is not valid JSON.") from error
    if not is_object:  # Powertools would use the first item of an array
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", "The body must be a JSON object, such as {}.")
    headers["content-type"] = content_types.APPLICATION_JSON
    return {**event, "headers": headers, "body": text, "isBase64Encoded": False}


CHECKSUM_BYTES = 12
"""Of a cursor: a digest over the position and the list it belongs to.

It detects cursors that were truncated, changed or sent to another list. It is not secret, because a cursor gives access
to nothing that the API key does not.
"""


def encode_cursor(position: Cursor | None, scope: str) -> str | None:
    """Return the cursor of the next page of the list that `scope` describes; None on the last page."""
    if position is None:
        return None
    text = json.dumps(position, separators=(",", ":")).encode()
    return urlsafe_b64encode(_checksum(text, scope) + text).decode().rstrip("=")


def decode_cursor(cursor: str | None, scope: str) -> Cursor | None:
    """Return the position in a cursor. Raises: ApiError 400, when it was not issued for this list."""
    if cursor is None:
        return None
    try:
        data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):
        data = b""
    checksum, text = data[:CHECKSUM_BYTES], data[CHECKSUM_BYTES:]
    position = _parse_position(text)
    if position is None or checksum != _checksum(text, scope) or urlsafe_b64encode(data).decode().rstrip("=") != cursor:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            "invalid_cursor",
            "This cursor does not belong to this list. Send `nextCursor` unchanged and with the same filters, "
            "or start again without a cursor.",
        )
    return position


def _parse_position(text: bytes) -> Cursor | None:
    """Parse a DynamoDB key, `{"id": {"S": "…"}, …}`, or a dict of keys by index name; None for anything else."""
    try:
        position: Cursor = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return (
        position
        if _is_key(position) or (_is_non_empty_dict(position) and all(map(_is_key, position.values())))
        else None
    )


def _is_key(value: object) -> bool:
    return _is_non_empty_dict(value) and all(
        isinstance(attribute, dict) and list(attribute) == ["S"] and isinstance(attribute["S"], str)
        for attribute in value.values()
    )


def _is_non_empty_dict(value: object) -> TypeIs[dict[str, Any]]:
    return isinstance(value, dict) and bool(value)


def _checksum(text: bytes, scope: str) -> bytes:
    return hashlib.sha256(scope.encode() + b"\0" + text).digest()[:CHECKSUM_BYTES]
