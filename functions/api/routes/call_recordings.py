"""/api/call-recordings: list, look at, and put right."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe import transitions
from callscribe.clock import utc_now
from callscribe.errors import ConfigurationError, SourceError
from callscribe.metadata import Direction
from callscribe.recording import ID, Recording, Status
from callscribe.run import Outcome, Task
from callscribe.search import Sought
from callscribe.sources import open_within
from callscribe.store import admission, counts, lists, recordings, search
from callscribe.store.lists import Filters
from functions.api import cursor as cursors
from functions.api import invoke
from functions.api.errors import ApiError
from functions.api.settings import settings
from functions.api.views import (
    Digits,
    Moment,
    OutageView,
    RecordingList,
    RecordingView,
    RunView,
    StatusChange,
    StatusSummary,
    Text,
    TranscribeRequest,
    view,
)

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]

type Id = Annotated[str, Path(description="The recording's id.")]


@router.get("/api/call-recordings")
def list_recordings(  # noqa: PLR0917 — the query's names
    status: Annotated[Status | None, Query(alias="transcriptionStatus")] = None,
    text: Annotated[
        Text | None,
        Query(
            alias="search",
            description="The id of a call or of a recording, a phone number as in `phoneNumber`, "
            "or what the file's name begins with.",
        ),
    ] = None,
    number: Annotated[
        Digits | None,
        Query(alias="phoneNumber", description="A number, its last digits (four or more), or an extension."),
    ] = None,
    direction: Annotated[Direction | None, Query()] = None,
    since: Annotated[Moment | None, Query(alias="from", description="Calls at or after this time.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Calls at or before this time.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(description="`nextCursor` of the page before.")] = None,
) -> RecordingList:
    """Newest call first; `queued` oldest first. Only the last page has no `nextCursor`, even if others are short."""
    if since and until and since > until:
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", "`from` is later than `to`: swap them.")
    filters = Filters(status=status, direction=direction, since=since, until=until, number=number or "")
    of = f"{filters}|{text}"
    place = cursors.decode(cursor, of)
    if text or number:
        sought = Sought.anywhere(text) if text else Sought(number=filters.number)
        page = search.find(sought, filters, limit=limit, cursor=place)
    else:
        page = lists.page(filters, limit=limit, cursor=place)
    return RecordingList(items=[view(each) for each in page.recordings], next_cursor=cursors.encode(page.next, of))


@router.get("/api/call-recordings/status-summary")
def status_summary() -> StatusSummary:
    """How many recordings have each status, and whether the transcription service is unavailable."""
    found = counts.summary()
    numbers = {status.value: number for status, number in found.counts.items()}
    outage = OutageView.model_validate(found.outage) if found.outage else None
    return StatusSummary(**numbers, total=sum(numbers.values()), outage=outage)


@router.get("/api/call-recordings/<recording_id>")
def get_recording(recording_id: Id) -> RecordingView:
    return view(existing(recording_id))


@router.put("/api/call-recordings/<recording_id>")
def put_recording(recording_id: Id, change: Annotated[StatusChange, Body()]) -> RecordingView:
    """Gives a recording another status, as a person may: 409 says which statuses those are."""
    return view(_request(recording_id, change.transcription_status))


@router.post("/api/call-recordings/<recording_id>/transcribe")
def transcribe(recording_id: Id, wish: Annotated[TranscribeRequest | None, Body()] = None) -> Response[RecordingView]:
    """Puts a recording at the head of the queue, and starts at once, during an outage with a try."""
    force = wish is not None and wish.force
    queued = _request(recording_id, Status.QUEUED, head=True, force=force)
    admission.try_now(utc_now())
    invoke.start(settings().process_function, {"trigger": "api"})
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, view(queued))


@router.post("/api/call-recordings/sync")
def sync(
    recordings_path: Annotated[str | None, Query(alias="recordingsPath", max_length=1024)] = None,
) -> Response[RunView]:
    """Looks for new recordings now: 200 with the run's counts, or 202 when it takes longer than a request may."""
    own = settings()
    payload = {"trigger": "api"}
    if recordings_path is not None:
        try:
            open_within(own.recordings_path, recordings_path)
        except ConfigurationError as error:
            raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_path", error.message) from error
        payload["recordingsPath"] = recordings_path
    run = invoke.call(own.sync_function, payload)
    if run is None:
        going_on = RunView(task=Task.SYNC, trigger="api", status=Outcome.RUNNING)
        return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, going_on)
    if run["status"] == Outcome.FAILED:
        asked_for = recordings_path is not None and run["errorCode"] == SourceError.code
        status = HTTPStatus.BAD_REQUEST if asked_for else HTTPStatus.BAD_GATEWAY
        raise ApiError(status, "sync_failed", run["error"], details=[run])
    return Response(HTTPStatus.OK, content_types.APPLICATION_JSON, RunView(**run))


def existing(recording_id: str) -> Recording:
    """The recording of this id. Raises ApiError 404 when there is none."""
    found = recordings.get(recording_id) if ID.fullmatch(recording_id) else None
    if found is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "no_such_recording", "There is no recording of this id. List them first.")
    return found


def _request(recording_id: str, status: Status, *, head: bool = False, force: bool = False) -> Recording:
    """Makes the transition that a person asks for. Raises InvalidTransition, ApiError."""
    seen = existing(recording_id)
    changed = recordings.apply(seen.id, transitions.request(seen, status, utc_now(), head=head, force=force))
    if changed is None:
        raise ApiError(
            HTTPStatus.CONFLICT,
            "changed_meanwhile",
            "The recording's status changed at this moment. Look, and try again.",
        )
    return changed
