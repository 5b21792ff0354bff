"""/api/call-recordings: list, count and summarize recordings, sync, and retry failed recordings."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe.clock import utc_now
from callscribe.errors import ConfigurationError, SourceError
from callscribe.recordings.recording import Status
from callscribe.recordings.recording_filter import RecordingFilter
from callscribe.recordings.run import RunStatus, Task
from callscribe.sources import open_subsource
from callscribe.store import recording_search, statistics, status_counts
from functions.api import invoke
from functions.api.errors import RETRY_AFTER, ApiError
from functions.api.http_request import (
    CodeFilter,
    DirectionFilter,
    Limit,
    NextCursor,
    NumberFilter,
    SearchFilter,
    Since,
    StatusFilter,
    Until,
    build_filters,
    decode_cursor,
    encode_cursor,
)
from functions.api.openapi import documented_responses
from functions.api.schemas.base import Absent
from functions.api.schemas.overview import ActivityResponse, FailureSummary, to_failure_group_response
from functions.api.schemas.recordings import (
    CountResponse,
    LostJobsResponse,
    OutageResponse,
    RecordingList,
    RetryCount,
    RetryRequest,
    StatusSummary,
    to_recording_response,
)
from functions.api.schemas.scheduler import RunResponse
from functions.api.settings import effective_call_recordings

COUNT_TIME_BUDGET = timedelta(seconds=20)
"""How long a request may count: API Gateway times out after 30 s."""

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/api/call-recordings")
def list_recordings(  # noqa: PLR0917 — one per query parameter
    status: StatusFilter = None,
    search_text: SearchFilter = None,
    phone_number: NumberFilter = None,
    direction: DirectionFilter = None,
    error_code: CodeFilter = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: NextCursor = None,
) -> RecordingList:
    """List recordings, newest call first; with status `queued`, oldest first. Filters can be combined.

    A page may have fewer than `limit` items, or none; only the last page has no `nextCursor`.
    """
    filters = build_filters(status, search_text, phone_number, direction, error_code, since, until)
    scope = str(filters)
    page = recording_search.page(filters, limit=limit, cursor=decode_cursor(cursor, scope))
    return RecordingList(
        items=[to_recording_response(recording) for recording in page.items],
        next_cursor=encode_cursor(page.next_cursor, scope),
    )


@router.get("/api/call-recordings/status-summary")
def get_status_summary() -> StatusSummary:
    """Count the recordings by status, and report an outage of the WhisperX server.

    A recording that changes its status at this moment may be counted under either.
    """
    summary = status_counts.load_status_counts()
    count_by_status = {status.value: count for status, count in summary.counts.items()}
    outage = OutageResponse.model_validate(summary.outage) if summary.outage else None
    now = utc_now()
    lost_until = [until for until in summary.lost_jobs_until if until > now]
    lost_jobs = LostJobsResponse(count=len(lost_until), until=lost_until[-1]) if lost_until else None
    return StatusSummary(**count_by_status, total=sum(count_by_status.values()), outage=outage, lost_jobs=lost_jobs)


@router.get("/api/call-recordings/activity")
def get_activity() -> ActivityResponse:
    """Get the activity of the last 24 hours by hour, and the age of the queue.

    The numbers come from the runs of the process task, by the hour in which each run started. They do not include what
    a killed run did after it last saved its progress.
    """
    return ActivityResponse.model_validate(statistics.load_activity(utc_now()))


@router.get("/api/call-recordings/failure-summary")
def get_failure_summary() -> FailureSummary:
    """Group the failed recordings by the error of their last attempt, most frequent first.

    This reads every failed recording: do not poll it every second.
    """
    groups, is_exact = statistics.summarize_failures(utc_now() + COUNT_TIME_BUDGET, utc_now)
    return FailureSummary(items=[to_failure_group_response(group) for group in groups], exact=is_exact)


@router.get("/api/call-recordings/count")
def count_recordings(  # noqa: PLR0917 — one per query parameter
    status: StatusFilter = None,
    search_text: SearchFilter = None,
    phone_number: NumberFilter = None,
    direction: DirectionFilter = None,
    error_code: CodeFilter = None,
    since: Since = None,
    until: Until = None,
) -> CountResponse:
    """Count the recordings that match. Accepts the filters of the list."""
    return CountResponse(
        **_count_matching(build_filters(status, search_text, phone_number, direction, error_code, since, until))
    )


@router.post("/api/call-recordings/sync", responses=documented_responses(202, 502))
def sync_recordings(
    recordings_path: Annotated[
        str | Absent,
        Query(alias="recordingsPath", max_length=1024, description="Part of the recordings path; default: all of it."),
    ] = None,
) -> Response[RunResponse]:
    """Sync now: 200 with the finished run, or 202 if it takes longer than a request may."""
    payload = {}
    if recordings_path is not None:
        try:
            open_subsource(effective_call_recordings().recordings_path, recordings_path)
        except ConfigurationError as error:
            raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_path", error.message) from error
        payload["recordingsPath"] = recordings_path
    run = invoke.run_task(Task.SYNC, **payload)
    if run["status"] == RunStatus.FAILED:
        is_path_requested = recordings_path is not None and run["errorCode"] == SourceError.code
        status = HTTPStatus.BAD_REQUEST if is_path_requested else HTTPStatus.BAD_GATEWAY
        raise ApiError(status, "sync_failed", run["error"], details=[run])
    return respond_with_run(run)


@router.post("/api/call-recordings/retry", responses=documented_responses(202, 502))
def retry_recordings(request: Annotated[RetryRequest | Absent, Body()] = None) -> Response[RunResponse | RetryCount]:
    """Queue all matching failed recordings with their attempts reset. With `dryRun`, only count them.

    200 with the finished run. If it takes longer than a request may, 202: it continues in the background until all are
    queued, and `GET /api/scheduler/runs/{id}` shows its progress.
    """
    request = request or RetryRequest.model_validate({})
    filters = build_filters(
        status=Status.FAILED,
        search_text=request.search,
        phone_number=request.phone_number,
        direction=request.direction,
        error_code=request.error_code,
        since=request.since,
        until=request.until,
    )
    if request.dry_run:
        return Response(HTTPStatus.OK, content_types.APPLICATION_JSON, RetryCount(**_count_matching(filters)))
    run = invoke.run_task(Task.RETRY, retry=filters.to_api())
    if run["status"] == RunStatus.FAILED:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE, run["errorCode"], run["error"], details=[run], headers=RETRY_AFTER
        )
    return respond_with_run(run)


def respond_with_run(run: dict[str, Any]) -> Response[Any]:
    """Return a run: 200 if it is finished, 202 if it is still running."""
    run_response = RunResponse.model_validate(run)
    if run_response.status is not RunStatus.RUNNING:
        return Response(HTTPStatus.OK, content_types.APPLICATION_JSON, run_response)
    headers = {"Location": f"/api/scheduler/runs/{run_response.id}"}
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, run_response, headers=headers)


def _count_matching(filters: RecordingFilter) -> dict[str, Any]:
    if filters == RecordingFilter(status=filters.status):
        count_by_status = status_counts.load_status_counts().counts
        count = count_by_status[filters.status] if filters.status else sum(count_by_status.values())
        return {"count": count, "exact": True}
    count, is_exact = recording_search.count_recordings(filters, utc_now() + COUNT_TIME_BUDGET, utc_now)
    return {"count": count, "exact": is_exact}
