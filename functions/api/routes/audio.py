"""/api/call-recordings/{id}/audio: a redirect to S3, or the file itself for recordings in a folder."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe.clock import utc_now
from callscribe.errors import PermanentError, RetryableError
from callscribe.recordings.recording import Recording
from callscribe.sources import OpenFile, Source, open_for_recording, open_source
from functions.api import auth
from functions.api.errors import RETRY_AFTER, ApiError
from functions.api.http_response import RangeNotSatisfiable, etag, not_modified, parse_byte_range
from functions.api.openapi import documented_responses
from functions.api.routes.recording import IfNoneMatch, RecordingId, get_or_404
from functions.api.schemas.base import Absent
from functions.api.schemas.recordings import AudioLink
from functions.api.settings import effective_call_recordings

MAX_PART_BYTES = 4 * 1024 * 1024
"""A Lambda response has at most 6 MB, and 4 MB are nearly that in base64."""

INLINE, ATTACHMENT = "inline", "attachment"
"""Content-Disposition: play the file, or download it."""

REDIRECT_SECONDS = 300
"""Lifetime of the URL in a redirect, which is followed immediately."""

MEDIA_TYPES = {
    **dict.fromkeys(("wav", "wav49"), "audio/wav"),
    **dict.fromkeys(("m4a", "mp4"), "audio/mp4"),
    **dict.fromkeys(("ogg", "oga", "opus"), "audio/ogg"),
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "webm": "audio/webm",
    "gsm": "audio/gsm",
    "amr": "audio/amr",
    "aac": "audio/aac",
    "wma": "audio/x-ms-wma",
    "3gp": "audio/3gpp",
}
"""By file extension: objects in S3 often have no content type, and browsers do not play audio without one."""

AUDIO_CONTENT = {"content": {"audio/*": {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}}}
AUDIO_RESPONSES: dict[int, Any] = {
    200: {"description": "The whole file.", **AUDIO_CONTENT},
    206: {
        "description": "The part that `Range` requests, or as much of it as a response may hold.",
        **AUDIO_CONTENT,
    },
}

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get(
    "/api/call-recordings/<recordingId>/audio",
    responses=documented_responses(302, 304, 404, 413, 416) | AUDIO_RESPONSES,
    security=[{"bearer": []}, {"link": []}],
)
def get_audio(  # noqa: PLR0917 — one per request parameter
    recording_id: RecordingId,
    expires: Annotated[int | Absent, Query(description="From a URL returned by …/audio-link.")] = None,  # noqa: ARG001
    signature: Annotated[str | Absent, Query(description="From a URL returned by …/audio-link.")] = None,  # noqa: ARG001
    if_none_match: IfNoneMatch = None,  # noqa: ARG001
    if_range: Annotated[str | Absent, Header(description="`ETag` of the part that the client has.")] = None,  # noqa: ARG001
    range_header: Annotated[str | Absent, Header(alias="Range", description="For example bytes=0-4194303.")] = None,  # noqa: ARG001
) -> Response[str | None]:
    """Get the audio: a redirect to a URL that is valid for five minutes (S3), or the file itself (folder).

    Files support `Range`, and require it if they are larger than 4 MB, which is the maximum size of a part.
    """
    recording = _get_playable(recording_id)
    if url := _presigned_url(recording, REDIRECT_SECONDS):
        return Response(HTTPStatus.FOUND, headers={"Location": url})
    try:
        with _open_configured_source(recording).open(recording.key) as file:
            return _file_response(file, recording)
    except PermanentError as error:
        raise ApiError(HTTPStatus.NOT_FOUND, error.code, error.message) from error
    except RetryableError as error:
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, error.code, error.message, headers=RETRY_AFTER) from error


@router.get("/api/call-recordings/<recordingId>/audio-link", responses=documented_responses(404))
def get_audio_link(recording_id: RecordingId) -> AudioLink:
    """Get a URL of the audio that needs no key and is valid for an hour: for players, which cannot send headers."""
    recording = _get_playable(recording_id)
    # players accept an attachment too, and a browser downloads it even if it cannot play the format
    if url := _presigned_url(recording, auth.LINK_LIFETIME_SECONDS, ATTACHMENT):
        return AudioLink(url=url, expires_at=utc_now() + timedelta(seconds=auth.LINK_LIFETIME_SECONDS))
    _open_configured_source(recording)
    path, expires = auth.sign_audio_link(recording_id, router.context["key"])
    return AudioLink(url=path, expires_at=datetime.fromtimestamp(expires, UTC))


def _get_playable(recording_id: str) -> Recording:
    """Raises: ApiError 404, when the recording or its file does not exist."""
    recording = get_or_404(recording_id)
    if recording.source_missing:
        message = "The file no longer exists. Restore it, and the next sync finds it."
        raise ApiError(HTTPStatus.NOT_FOUND, "audio_missing", message)
    return recording


def _presigned_url(recording: Recording, seconds: int, disposition_type: str = INLINE) -> str | None:
    """Return a URL that works without credentials; None for a folder.

    The download is named after the recording's id, because file names contain phone numbers.
    """
    return open_for_recording(recording.location).presigned_url(
        recording.key,
        seconds,
        content_type=_media_type(recording),
        disposition=_disposition(recording, disposition_type),
    )


def _open_configured_source(recording: Recording) -> Source:
    """Open the configured source, never another one. Raises: ApiError 404, when the recording is not in it."""
    source = open_source(effective_call_recordings().recordings_path)
    if source.location != recording.location or not recording.key.startswith(source.prefix):
        message = "The recording is outside the current recordings path, so its audio cannot be opened."
        raise ApiError(HTTPStatus.NOT_FOUND, "audio_missing", message)
    return source


def _file_response(file: OpenFile, recording: Recording) -> Response[str | None]:
    """Return the file or the requested part. Raises: ApiError 413 or 416, see `get_audio`."""
    event, length = router.current_event, file.length
    tag = etag(file.stat(recording.key).fingerprint)
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": tag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": _disposition(recording),
    }
    if not_modified(event.headers, tag):
        return Response(HTTPStatus.NOT_MODIFIED, headers=headers)
    try:
        requested_range = parse_byte_range(event.headers, tag, length)
    except RangeNotSatisfiable:
        headers = {"Content-Range": f"bytes */{length}", "Accept-Ranges": "bytes"}
        message = f"The range starts after the end of the audio, which has {length} bytes."
        raise ApiError(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "range_not_satisfiable", message, headers=headers
        ) from None
    if requested_range is None and length > MAX_PART_BYTES:
        message = (
            f"The audio has {length} bytes, more than fit into one response. "
            f"Request it in parts, with the header Range: bytes=0-{MAX_PART_BYTES - 1} and so on."
        )
        raise ApiError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "audio_too_large", message, headers={"Accept-Ranges": "bytes"}
        )
    status, first, last = HTTPStatus.OK, 0, length - 1
    if requested_range is not None:
        status, first, last = (
            HTTPStatus.PARTIAL_CONTENT,
            requested_range[0],
            min(requested_range[1], requested_range[0] + MAX_PART_BYTES - 1),
        )
        headers["Content-Range"] = f"bytes {first}-{last}/{length}"
    content = b64encode(file.read_at(first, last - first + 1)).decode()
    response: Response[str | None] = Response(status, _media_type(recording), content, headers=headers)
    response.base64_encoded = True  # encoded here because Powertools decodes the bytes of a validated route as UTF-8
    return response


def _disposition(recording: Recording, disposition_type: str = INLINE) -> str:
    return f'{disposition_type}; filename="{recording.id}.{_file_extension(recording)}"'


def _file_extension(recording: Recording) -> str:
    extension = recording.key.rpartition(".")[2].lower()
    return extension if extension in MEDIA_TYPES else "bin"


def _media_type(recording: Recording) -> str:
    return MEDIA_TYPES.get(_file_extension(recording), "application/octet-stream")
