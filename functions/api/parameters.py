"""What a query may hold: the filters of recordings, and nothing that a route does not know."""

import json
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from callscribe.call_metadata.metadata import Direction
from callscribe.observability import logger
from callscribe.recordings.recording import Status
from callscribe.store.recording_queries import RecordingFilter
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
