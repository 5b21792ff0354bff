"""/api/call-recordings/{id}: one recording: look at it, put it right, register it, delete it, transcribe it."""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Path
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe.call_metadata.metadata import recorded_at
from callscribe.clock import utc_now
from callscribe.errors import ConfigurationError
from callscribe.recordings import state_machine
from callscribe.recordings.recording import ID_PATTERN, Recording, Status, display_path
from callscribe.recordings.recording import recording_id as derive_recording_id
from callscribe.recordings.run import RunStatus, Task, Trigger
from callscribe.settings.call_recordings import CallRecordingsSettings
from callscribe.sources import open_source, resolve_key
from callscribe.sources.file_types import FileKind, classify
from callscribe.store import admission, recordings, transcripts
from functions.api import invoke
from functions.api.errors import ApiError
from functions.api.openapi import documented_responses
from functions.api.schemas.base import Absent
from functions.api.schemas.recordings import (
    RecordingResponse,
    RecordingUpdateRequest,
    Registration,
    TranscribeRequest,
    to_recording_response,
)
from functions.api.settings import effective_call_recordings, settings

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]

RecordingId = Annotated[str, Path(alias="recordingId", description="The recording's id.")]
IfNoneMatch = Annotated[str | Absent, Header(description="The `ETag` of what one has: 304 where it is still the same.")]


@router.get("/api/call-recordings/<recordingId>", responses=documented_responses(404))
def get_recording(recording_id: RecordingId) -> RecordingResponse:
    """One recording: where it is on its way and why, and what is known of its call."""
    return to_recording_response(get_or_404(recording_id))


@router.put("/api/call-recordings/<recordingId>", responses=documented_responses(404, 409))
def update_recording(recording_id: RecordingId, change: Annotated[RecordingUpdateRequest, Body()]) -> RecordingResponse:
    """Gives a recording another status, or corrects what is known of its call; only what is sent is changed.

    409 where a person may not give it that status; the message says which are allowed.
    """
    recording = get_or_404(recording_id)
    corrections = change.corrections()
    target_status = change.target_status
    if target_status is None:
        return to_recording_response(_update_metadata(recording, corrections))
    return to_recording_response(
        _transition(recording, target_status, updates=_metadata_updates(recording, corrections))
    )


@router.delete("/api/call-recordings/<recordingId>", status_code=204, responses=documented_responses(404, 409))
def delete_recording(recording_id: RecordingId) -> Response[None]:
    """Deletes the record and every version of its transcript; the file itself is left alone.

    As long as the file is there, the next sync takes it up as a new recording: delete the file first.
    """
    recording = recordings.get(recording_id) if ID_PATTERN.fullmatch(recording_id) else None
    if recording is not None:
        if recording.status is Status.PROCESSING:
            message = "The recording is being transcribed. Wait until it is completed or failed."
            raise ApiError(HTTPStatus.CONFLICT, "in_progress", message)
        if not recordings.delete_recording(recording):
            raise _conflict_error()
    # behind the record, so that none is left without its transcript; who died in between is completed by a second try
    has_deleted_transcripts = ID_PATTERN.fullmatch(recording_id) and transcripts.delete_all(
        settings().transcripts_bucket, recording_id
    )
    if recording is None and not has_deleted_transcripts:
        raise recording_not_found()
    return Response(HTTPStatus.NO_CONTENT)


@router.post("/api/call-recordings", status_code=201, responses=documented_responses(200, 404, 409, 502, 504))
def register_recording(request: Annotated[Registration, Body()]) -> Response[RecordingResponse]:
    """Takes up one file at once, without waiting for sync: 201, or 200 when it is known already.

    One that had been gone is looked for again.

    Metadata that is sent with it counts more than what is read of the file. 404 where there is no such file, 409 while
    it is not complete.
    """
    effective_settings = effective_call_recordings()
    try:
        key = resolve_key(effective_settings.recordings_path, request.path)
    except ConfigurationError as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_path", error.message) from error
    if classify(key, None, effective_settings.recording_extensions) is not FileKind.AUDIO:
        extensions = ", ".join(sorted(effective_settings.recording_extensions))
        message = f"By its name, this is no recording: those end with {extensions}."
        raise ApiError(HTTPStatus.BAD_REQUEST, "not_audio", message)
    location = open_source(effective_settings.recordings_path).location
    recording_id = derive_recording_id(location, key)
    stored_recording = recordings.get(recording_id)
    is_source_gone = (
        stored_recording and stored_recording.source_missing and stored_recording.status is not Status.PROCESSING
    )  # which sync leaves alone
    recording = (
        stored_recording
        if stored_recording and not is_source_gone
        else _register_via_sync(recording_id, display_path(location, key))
    )
    corrections = request.corrections()
    status = HTTPStatus.OK if stored_recording else HTTPStatus.CREATED
    updated_recording = _update_metadata(recording, corrections, effective_settings) if corrections else recording
    headers = {"Location": f"/api/call-recordings/{updated_recording.id}"}
    return Response(status, content_types.APPLICATION_JSON, to_recording_response(updated_recording), headers=headers)


@router.post("/api/call-recordings/<recordingId>/transcribe", status_code=202, responses=documented_responses(404, 409))
def transcribe_recording(
    recording_id: RecordingId, request: Annotated[TranscribeRequest | Absent, Body()] = None
) -> Response[RecordingResponse]:
    """Puts a recording at the head of the queue, and starts at once where a slot is free, during an outage with a try.

    One that is completed only with `force`; 409 otherwise.
    """
    force = request is not None and request.force
    recording = _transition(get_or_404(recording_id), Status.QUEUED, head=True, force=force)
    admission.reset_backoff(utc_now())
    invoke.invoke_async(settings().process_function, {"trigger": Trigger.API})
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, to_recording_response(recording))


def get_or_404(recording_id: str) -> Recording:
    """The recording of this id. Raises ApiError 404 when there is none."""
    recording = recordings.get(recording_id) if ID_PATTERN.fullmatch(recording_id) else None
    if recording is None:
        raise recording_not_found()
    return recording


def recording_not_found() -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, "recording_not_found", "There is no recording of this id. List them first.")


def _transition(
    recording: Recording,
    status: Status,
    *,
    head: bool = False,
    force: bool = False,
    updates: Mapping[str, Any] | None = None,
) -> Recording:
    """Makes the transition that a person asks for, and with it other changes. Raises InvalidTransition, ApiError."""
    updated_recording = replace(recording, **updates or {})
    transition = state_machine.user_transition(updated_recording, status, utc_now(), at_front=head, force=force)
    if updates:
        transition = replace(
            transition, condition={"metadata": recording.metadata}, updates={**updates, **transition.updates}
        )
    saved_recording = recordings.apply_transition(recording.id, transition)
    if saved_recording is None:
        raise _conflict_error()
    return saved_recording


def _update_metadata(
    recording: Recording, corrections: Mapping[str, Any], effective_settings: CallRecordingsSettings | None = None
) -> Recording:
    """Changes what is known of the call. Raises ApiError 409."""
    if recording.status is Status.PROCESSING:
        # its worker writes what it has read within the file when it ends
        message = "The recording is being transcribed. Correct its metadata when it is completed or failed."
        raise ApiError(HTTPStatus.CONFLICT, "in_progress", message)
    updates = _metadata_updates(recording, corrections, effective_settings)
    if recording.status is Status.PENDING and "recorded_at" in updates:
        updates["sort_key"] = state_machine.pending_sort_key(updates["recorded_at"])
    condition = {"status": recording.status, "sort_key": recording.sort_key, "metadata": recording.metadata}
    saved_recording = recordings.update_metadata(recording.id, condition, updates)
    if saved_recording is None:
        raise _conflict_error()
    return saved_recording


def _metadata_updates(
    recording: Recording, corrections: Mapping[str, Any], effective_settings: CallRecordingsSettings | None = None
) -> dict[str, Any]:
    """The fields of the record that these corrections change."""
    if not corrections:
        return {}
    if "started_at" not in corrections:
        return {"metadata": recording.metadata.with_corrections(corrections)}
    zone, started_at = (effective_settings or effective_call_recordings()).zone, corrections["started_at"]
    if started_at and started_at.tzinfo is None and recording.metadata.utc_offset is not None:
        corrections = {
            **corrections,
            "started_at": started_at.replace(tzinfo=zone),
        }  # else it would be in that of the server
    metadata = recording.metadata.with_corrections(corrections)
    return {"metadata": metadata, "recorded_at": recorded_at(metadata, zone, recording.modified_at)}


def _register_via_sync(recording_id: str, path: str) -> Recording:
    """The recording of the file at `path`, once sync has looked at it. Raises ApiError."""
    run = invoke.run_task(Task.SYNC, file=path)
    if (recording := recordings.get(recording_id)) and not recording.source_missing:
        return recording
    if run["status"] == RunStatus.RUNNING:
        raise ApiError(HTTPStatus.GATEWAY_TIMEOUT, "function_timeout", "Sync took too long. Try again.", details=[run])
    if run["status"] == RunStatus.FAILED:
        raise ApiError(HTTPStatus.BAD_GATEWAY, "sync_failed", run["error"], details=[run])
    if run["status"] == RunStatus.SKIPPED:
        raise ApiError(HTTPStatus.CONFLICT, run["errorCode"], run["error"])
    for incomplete_file in run["waiting"]:
        if incomplete_file["path"] == path:
            message = f"The file is not complete yet: {incomplete_file['reason']} Try again later; sync does."
            raise ApiError(HTTPStatus.CONFLICT, "not_complete", message)
    raise ApiError(HTTPStatus.NOT_FOUND, "file_not_found", "There is no such file, or it cannot be read.")


def _conflict_error() -> ApiError:
    message = "The recording changed at this moment. Look, and try again."
    return ApiError(HTTPStatus.CONFLICT, "conflict", message)
