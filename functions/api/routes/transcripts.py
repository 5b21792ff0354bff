"""/api/call-recordings/{id}/transcript: a transcript as JSON, text or captions, in any stored version."""

import json
from http import HTTPStatus
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe.recordings.recording import Recording
from callscribe.store import transcripts
from functions.api.errors import ApiError
from functions.api.http_response import best_match, not_modified, weak_etag
from functions.api.openapi import documented_responses
from functions.api.routes.recording import IfNoneMatch, RecordingId, get_or_404
from functions.api.schemas.base import Absent
from functions.api.schemas.recordings import VersionList, VersionResponse
from functions.api.schemas.transcripts import TranscriptDocument
from functions.api.settings import settings
from functions.api.transcript_formats import FORMAT_VERSION, FORMATS

MAX_RESPONSE_BYTES = 6_000_000
"""A Lambda response has at most 6 MB (6,291,556 bytes), headers included."""

JSON = "json"
"""The format in which transcripts are stored."""

MEDIA_TYPES = {JSON: content_types.APPLICATION_JSON} | {name: form.media_type for name, form in FORMATS.items()}
"""Formats of transcripts. The first is the default for clients that accept anything."""

TRANSCRIPT_RESPONSES: dict[int, Any] = {
    200: {
        "description": "The transcript.",
        "content": {
            content_types.APPLICATION_JSON: {"model": TranscriptDocument},
            **{form.media_type: {"schema": {"type": "string"}} for form in FORMATS.values()},
        },
    }
}

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get(
    "/api/call-recordings/<recordingId>/transcript",
    responses=documented_responses(304, 404, 406, 413) | TRANSCRIPT_RESPONSES,
)
def get_transcript(
    recording_id: RecordingId,
    requested_format: Annotated[
        Literal[*MEDIA_TYPES] | Absent,  # type: ignore[valid-type]
        Query(alias="format", description="Default: the preferred one in the Accept header."),
    ] = None,
    version: Annotated[str | Absent, Query(description="One of …/transcript/versions; default: current.")] = None,
    if_none_match: IfNoneMatch = None,  # noqa: ARG001
) -> Response[str | None]:
    """Get the transcript as JSON, text, SubRip or WebVTT. Send its `ETag` as `If-None-Match` to check for changes."""
    recording = get_or_404(recording_id)
    format_name = requested_format or _preferred_format()
    bucket = settings().transcripts_bucket
    version_name = _current_version_name(recording) if version is None else version
    # A version never changes, and its rendering only with a release, so the tag is known without reading it.
    tag = weak_etag(recording.id, version_name, format_name, FORMAT_VERSION)
    cache_headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept"}
    if (
        transcripts.parse_created_at(version_name)
        and version is None
        and not_modified(router.current_event.headers, tag)
    ):
        return Response(HTTPStatus.NOT_MODIFIED, headers=cache_headers)
    document = (
        transcripts.get(bucket, recording.id, version_name) if transcripts.parse_created_at(version_name) else None
    )
    if document is None:
        raise _not_found_error(recording, version)
    if not_modified(router.current_event.headers, tag):
        return Response(HTTPStatus.NOT_MODIFIED, headers=cache_headers)
    body = document if format_name == JSON else FORMATS[format_name].render(json.loads(document))
    if _response_bytes(body) > MAX_RESPONSE_BYTES:
        raise ApiError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "transcript_too_large",
            "The transcript is too large for a response. Read it from the transcripts bucket: "
            f"s3://{bucket}/{transcripts.object_key(recording.id, version_name)}",
        )
    if format_name == JSON:
        return Response(HTTPStatus.OK, content_types.APPLICATION_JSON, body, headers=cache_headers)
    # the id instead of the file name, which may contain phone numbers
    headers = {**cache_headers, "Content-Disposition": f'attachment; filename="{recording.id}.{format_name}"'}
    return Response(HTTPStatus.OK, f"{MEDIA_TYPES[format_name]}; charset=utf-8", body, headers=headers)


@router.get("/api/call-recordings/<recordingId>/transcript/versions", responses=documented_responses(404))
def list_transcript_versions(recording_id: RecordingId) -> VersionList:
    """List all stored transcripts of a recording, newest first."""
    recording = get_or_404(recording_id)
    current_version = _current_version_name(recording)
    return VersionList(
        items=[
            VersionResponse(version=stored.name, created_at=stored.created_at, current=stored.name == current_version)
            for stored in transcripts.list_versions(settings().transcripts_bucket, recording.id)
        ]
    )


def _preferred_format() -> str:
    """Return the format that the Accept header prefers. Raises: ApiError 406, when it accepts none."""
    media_type = best_match(router.current_event.headers.get("accept", ""), list(MEDIA_TYPES.values()))
    for name, offered in MEDIA_TYPES.items():
        if offered == media_type:
            return name
    raise ApiError(
        HTTPStatus.NOT_ACCEPTABLE,
        "not_acceptable",
        f"Transcripts are available as {', '.join(MEDIA_TYPES.values())}: send one of them in the Accept header, or "
        f"send `format` with one of {', '.join(MEDIA_TYPES)}.",
    )


def _current_version_name(recording: Recording) -> str:
    """Return the name of the current version; empty if there is no transcript."""
    return recording.transcript.version if recording.transcript else ""


def _not_found_error(recording: Recording, version: str | None) -> ApiError:
    if version is None and recording.transcript:
        message = "The transcript was deleted from its bucket. Transcribe the recording again with `force`."
        return ApiError(HTTPStatus.NOT_FOUND, "no_transcript", message)
    if version is None:
        message = f"This recording has no transcript yet. Its status is {recording.status}."
        return ApiError(HTTPStatus.NOT_FOUND, "no_transcript", message)
    return ApiError(
        HTTPStatus.NOT_FOUND,
        "version_not_found",
        "This recording has no such version of its transcript. "
        f"GET /api/call-recordings/{recording.id}/transcript/versions lists all versions.",
    )


def _response_bytes(body: str) -> int:
    """Return the size as Lambda counts it: UTF-8 within another JSON document."""
    return len(json.dumps(body, ensure_ascii=False).encode())
