"""/api/call-recordings/{id}/audio: what was recorded, from S3 by a short-lived address, from a folder by ourselves."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe.clock import utc_now
from callscribe.errors import PermanentError, RetryableError
from callscribe.recording import Recording
from callscribe.sources import Opened, Source, open_location, open_source
from functions.api import links
from functions.api.conditions import Unsatisfiable, byte_range, etag, is_known
from functions.api.errors import ApiError
from functions.api.routes.call_recordings import Id, IfNoneMatch, existing
from functions.api.settings import call_recordings
from functions.api.specification import answers
from functions.api.views.recordings import AudioLink
from functions.api.views.wire import Absent

LARGEST_PART = 4 * 1024 * 1024
"""Bytes. Lambda answers with 6 MB at most, and in base64 four become nearly that."""

INLINE, ATTACHMENT = "inline", "attachment"
"""To be shown, or to be kept."""

REDIRECT_SECONDS = 300
"""How long the address in a redirect is good: it is followed at once."""

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
"""By the ending of the name: what lies in S3 often has no type of its own, and a browser plays nothing without."""

FILE = {"content": {"audio/*": {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}}}
AUDIO: dict[int, Any] = {
    200: {"description": "The whole file.", **FILE},
    206: {"description": "The part that `Range` names, or as much of it as an answer may hold.", **FILE},
}

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get(
    "/api/call-recordings/<recordingId>/audio",
    responses=answers(302, 304, 404, 413, 416) | AUDIO,
    security=[{"bearer": []}, {"link": []}],
)
def get_audio(  # noqa: PLR0917 — the parameters' names
    recording_id: Id,
    expires: Annotated[int | Absent, Query(description="Of an address from …/audio-link.")] = None,  # noqa: ARG001
    signature: Annotated[str | Absent, Query(description="Of an address from …/audio-link.")] = None,  # noqa: ARG001
    if_none_match: IfNoneMatch = None,  # noqa: ARG001
    if_range: Annotated[str | Absent, Header(description="The `ETag` of the part that one has.")] = None,  # noqa: ARG001
    wanted: Annotated[str | Absent, Header(alias="Range", description="Such as bytes=0-4194303.")] = None,  # noqa: ARG001
) -> Response[str | None]:
    """The recording's audio: in S3 a redirect to an address that is good for five minutes; in a folder the file itself.

    A file takes `Range`, and wants it where it is larger than 4 MB: then parts of that size are answered.
    """
    found = _playable(recording_id)
    if address := _address(found, REDIRECT_SECONDS):
        return Response(HTTPStatus.FOUND, headers={"Location": address})
    try:
        with _source_of(found).open(found.key) as file:
            return _file(file, found)
    except PermanentError as error:
        raise ApiError(HTTPStatus.NOT_FOUND, error.code, error.message) from error
    except RetryableError as error:
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, error.code, error.message) from error


@router.get("/api/call-recordings/<recordingId>/audio-link", responses=answers(404))
def get_audio_link(recording_id: Id) -> AudioLink:
    """An address of the audio that wants no key, for an hour: for players, which cannot send headers."""
    found = _playable(recording_id)
    # a player takes it as well; who opens it otherwise is to have the file, also of a format that browsers do not play
    if address := _address(found, links.SECONDS, ATTACHMENT):
        return AudioLink(url=address, expires_at=utc_now() + timedelta(seconds=links.SECONDS))
    _source_of(found)
    path, expires = links.sign(recording_id, router.context["key"])
    return AudioLink(url=path, expires_at=datetime.fromtimestamp(expires, UTC))


def _playable(recording_id: str) -> Recording:
    """Raises ApiError 404."""
    found = existing(recording_id)
    if found.source_missing:
        message = "The file is gone from where it was. Put it back: the next sync finds it."
        raise ApiError(HTTPStatus.NOT_FOUND, "audio_missing", message)
    return found


def _address(recording: Recording, seconds: int, kind: str = INLINE) -> str | None:
    """Where anybody can get it for so long; None where only we can. It is named by its id: names hold phone numbers."""
    return open_location(recording.location).link(
        recording.key, seconds, content_type=_media_type(recording), disposition=_disposition(recording, kind)
    )


def _source_of(recording: Recording) -> Source:
    """The source as it is configured: nothing else is opened. Raises ApiError 404."""
    source = open_source(call_recordings().recordings_path)
    if source.location != recording.location or not recording.key.startswith(source.prefix):
        message = "The recording lies outside of the recordings path as it is set now, so its audio cannot be opened."
        raise ApiError(HTTPStatus.NOT_FOUND, "audio_missing", message)
    return source


def _file(file: Opened, recording: Recording) -> Response[str | None]:
    """The file, or the part that is asked for. Raises ApiError 413, 416."""
    event, length = router.current_event, file.length
    tag = etag(file.listed(recording.key).mark)
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": tag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": _disposition(recording),
    }
    if is_known(event.headers, tag):
        return Response(HTTPStatus.NOT_MODIFIED, headers=headers)
    try:
        part = byte_range(event.headers, tag, length)
    except Unsatisfiable:
        headers = {"Content-Range": f"bytes */{length}", "Accept-Ranges": "bytes"}
        message = f"The audio has {length} bytes: the range begins behind its end."
        raise ApiError(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "range_not_satisfiable", message, headers=headers
        ) from None
    if part is None and length > LARGEST_PART:
        message = (
            f"The audio has {length} bytes, more than one answer may hold. "
            f"Ask for it in parts, with the header Range: bytes=0-{LARGEST_PART - 1} and so on."
        )
        raise ApiError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "audio_too_large", message, headers={"Accept-Ranges": "bytes"}
        )
    status, first, last = HTTPStatus.OK, 0, length - 1
    if part is not None:
        status, first, last = HTTPStatus.PARTIAL_CONTENT, part[0], min(part[1], part[0] + LARGEST_PART - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{length}"
    content = b64encode(file.read_at(first, last - first + 1)).decode()
    answer: Response[str | None] = Response(status, _media_type(recording), content, headers=headers)
    answer.base64_encoded = True  # not by Powertools, which takes the bytes of a validated route for UTF-8
    return answer


def _disposition(recording: Recording, kind: str = INLINE) -> str:
    return f'{kind}; filename="{recording.id}.{_ending(recording)}"'


def _ending(recording: Recording) -> str:
    ending = recording.key.rpartition(".")[2].lower()
    return ending if ending in MEDIA_TYPES else "bin"


def _media_type(recording: Recording) -> str:
    return MEDIA_TYPES.get(_ending(recording), "application/octet-stream")
