"""/api/call-recordings/{id}: one recording: look at it, put it right, register it, delete it, transcribe it."""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Path
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe import transitions
from callscribe.clock import utc_now
from callscribe.errors import ConfigurationError
from callscribe.ingest import Ingest, classify
from callscribe.metadata import moment_of
from callscribe.module_settings import CallRecordingsSettings
from callscribe.recording import ID, Recording, Status, address
from callscribe.recording import recording_id as id_of
from callscribe.run import Outcome, Task
from callscribe.sources import key_within, open_source
from callscribe.store import admission, recordings, transcripts
from functions.api import invoke
from functions.api.errors import ApiError
from functions.api.settings import call_recordings, settings
from functions.api.specification import answers
from functions.api.views.recordings import (
    RecordingChange,
    RecordingView,
    Registration,
    TranscribeRequest,
    view,
)
from functions.api.views.wire import Absent

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]

Id = Annotated[str, Path(alias="recordingId", description="The recording's id.")]
IfNoneMatch = Annotated[str | Absent, Header(description="The `ETag` of what one has: 304 where it is still the same.")]


@router.get("/api/call-recordings/<recordingId>", responses=answers(404))
def get_recording(recording_id: Id) -> RecordingView:
    """One recording: where it is on its way and why, and what is known of its call."""
    return view(existing(recording_id))


@router.put("/api/call-recordings/<recordingId>", responses=answers(404, 409))
def update_recording(recording_id: Id, change: Annotated[RecordingChange, Body()]) -> RecordingView:
    """Gives a recording another status, or corrects what is known of its call; only what is sent is changed.

    409 where a person may not give it that status; the message says which are allowed.
    """
    seen = existing(recording_id)
    corrections = change.corrections()
    target = change.target
    if target is None:
        return view(_corrected(seen, corrections))
    return view(_requested(seen, target, values=_corrections(seen, corrections)))


@router.delete("/api/call-recordings/<recordingId>", status_code=204, responses=answers(404, 409))
def delete_recording(recording_id: Id) -> Response[None]:
    """Deletes the record and every version of its transcript; the file itself is left alone.

    As long as the file is there, the next sync takes it up as a new recording: delete the file first.
    """
    seen = recordings.get(recording_id) if ID.fullmatch(recording_id) else None
    if seen is not None:
        if seen.status is Status.PROCESSING:
            message = "The recording is being transcribed. Wait until it is completed or failed."
            raise ApiError(HTTPStatus.CONFLICT, "being_transcribed", message)
        if not recordings.remove(seen):
            raise _changed_meanwhile()
    # behind the record, so that none is left without its transcript; who died in between is completed by a second try
    deleted = ID.fullmatch(recording_id) and transcripts.delete_all(settings().transcripts_bucket, recording_id)
    if seen is None and not deleted:
        raise no_such_recording()
    return Response(HTTPStatus.NO_CONTENT)


@router.post("/api/call-recordings", status_code=201, responses=answers(200, 404, 409, 502, 504))
def register_recording(wish: Annotated[Registration, Body()]) -> Response[RecordingView]:
    """Takes up one file at once, without waiting for sync: 201, or 200 when it is known already.

    One that had been gone is looked for again.

    Metadata that is sent with it counts more than what is read of the file. 404 where there is no such file, 409 while
    it is not complete.
    """
    ours = call_recordings()
    try:
        key = key_within(ours.recordings_path, wish.path)
    except ConfigurationError as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_path", error.message) from error
    if classify(key, None, ours.audio) is not Ingest.AUDIO:
        message = f"By its name, this is no recording: those end with {', '.join(sorted(ours.audio))}."
        raise ApiError(HTTPStatus.BAD_REQUEST, "not_audio", message)
    location = open_source(ours.recordings_path).location
    of = id_of(location, key)
    known = recordings.get(of)
    gone = known and known.source_missing and known.status is not Status.PROCESSING  # which sync leaves alone
    found = known if known and not gone else _taken_up(of, address(location, key))
    corrections = wish.corrections()
    status = HTTPStatus.OK if known else HTTPStatus.CREATED
    shown = _corrected(found, corrections, ours) if corrections else found
    where = {"Location": f"/api/call-recordings/{shown.id}"}
    return Response(status, content_types.APPLICATION_JSON, view(shown), headers=where)


@router.post("/api/call-recordings/<recordingId>/transcribe", status_code=202, responses=answers(404, 409))
def transcribe_recording(
    recording_id: Id, wish: Annotated[TranscribeRequest | Absent, Body()] = None
) -> Response[RecordingView]:
    """Puts a recording at the head of the queue, and starts at once where a slot is free, during an outage with a try.

    One that is completed only with `force`; 409 otherwise.
    """
    force = wish is not None and wish.force
    queued = _requested(existing(recording_id), Status.QUEUED, head=True, force=force)
    admission.try_now(utc_now())
    invoke.start(settings().process_function, {"trigger": "api"})
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, view(queued))


def existing(recording_id: str) -> Recording:
    """The recording of this id. Raises ApiError 404 when there is none."""
    found = recordings.get(recording_id) if ID.fullmatch(recording_id) else None
    if found is None:
        raise no_such_recording()
    return found


def no_such_recording() -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, "no_such_recording", "There is no recording of this id. List them first.")


def _requested(
    seen: Recording, status: Status, *, head: bool = False, force: bool = False, values: Mapping[str, Any] | None = None
) -> Recording:
    """Makes the transition that a person asks for, and with it other changes. Raises InvalidTransition, ApiError."""
    corrected = replace(seen, **values or {})
    change = transitions.request(corrected, status, utc_now(), head=head, force=force)
    if values:
        change = replace(change, expected={"metadata": seen.metadata}, values={**values, **change.values})
    changed = recordings.apply(seen.id, change)
    if changed is None:
        raise _changed_meanwhile()
    return changed


def _corrected(
    seen: Recording, corrections: Mapping[str, Any], ours: CallRecordingsSettings | None = None
) -> Recording:
    """Changes what is known of the call. Raises ApiError 409."""
    if seen.status is Status.PROCESSING:
        # its worker writes what it has read within the file when it ends
        message = "The recording is being transcribed. Correct its metadata when it is completed or failed."
        raise ApiError(HTTPStatus.CONFLICT, "being_transcribed", message)
    values = _corrections(seen, corrections, ours)
    if seen.status is Status.PENDING and "recorded_at" in values:
        values["position"] = transitions.pending_position(values["recorded_at"])
    expected = {"status": seen.status, "position": seen.position, "metadata": seen.metadata}
    changed = recordings.amend(seen.id, expected, values)
    if changed is None:
        raise _changed_meanwhile()
    return changed


def _corrections(
    seen: Recording, given: Mapping[str, Any], ours: CallRecordingsSettings | None = None
) -> dict[str, Any]:
    """The fields of the record that these corrections change."""
    if not given:
        return {}
    if "started_at" not in given:
        return {"metadata": seen.metadata.corrected(given)}
    zone, told = (ours or call_recordings()).zone, given["started_at"]
    if told and told.tzinfo is None and seen.metadata.utc_offset is not None:
        given = {**given, "started_at": told.replace(tzinfo=zone)}  # else it would be in that of the server
    metadata = seen.metadata.corrected(given)
    return {"metadata": metadata, "recorded_at": moment_of(metadata, zone, seen.modified_at)}


def _taken_up(of: str, path: str) -> Recording:
    """The recording of the file at `path`, once sync has looked at it. Raises ApiError."""
    run = invoke.run(Task.SYNC, file=path)
    if (found := recordings.get(of)) and not found.source_missing:
        return found
    if run["status"] == Outcome.RUNNING:
        raise ApiError(HTTPStatus.GATEWAY_TIMEOUT, "function_slow", "Sync took too long. Try again.", details=[run])
    if run["status"] == Outcome.FAILED:
        raise ApiError(HTTPStatus.BAD_GATEWAY, "sync_failed", run["error"], details=[run])
    if run["status"] == Outcome.SKIPPED:
        raise ApiError(HTTPStatus.CONFLICT, run["errorCode"], run["error"])
    for waiting in run["waiting"]:
        if waiting["path"] == path:
            message = f"The file is not complete yet: {waiting['why']} Try again later; sync does."
            raise ApiError(HTTPStatus.CONFLICT, "not_complete", message)
    raise ApiError(HTTPStatus.NOT_FOUND, "no_such_file", "There is no such file, or it cannot be read.")


def _changed_meanwhile() -> ApiError:
    message = "The recording changed at this moment. Look, and try again."
    return ApiError(HTTPStatus.CONFLICT, "changed_meanwhile", message)
