"""What a request may hold: headers, a JSON body, the parameters of lists, and cursors."""

import base64
import binascii
import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, TypeIs

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Query

from callscribe.call_metadata.metadata import Direction
from callscribe.observability import logger
from callscribe.recordings.recording import Status
from callscribe.store.recording_queries import Cursor, RecordingFilter
from functions.api.errors import ApiError
from functions.api.schemas.base import Absent, Code, PhoneDigits, Text, UtcDateTime

StatusFilter = Annotated[
    Status | Absent, Query(alias="transcriptionStatus", description="Where recordings are on their way.")
]
SearchFilter = Annotated[
    Text | Absent,
    Query(
        alias="search",
        description="The id of a call or of a recording, a phone number as in `phoneNumber`, or what the file's name "
        "begins with.",
    ),
]
NumberFilter = Annotated[
    PhoneDigits | Absent,
    Query(alias="phoneNumber", description="A number, its last digits (four or more), or an extension."),
]
DirectionFilter = Annotated[
    Direction | Absent, Query(description="Seen from the phone system that recorded the calls.")
]
CodeFilter = Annotated[Code | Absent, Query(alias="errorCode", description="The code of the last error.")]
Since = Annotated[UtcDateTime | Absent, Query(alias="from", description="At or after this time.")]
Until = Annotated[UtcDateTime | Absent, Query(alias="to", description="At or before this time.")]
Limit = Annotated[int, Query(ge=1, le=500, description="So many at most in one page.")]
NextCursor = Annotated[str | Absent, Query(max_length=4096, description="`nextCursor` of the page before.")]


def build_filters(  # noqa: PLR0917 — the query's names
    status: Status | None,
    search_text: str | None,
    phone_number: str | None,
    direction: Direction | None,
    error_code: str | None,
    since: datetime | None,
    until: datetime | None,
) -> RecordingFilter:
    """All of them together. Raises ApiError 400."""
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
    """Raises ApiError 400 for times between which nothing can lie."""
    if since and until and since > until:
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", "`from` is later than `to`: swap them.")


def reject_unknown_parameters(app: APIGatewayHttpResolver, next_middleware: Any) -> Response[Any]:
    """Middleware of all routes: a filter that is misspelt would list everything, and so would one in a body that the
    route does not read. Raises ApiError 400. (Pages, and Powertools' own for what is not found, take what comes.)

    From here on, log lines name the route, if it is one of the API.
    """
    route = app.context["_route"]
    if route.include_in_schema and route.func.__module__.startswith("functions.api"):
        logger.append_keys(route=f"{route.method} {route.path}")
        accepted_names = [each.alias for each in route.dependant.query_params]
        query = app.current_event.query_string_parameters or {}
        accepted_hint = (
            f"This route takes {', '.join(accepted_names)}." if accepted_names else "This route takes no parameters."
        )
        if unknown_names := [name for name in query if name not in accepted_names]:
            details = [
                {"field": f"query.{name}", "message": f"is not known. {accepted_hint}"} for name in unknown_names
            ]
            message = f"The query holds what is not known: {', '.join(unknown_names)[:200]}. {accepted_hint}"
            raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", message, details=details)
        if not route.dependant.body_params and json.loads(app.current_event.body or "{}"):
            message = f"This route takes no body. {accepted_hint}"
            raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", message)
    response: Response[Any] = next_middleware(app)
    return response


def request_header(event: Mapping[str, Any], name: str) -> str:
    """A header of the request. API Gateway has their names in small letters, `sam local` with a capital."""
    return next((value for each, value in (event.get("headers") or {}).items() if each.lower() == name), "")


MAX_BODY_BYTES = 256 * 1024
"""Bytes. The largest that is meant, settings with 20 patterns, has some 10 kB."""

FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
"""What `curl -d` calls a body unless told otherwise. There are no forms here, so it is taken as JSON."""


def require_json_body(event: dict[str, Any]) -> dict[str, Any]:
    """The event with its body as text that is a JSON object; without a content type, where there is no body.

    Raises ApiError 413 for what is too large, 415 for another content type, 400 for what is no JSON object.
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
            message = f"The body is larger than {MAX_BODY_BYTES // 1024} kB."
            raise ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", message)
        text = content.decode()
        is_object = isinstance(json.loads(text), dict)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", "The body is not JSON.") from error
    if not is_object:  # Powertools would take the first of a list
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", "The body must be a JSON object, such as {}.")
    headers["content-type"] = content_types.APPLICATION_JSON
    return {**event, "headers": headers, "body": text, "isBase64Encoded": False}


CHECKSUM_BYTES = 12


def encode_cursor(position: Cursor | None, scope: str) -> str | None:
    """The cursor for a list that is described by `of`; None on its last page."""
    if position is None:
        return None
    text = json.dumps(position, separators=(",", ":")).encode()
    return urlsafe_b64encode(_checksum(text, scope) + text).decode().rstrip("=")


def decode_cursor(cursor: str | None, scope: str) -> Cursor | None:
    """The position in a cursor. Raises ApiError 400 for one that was not given out for this list."""
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
            "This cursor does not belong to this list. Send `nextCursor` as it was given, with the same filters, "
            "or begin again without a cursor.",
        )
    return position


def _parse_position(text: bytes) -> Cursor | None:
    """A key as DynamoDB writes it, `{"id": {"S": "…"}, …}`, or several by the index of each; None for anything else."""
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
        isinstance(each, dict) and list(each) == ["S"] and isinstance(each["S"], str) for each in value.values()
    )


def _is_non_empty_dict(value: object) -> TypeIs[dict[str, Any]]:
    return isinstance(value, dict) and bool(value)


def _checksum(text: bytes, scope: str) -> bytes:
    return hashlib.sha256(scope.encode() + b"\0" + text).digest()[:CHECKSUM_BYTES]
