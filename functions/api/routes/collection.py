"""/api/call-recordings: recordings as a whole: list, count, sum up, find new ones, retry those that failed."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe.clock import utc_now
from callscribe.errors import ConfigurationError, SourceError
from callscribe.recording import Status
from callscribe.run import Outcome, Task
from callscribe.sources import open_within
from callscribe.store import activity, counts, failures, search
from callscribe.store.lists import Filters
from functions.api import cursor as cursors
from functions.api import invoke
from functions.api.errors import LATER, ApiError
from functions.api.parameters import (
    CodeFilter,
    DirectionFilter,
    Limit,
    NextCursor,
    NumberFilter,
    SearchFilter,
    Since,
    StatusFilter,
    Until,
    filters_of,
)
from functions.api.settings import call_recordings
from functions.api.specification import answers
from functions.api.views.overview import ActivityView, FailureSummary, group_view
from functions.api.views.recordings import (
    CountView,
    OutageView,
    RecordingList,
    RetryCount,
    RetryRequest,
    StatusSummary,
    view,
)
from functions.api.views.scheduler import RunView
from functions.api.views.wire import Absent

PATIENCE = timedelta(seconds=20)
"""How long a request counts: API Gateway gives up after 30 s."""

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/api/call-recordings")
def list_recordings(  # noqa: PLR0917 — the query's names
    status: StatusFilter = None,
    text: SearchFilter = None,
    number: NumberFilter = None,
    direction: DirectionFilter = None,
    error_code: CodeFilter = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: NextCursor = None,
) -> RecordingList:
    """Newest call first; `queued` oldest first. All filters can be combined.

    A page may hold fewer than `limit`, or none; only the last one has no `nextCursor`.
    """
    filters = filters_of(status, text, number, direction, error_code, since, until)
    of = str(filters)
    page = search.page(filters, limit=limit, cursor=cursors.decode(cursor, of))
    return RecordingList(items=[view(each) for each in page.recordings], next_cursor=cursors.encode(page.next, of))


@router.get("/api/call-recordings/status-summary")
def get_status_summary() -> StatusSummary:
    """How many recordings have each status, and whether the transcription service is unavailable.

    What moves at this very moment may be counted on either side.
    """
    found = counts.summary()
    numbers = {status.value: number for status, number in found.counts.items()}
    outage = OutageView.model_validate(found.outage) if found.outage else None
    return StatusSummary(**numbers, total=sum(numbers.values()), outage=outage)


@router.get("/api/call-recordings/activity")
def get_activity() -> ActivityView:
    """What was transcribed in the last 24 hours, hour by hour, and since when the queue waits.

    Out of the runs of process, by the hour in which each started. What a run that was killed had done since it last
    wrote how far it was is not in it.
    """
    return ActivityView.model_validate(activity.activity(utc_now()))


@router.get("/api/call-recordings/failure-summary")
def get_failure_summary() -> FailureSummary:
    """The failed recordings by the error of their last attempt, the most frequent first.

    Every one of them is read for it: ask for it now and then, not every second.
    """
    groups, whole = failures.summary(utc_now() + PATIENCE, utc_now)
    return FailureSummary(items=[group_view(group) for group in groups], exact=whole)


@router.get("/api/call-recordings/count")
def count_recordings(  # noqa: PLR0917 — the query's names
    status: StatusFilter = None,
    text: SearchFilter = None,
    number: NumberFilter = None,
    direction: DirectionFilter = None,
    error_code: CodeFilter = None,
    since: Since = None,
    until: Until = None,
) -> CountView:
    """How many recordings the same filters as those of the list find."""
    return CountView(**_count(filters_of(status, text, number, direction, error_code, since, until)))


@router.post("/api/call-recordings/sync", responses=answers(202, 502))
def sync_recordings(
    recordings_path: Annotated[
        str | Absent,
        Query(alias="recordingsPath", max_length=1024, description="A part of the source; else all of it."),
    ] = None,
) -> Response[RunView]:
    """Looks for new recordings now: 200 with the run's counts, or 202 when it takes longer than a request may."""
    payload = {}
    if recordings_path is not None:
        try:
            open_within(call_recordings().recordings_path, recordings_path)
        except ConfigurationError as error:
            raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_path", error.message) from error
        payload["recordingsPath"] = recordings_path
    run = invoke.run(Task.SYNC, **payload)
    if run["status"] == Outcome.FAILED:
        asked_for = recordings_path is not None and run["errorCode"] == SourceError.code
        status = HTTPStatus.BAD_REQUEST if asked_for else HTTPStatus.BAD_GATEWAY
        raise ApiError(status, "sync_failed", run["error"], details=[run])
    return answer_with(run)


@router.post("/api/call-recordings/retry", responses=answers(202, 502))
def retry_recordings(wish: Annotated[RetryRequest | Absent, Body()] = None) -> Response[RunView | RetryCount]:
    """Queues all failed recordings that match, as a fresh start; with `dryRun`, only says how many they are.

    200 with the run's counts. When that takes longer than a request may, 202: it goes on by itself, however many they
    are, and `GET /api/scheduler/runs/{id}` shows how far it is.
    """
    wish = wish or RetryRequest.model_validate({})
    filters = filters_of(
        status=Status.FAILED,
        text=wish.search,
        number=wish.phone_number,
        direction=wish.direction,
        error_code=wish.error_code,
        since=wish.since,
        until=wish.until,
    )
    if wish.dry_run:
        return Response(HTTPStatus.OK, content_types.APPLICATION_JSON, RetryCount(**_count(filters)))
    run = invoke.run(Task.RETRY, retry=filters.document())
    if run["status"] == Outcome.FAILED:
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, run["errorCode"], run["error"], details=[run], headers=LATER)
    return answer_with(run)


def answer_with(run: dict[str, Any]) -> Response[Any]:
    """A run: 200 when it has ended, 202 while it goes on."""
    shown = RunView.model_validate(run)
    if shown.status is not Outcome.RUNNING:
        return Response(HTTPStatus.OK, content_types.APPLICATION_JSON, shown)
    where = {"Location": f"/api/scheduler/runs/{shown.id}"}
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, shown, headers=where)


def _count(filters: Filters) -> dict[str, Any]:
    if filters == Filters(status=filters.status):
        numbers = counts.summary().counts
        number = numbers[filters.status] if filters.status else sum(numbers.values())
        return {"count": number, "exact": True}
    number, whole = search.count(filters, utc_now() + PATIENCE, utc_now)
    return {"count": number, "exact": whole}
