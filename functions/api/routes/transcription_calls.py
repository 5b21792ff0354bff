"""/api/transcription-calls: the HTTP requests to the WhisperX server."""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe.store import service_requests
from functions.api.http_request import (
    Limit,
    NextCursor,
    Since,
    Until,
    decode_cursor,
    encode_cursor,
    require_ordered,
)
from functions.api.schemas.base import Absent
from functions.api.schemas.scheduler import TranscriptionCall, TranscriptionCallList

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]

FAILED_BY_STATUS = {"failed": True, "succeeded": False, None: None}


@router.get("/api/transcription-calls")
def list_transcription_calls(  # noqa: PLR0917 — one per query parameter
    recording_id: Annotated[
        str | Absent,
        Query(alias="recordingId", pattern="^[a-z2-7]{20}$", description="Only for this recording."),
    ] = None,
    status: Annotated[
        Literal["succeeded", "failed"] | Absent, Query(description="Result of the request, not its HTTP status.")
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: NextCursor = None,
) -> TranscriptionCallList:
    """List the HTTP requests to the WhisperX server of the last 30 days, newest first."""
    require_ordered(since, until)
    scope = f"calls|{recording_id}|{status}|{since}|{until}"
    page = service_requests.page(
        recording_id,
        failed=FAILED_BY_STATUS[status],
        since=since,
        until=until,
        limit=limit,
        cursor=decode_cursor(cursor, scope),
    )
    items = [TranscriptionCall.model_validate(service_request) for service_request in page.items]
    return TranscriptionCallList(items=items, next_cursor=encode_cursor(page.next_cursor, scope))
