"""What a query may hold: the filters of recordings, and nothing that a route does not know."""

import json
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from callscribe.metadata import Direction
from callscribe.recording import Status
from callscribe.store.lists import Filters
from callscribe.telemetry import logger
from functions.api.errors import ApiError
from functions.api.views.wire import Absent, Code, Digits, Moment, Text

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
    Digits | Absent,
    Query(alias="phoneNumber", description="A number, its last digits (four or more), or an extension."),
]
DirectionFilter = Annotated[
    Direction | Absent, Query(description="Seen from the phone system that recorded the calls.")
]
CodeFilter = Annotated[Code | Absent, Query(alias="errorCode", description="The code of the last error.")]
Since = Annotated[Moment | Absent, Query(alias="from", description="At or after this time.")]
Until = Annotated[Moment | Absent, Query(alias="to", description="At or before this time.")]
Limit = Annotated[int, Query(ge=1, le=500, description="So many at most in one page.")]
NextCursor = Annotated[str | Absent, Query(max_length=4096, description="`nextCursor` of the page before.")]


def filters_of(  # noqa: PLR0917 — the query's names
    status: Status | None,
    text: str | None,
    number: str | None,
    direction: Direction | None,
    error_code: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Filters:
    """All of them together. Raises ApiError 400."""
    in_order(since, until)
    return Filters(
        status=status,
        text=text or "",
        number=number or "",
        direction=direction,
        error_code=error_code or "",
        since=since,
        until=until,
    )


def in_order(since: datetime | None, until: datetime | None) -> None:
    """Raises ApiError 400 for times between which nothing can lie."""
    if since and until and since > until:
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", "`from` is later than `to`: swap them.")


def only_known(app: APIGatewayHttpResolver, next_middleware: Any) -> Response[Any]:
    """Middleware of all routes: a filter that is misspelt would list everything, and so would one in a body that the
    route does not read. Raises ApiError 400. (Pages, and Powertools' own for what is not found, take what comes.)

    From here on, log lines name the route, if it is one of the API.
    """
    route = app.context["_route"]
    if route.include_in_schema and route.func.__module__.startswith("functions.api"):
        logger.append_keys(route=f"{route.method} {route.path}")
        known = [each.alias for each in route.dependant.query_params]
        given = app.current_event.query_string_parameters or {}
        takes = f"This route takes {', '.join(known)}." if known else "This route takes no parameters."
        if unknown := [name for name in given if name not in known]:
            details = [{"field": f"query.{name}", "message": f"is not known. {takes}"} for name in unknown]
            message = f"The query holds what is not known: {', '.join(unknown)[:200]}. {takes}"
            raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", message, details=details)
        if not route.dependant.body_params and json.loads(app.current_event.body or "{}"):
            message = f"This route takes no body. {takes}"
            raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", message)
    answer: Response[Any] = next_middleware(app)
    return answer
