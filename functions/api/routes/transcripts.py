"""/api/call-recordings/{id}/transcript: what was said, as JSON, text or captions, in any stored version."""

import json
from http import HTTPStatus
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe.captions import FORMATS, REVISION
from callscribe.recording import Recording
from callscribe.store import transcripts
from functions.api.accept import best
from functions.api.conditions import is_known, weak_etag
from functions.api.errors import ApiError
from functions.api.routes.call_recordings import Id, IfNoneMatch, existing
from functions.api.settings import settings
from functions.api.specification import answers
from functions.api.views.recordings import VersionList, VersionView
from functions.api.views.wire import Absent

LARGEST_ANSWER = 6_000_000
"""Bytes; Lambda answers with 6 MB at most (6,291,556), headers and all."""

JSON = "json"
"""The format in which transcripts are stored."""

MEDIA_TYPES = {JSON: content_types.APPLICATION_JSON} | {name: each.media_type for name, each in FORMATS.items()}
"""What a transcript may be had as; the first when a client takes anything."""

TRANSCRIPT: dict[int, Any] = {
    200: {
        "description": "The transcript.",
        "content": {
            content_types.APPLICATION_JSON: {"schema": {"type": "object"}},
            **{each.media_type: {"schema": {"type": "string"}} for each in FORMATS.values()},
        },
    }
}

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/api/call-recordings/<recordingId>/transcript", responses=answers(304, 404, 406, 413) | TRANSCRIPT)
def get_transcript(
    recording_id: Id,
    wanted: Annotated[
        Literal[*MEDIA_TYPES] | Absent,  # type: ignore[valid-type]
        Query(alias="format", description="Else as the Accept header likes it best."),
    ] = None,
    version: Annotated[str | Absent, Query(description="One of …/transcript/versions; else the current one.")] = None,
    if_none_match: IfNoneMatch = None,  # noqa: ARG001
) -> Response[str | None]:
    """The transcript as JSON, text, SubRip or WebVTT. Its `ETag` is good for `If-None-Match`."""
    found = existing(recording_id)
    form = wanted or _liked()
    bucket, name = settings().transcripts_bucket, _current(found) if version is None else version
    # a version never changes, and what is written of it only with Callscribe: nothing need be read to know the tag
    tag = weak_etag(found.id, name, form, REVISION)
    seen = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept"}
    if transcripts.created_at(name) and version is None and is_known(router.current_event.headers, tag):
        return Response(HTTPStatus.NOT_MODIFIED, headers=seen)
    document = transcripts.get(bucket, found.id, name) if transcripts.created_at(name) else None
    if document is None:
        raise _missing(found, version)
    if is_known(router.current_event.headers, tag):
        return Response(HTTPStatus.NOT_MODIFIED, headers=seen)
    body = document if form == JSON else FORMATS[form].write(json.loads(document))
    if _size(body) > LARGEST_ANSWER:
        raise ApiError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "transcript_too_large",
            "The transcript is larger than an answer may be. It lies in the transcripts bucket: "
            f"s3://{bucket}/{transcripts.key_of(found.id, name)}",
        )
    if form == JSON:
        return Response(HTTPStatus.OK, content_types.APPLICATION_JSON, body, headers=seen)
    # the id, never the recording's own name: names hold phone numbers
    headers = {**seen, "Content-Disposition": f'attachment; filename="{found.id}.{form}"'}
    return Response(HTTPStatus.OK, f"{MEDIA_TYPES[form]}; charset=utf-8", body, headers=headers)


@router.get("/api/call-recordings/<recordingId>/transcript/versions", responses=answers(404))
def list_transcript_versions(recording_id: Id) -> VersionList:
    """Every transcript that is stored for a recording, newest first."""
    found = existing(recording_id)
    current = _current(found)
    return VersionList(
        items=[
            VersionView(version=each.name, created_at=each.created_at, current=each.name == current)
            for each in transcripts.versions(settings().transcripts_bucket, found.id)
        ]
    )


def _liked() -> str:
    """The format that the Accept header likes best. Raises ApiError 406."""
    media_type = best(router.current_event.headers.get("accept", ""), list(MEDIA_TYPES.values()))
    for name, each in MEDIA_TYPES.items():
        if each == media_type:
            return name
    raise ApiError(
        HTTPStatus.NOT_ACCEPTABLE,
        "not_acceptable",
        f"A transcript comes as {', '.join(MEDIA_TYPES.values())}: name one of them in the Accept header, or send "
        f"`format` with one of {', '.join(MEDIA_TYPES)}.",
    )


def _current(recording: Recording) -> str:
    """The name of the current version; empty while there is none."""
    return recording.transcript.version if recording.transcript else ""


def _missing(recording: Recording, version: str | None) -> ApiError:
    if version is None and recording.transcript:
        message = "The transcript is gone from its bucket. Transcribe the recording again, with force."
        return ApiError(HTTPStatus.NOT_FOUND, "no_transcript", message)
    if version is None:
        message = f"This recording has no transcript yet: it is {recording.status}."
        return ApiError(HTTPStatus.NOT_FOUND, "no_transcript", message)
    return ApiError(
        HTTPStatus.NOT_FOUND,
        "no_such_version",
        "This recording has no transcript of this version. "
        f"GET /api/call-recordings/{recording.id}/transcript/versions lists those there are.",
    )


def _size(body: str) -> int:
    """As Lambda counts it: in UTF-8, and inside another JSON document."""
    return len(json.dumps(body, ensure_ascii=False).encode())
