"""/api/call-recordings/{id}: view, change, ingest, delete and transcribe one recording."""

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
from callscribe.recordings import transitions
from callscribe.recordings.recording import ID_PATTERN, Recording, Status, display_path, pending_sort_key
from callscribe.recordings.recording import recording_id as derive_recording_id
from callscribe.recordings.run import RunStatus, Task, Trigger
from callscribe.settings.call_recordings import CallRecordingsSettings
from callscribe.sources import ARCHIVED, open_source, resolve_key
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

RecordingId = Annotated[str, Path(alias="recordingId", description="ID of the recording.")]
IfNoneMatch = Annotated[str | Absent, Header(description="`ETag` of the client's content: 304 if unchanged.")]


@router.get("/api/call-recordings/<recordingId>", responses=documented_responses(404))
def get_recording(recording_id: RecordingId) -> RecordingResponse:
    """Get one recording with its status, last error and metadata."""
    return to_recording_response(get_or_404(recording_id))


@router.put("/api/call-recordings/<recordingId>", responses=documented_responses(404, 409))
def update_recording(recording_id: RecordingId, change: Annotated[RecordingUpdateRequest, Body()]) -> RecordingResponse:
    """Change the status of a recording or correct its metadata. Only the submitted members change.

    409 if users may not set that status; the message lists the allowed ones.
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
    """Delete the recording's data and all versions of its transcript. The audio file is not deleted.

    As long as the file exists, the next sync ingests it as a new recording: delete the file first.
    """
    recording = recordings.get(recording_id) if ID_PATTERN.fullmatch(recording_id) else None
    if recording is not None:
        if recording.status is Status.PROCESSING:
            message = "The recording is being transcribed. Try again when it is completed or failed."
            raise ApiError(HTTPStatus.CONFLICT, "in_progress", message)
        if not recordings.delete_recording(recording):
            raise _conflict_error()
    # After the record, so that no recording is left without its transcript. If the function dies in between, a second
    # request deletes the transcripts.
    has_deleted_transcripts = ID_PATTERN.fullmatch(recording_id) and transcripts.delete_all(
        settings().transcripts_bucket, recording_id
    )
    if recording is None and not has_deleted_transcripts:
        raise recording_not_found()
    return Response(HTTPStatus.NO_CONTENT)


@router.post("/api/call-recordings", status_code=201, responses=documented_responses(200, 404, 409, 502, 504))
def register_recording(request: Annotated[Registration, Body()]) -> Response[RecordingResponse]:
    """Ingest one file now, without waiting for sync: 201, or 200 if the recording exists already.

    If its file was missing, the file is checked again.

    Submitted metadata takes precedence over metadata read from the file. 404 if the file does not exist, 409 while it
    is incomplete.
    """
    effective_settings = effective_call_recordings()
    try:
        key = resolve_key(effective_settings.recordings_path, request.path)
    except ConfigurationError as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_path", error.message) from error
    kind = classify(key, None, effective_settings.recording_extensions)
    if kind is not FileKind.AUDIO:
        extensions = ", ".join(sorted(effective_settings.recording_extensions))
        message = (
            f"By its name and folder, this file is not a recording ({kind}). "
            f"Recordings have one of these extensions: {extensions}."
        )
        raise ApiError(HTTPStatus.BAD_REQUEST, "not_audio", message)
    location = open_source(effective_settings.recordings_path).location
    recording_id = derive_recording_id(location, key)
    stored_recording = recordings.get(recording_id)
    is_source_gone = (
        stored_recording and stored_recording.source_missing and stored_recording.status is not Status.PROCESSING
    )  # sync does not change a recording that is being transcribed
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
    """Move a recording to the front of the queue and start it if a slot is free, even during an outage.

    A completed recording requires `force`; otherwise 409.
    """
    force = request is not None and request.force
    recording = _transition(get_or_404(recording_id), Status.QUEUED, at_front=True, force=force)
    admission.reset_backoff(utc_now())
    invoke.invoke_async(settings().process_function, {"trigger": Trigger.API})
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, to_recording_response(recording))


def get_or_404(recording_id: str) -> Recording:
    """Return the recording with this id. Raises: ApiError 404, when it does not exist."""
    recording = recordings.get(recording_id) if ID_PATTERN.fullmatch(recording_id) else None
    if recording is None:
        raise recording_not_found()
    return recording


def recording_not_found() -> ApiError:
    return ApiError(
        HTTPStatus.NOT_FOUND,
        "recording_not_found",
        "There is no recording with this ID.",
    )


def _transition(
    recording: Recording,
    status: Status,
    *,
    at_front: bool = False,
    force: bool = False,
    updates: Mapping[str, Any] | None = None,
) -> Recording:
    """Apply a transition requested by a user, together with other updates.

    Raises: InvalidTransition, when users may not make it; ApiError 409, after a concurrent change.
    """
    updated_recording = replace(recording, **updates or {})
    transition = transitions.user_transition(updated_recording, status, utc_now(), at_front=at_front, force=force)
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
    """Correct the metadata. Raises: ApiError 409, during transcription or after a concurrent change."""
    if recording.status is Status.PROCESSING:
        # at the end, its worker overwrites the metadata with what it has read from the file
        message = "The recording is being transcribed. Correct its metadata when it is completed or failed."
        raise ApiError(HTTPStatus.CONFLICT, "in_progress", message)
    updates = _metadata_updates(recording, corrections, effective_settings)
    if recording.status is Status.PENDING and "recorded_at" in updates:
        updates["sort_key"] = pending_sort_key(updates["recorded_at"])
    condition = {"status": recording.status, "sort_key": recording.sort_key, "metadata": recording.metadata}
    saved_recording = recordings.update_fields(recording.id, condition, updates)
    if saved_recording is None:
        raise _conflict_error()
    return saved_recording


def _metadata_updates(
    recording: Recording, corrections: Mapping[str, Any], effective_settings: CallRecordingsSettings | None = None
) -> dict[str, Any]:
    """Return the attributes that these corrections change."""
    if not corrections:
        return {}
    if "started_at" not in corrections:
        return {"metadata": recording.metadata.with_corrections(corrections)}
    zone, started_at = (effective_settings or effective_call_recordings()).zone, corrections["started_at"]
    if started_at and started_at.tzinfo is None and recording.metadata.utc_offset is not None:
        # without a zone, the time would be read with the utc_offset of the recording server
        corrections = {**corrections, "started_at": started_at.replace(tzinfo=zone)}
    metadata = recording.metadata.with_corrections(corrections)
    return {"metadata": metadata, "recorded_at": recorded_at(metadata, zone, recording.modified_at)}


def _register_via_sync(recording_id: str, path: str) -> Recording:
    """Let sync ingest the file at `path`, and return its recording.

    Raises: ApiError 404, when the file does not exist; 409, when it is incomplete or sync is off; 502 or 504, when sync
    fails or takes too long.
    """
    run = invoke.run_task(Task.SYNC, file=path)
    if (recording := recordings.get(recording_id)) and not recording.source_missing:
        return recording
    if run["status"] == RunStatus.RUNNING:
        raise ApiError(HTTPStatus.GATEWAY_TIMEOUT, "function_timeout", "Sync took too long. Try again.", details=[run])
    if run["status"] == RunStatus.FAILED:
        raise ApiError(HTTPStatus.BAD_GATEWAY, "sync_failed", run["error"], details=[run])
    if run["status"] == RunStatus.SKIPPED:
        raise ApiError(HTTPStatus.CONFLICT, run["errorCode"], run["error"])
    if run["counts"].get(ARCHIVED):
        message = "The file is archived in S3 Glacier. Restore it; the next sync then ingests it."
        raise ApiError(HTTPStatus.CONFLICT, "not_complete", message)
    for incomplete_file in run["waiting"]:
        if incomplete_file["path"] == path:
            message = f"The file is incomplete: {incomplete_file['reason']} Sync will check it again."
            raise ApiError(HTTPStatus.CONFLICT, "not_complete", message)
    if run["counts"].get("listed") and not run["counts"].get("unreadable"):
        message = "The file is another format of a call that has a recording. Search for its name."
        raise ApiError(HTTPStatus.CONFLICT, "conflict", message)
    raise ApiError(HTTPStatus.NOT_FOUND, "file_not_found", "The file does not exist or cannot be read.")


def _conflict_error() -> ApiError:
    message = "The recording was changed at the same time. Reload it and try again."
    return ApiError(HTTPStatus.CONFLICT, "conflict", message)
