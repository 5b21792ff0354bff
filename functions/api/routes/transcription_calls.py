"""/api/transcription-calls: what was exchanged with the transcription service."""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe.store import calls
from functions.api import cursor as cursors
from functions.api.parameters import Limit, NextCursor, Since, Until, in_order
from functions.api.views.scheduler import CallList, CallView
from functions.api.views.wire import Absent

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]

FAILED = {"failed": True, "succeeded": False, None: None}


@router.get("/api/transcription-calls")
def list_transcription_calls(  # noqa: PLR0917 — the query's names
    recording_id: Annotated[
        str | Absent, Query(alias="recordingId", pattern="^[a-z2-7]{20}$", description="For this recording alone.")
    ] = None,
    status: Annotated[
        Literal["succeeded", "failed"] | Absent, Query(description="How they ended: not the status of HTTP.")
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: NextCursor = None,
) -> CallList:
    """Every exchange with the transcription service, the newest first; they are kept 30 days."""
    in_order(since, until)
    of = f"calls|{recording_id}|{status}|{since}|{until}"
    page = calls.page(
        recording_id,
        failed=FAILED[status],
        since=since,
        until=until,
        limit=limit,
        cursor=cursors.decode(cursor, of),
    )
    items = [CallView.model_validate(call) for call in page.calls]
    return CallList(items=items, next_cursor=cursors.encode(page.next, of))
