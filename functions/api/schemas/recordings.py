"""Recordings and their transcripts in requests and responses."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, ConfigDict, Field, StrictBool, StringConstraints
from pydantic.alias_generators import to_camel

from callscribe.call_metadata.metadata import CallMetadata, Direction, Provenance, format_started_at, format_utc_offset
from callscribe.phone_systems import SYSTEMS
from callscribe.recordings.recording import Recording, Status
from functions.api.schemas.base import (
    Code,
    PhoneDigits,
    RequestModel,
    ResponseModel,
    Text,
    UtcDateTime,
    ZoneOptionalDateTime,
    update_model_config,
)
from functions.api.settings import settings


class FailureResponse(ResponseModel):
    """The error that ended the last attempt."""

    code: str = Field(examples=["service_error"])
    message: str = Field(examples=["The WhisperX server failed (500). See its log."])
    at: datetime
    retryable: bool = Field(description="Whether errors of this kind can go away without a change of the audio.")
    http_status: int | None = Field(
        validation_alias=AliasChoices("httpStatus", "status"),  # in responses, and in the record
        description="HTTP error status of the WhisperX server; null if there was none.",
        examples=[500],
    )


class TranscriptSummary(ResponseModel):
    """Summary of the current transcript. …/transcript returns all of it."""

    version: str = Field(examples=["20261118T093310123456-4f1c2a"])
    language: str | None = Field(examples=["en"])
    duration: float | None = Field(description="Seconds.", examples=[6.4])
    preview: str = Field(description="The beginning of its text.")
    no_speech: bool = Field(description="No speech was detected. The transcript is empty; this is not an error.")
    partial: bool = Field(description="Only one channel of a stereo recording could be transcribed.")


class AudioResponse(ResponseModel):
    """Properties of the audio file. Known after the first attempt."""

    codec: str | None = Field(examples=["pcm_s16le"])
    duration: float | None = Field(description="Seconds.", examples=[6.4])
    sample_rate: int | None = Field(description="Hz.", examples=[8000])
    channels: int | None = Field(examples=[1])


class MetadataResponse(ResponseModel):
    """Metadata of the call. Unknown fields are null."""

    phone_system: str | None = Field(examples=["freepbx"])
    direction: Direction | None = Field(description="As seen by the phone system that recorded the call.")
    caller: str | None = Field(description="Number of the caller, as found in the source.", examples=["2025550143"])
    callee: str | None = Field(description="Number of the callee, as found in the source.", examples=["2025550100"])
    extension: str | None = Field(examples=["101"])
    remote_number: str | None = Field(description="External number if it is unknown which side called.")
    party: str | None = Field(description="Name of the other party.")
    started_at: str | None = Field(
        description="As found in the source: with its zone if known, else local time; or only a date.",
        examples=["2026-11-18T09:30:12Z"],
    )
    utc_offset: str | None = Field(description="UTC offset of the phone system, if known.", examples=["+01:00"])
    call_id: str | None = Field(examples=["1795012210.17"])
    kind: str | None = Field(description="Set if it is not an ordinary call: conference, page, radio, meeting, leg.")
    metadata_origins: dict[str, Provenance] = Field(description="Source of each known field.")


class RecordingResponse(MetadataResponse):
    """One audio file of a call with its metadata and status. Times are UTC, except `startedAt`."""

    id: str = Field(description="Stable: derived from the first path of the file.", examples=["q5z3w7xk2m4n6p8r3t5v"])
    path: str = Field(examples=["s3://recordings/2026/11/18/in-2025550100-2025550143.wav"])
    size: int = Field(description="Bytes.", examples=[102444])
    source_changed: datetime | None = Field(
        description="When it was detected that the file changed after transcription."
    )
    source_missing: datetime | None = Field(description="When it was detected that the file no longer exists.")
    recorded_at: datetime = Field(description="Best known time of the call. Lists are sorted by it.")
    modified_at: datetime = Field(description="When the file was last modified.")
    created_at: datetime = Field(description="When the recording was ingested.")
    transcription_status: Status
    status_since: datetime
    attempts: int = Field(description="Attempts since the last manual retry.", examples=[1])
    max_attempts: int = Field(
        description="Maximum attempts before a manual retry is needed: a setting of the stack.", examples=[5]
    )
    error: FailureResponse | None = Field(description="Error of the last attempt, until one succeeds.")
    next_attempt_at: datetime | None = Field(description="When it is retried; null if it needs a manual retry.")
    job_started_at: datetime | None = Field(
        description="When the job that the WhisperX server is running for it was started."
    )
    job_presumed_lost_at: datetime | None = Field(
        description="Since when the WhisperX server has probably lost the job, because it had stopped or the job takes "
        "too long. The job is polled until `jobDeadline`, while other recordings are sent; then the recording is sent "
        "again."
    )
    job_deadline: datetime | None = Field(description="When the job is given up, and the recording sent again.")
    audio: AudioResponse | None
    transcript: TranscriptSummary | None


def to_recording_response(recording: Recording) -> RecordingResponse:
    """Convert a recording to its response, without its claim and its sort keys."""
    return RecordingResponse(
        **{
            name: getattr(recording, name)
            for name in RecordingResponse.model_fields.keys() - MetadataResponse.model_fields
            if name not in ("transcription_status", "max_attempts")
        },
        **to_metadata_fields(recording.metadata),
        transcription_status=recording.status,
        max_attempts=settings().max_attempts,
    )


def to_metadata_fields(metadata: CallMetadata) -> dict[str, Any]:
    """Return the fields of a MetadataResponse."""
    started_at, utc_offset = metadata.started_at, metadata.utc_offset
    return {
        **{name: getattr(metadata, name, None) for name in MetadataResponse.model_fields},
        "started_at": format_started_at(started_at) if started_at else None,
        "utc_offset": None if utc_offset is None else format_utc_offset(utc_offset),
        "metadata_origins": {to_camel(name): origin for name, origin in metadata.provenance.items()},
    }


class RecordingList(ResponseModel):
    """A page of recordings."""

    items: list[RecordingResponse]
    next_cursor: str | None = Field(description="Send it as `cursor` to get the next page; null on the last page.")


class OutageResponse(ResponseModel):
    """An outage of the WhisperX server; with the code `access_denied`, of the source of the recordings."""

    since: datetime
    next_try_at: datetime = Field(description="When the next probe is sent: one recording, to test the server.")
    failures: int = Field(description="Consecutive failed attempts, including the first one.")
    code: str = Field(examples=["service_unavailable"])
    message: str


class LostJobsResponse(ResponseModel):
    """Jobs that the WhisperX server has probably lost: it was restarted, or they take too long. It may finish them."""

    count: int = Field(examples=[1])
    until: datetime = Field(description="When the last of them is given up, and its recording sent again.")


class StatusSummary(ResponseModel):
    """Number of recordings by status; exact."""

    pending: int
    queued: int
    processing: int
    completed: int
    failed: int
    total: int
    outage: OutageResponse | None = Field(description="Null while recordings can be read and sent.")
    lost_jobs: LostJobsResponse | None = Field(
        description="Jobs that the WhisperX server has probably lost and that are waited for; null if there are none."
    )


class CountResponse(ResponseModel):
    """Number of matching recordings."""

    count: int = Field(examples=[1284])
    exact: bool = Field(description="False if counting took longer than one request may; `count` is then a minimum.")


CONTROLS_AND_DIRECTION_MARKS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Removed from corrected metadata: they are copied along with numbers from other programs."""

MetadataText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    BeforeValidator(lambda value: CONTROLS_AND_DIRECTION_MARKS.sub("", value) if isinstance(value, str) else value),
]


class MetadataRequest(RequestModel):
    """Corrected metadata. Null clears a field until it is read again from a changed file or sidecar."""

    direction: Direction | None = None
    caller: MetadataText | None = Field(None, description="Number of the caller.", examples=["+1 202 555 0143"])
    callee: MetadataText | None = Field(None, description="Number of the callee.")
    extension: MetadataText | None = None
    remote_number: MetadataText | None = Field(None, description="External number if it is unknown which side called.")
    party: MetadataText | None = Field(None, description="Name of the other party.", examples=["Ann Lee"])
    started_at: ZoneOptionalDateTime | None = Field(
        None, description="RFC 3339. Without a zone, the time zone of the module call-recordings applies."
    )
    call_id: MetadataText | None = None
    phone_system: Literal[*SYSTEMS] | None = None  # type: ignore[valid-type]  # a literal built at import

    def corrections(self) -> dict[str, Any]:
        """Return the submitted fields by name."""
        return {name: getattr(self, name) for name in self.model_fields_set & MetadataRequest.model_fields.keys()}


class RecordingUpdateRequest(MetadataRequest):
    """A new status, corrected metadata, or both, applied together."""

    model_config = update_model_config({"transcriptionStatus": "queued"})

    transcription_status: Status = Field(  # type: ignore[assignment]  # null cannot be sent
        default=None, description="Allowed: failed → queued or pending, pending ↔ queued. Anything else returns 409."
    )

    @property
    def target_status(self) -> Status | None:
        """The submitted status; None if the request does not contain one."""
        return self.transcription_status if "transcription_status" in self.model_fields_set else None


class Registration(MetadataRequest):
    """A file within the recordings path, with optional metadata."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"path": "s3://recordings/2026/11/18/call.wav"}]})

    path: str = Field(
        min_length=1, max_length=2048, description="s3://bucket/key, or the path of a file: as `path` of a recording."
    )


class TranscribeRequest(RequestModel):
    """Options of a transcription."""

    force: StrictBool = Field(default=False, description="Also transcribe a completed recording: adds a version.")


class RetryRequest(RequestModel):
    """Filter of the failed recordings to retry. All conditions must match; without any, all are retried."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"errorCode": "service_error", "dryRun": True}]})

    transcription_status: Literal[Status.FAILED] = Field(Status.FAILED, description="Others cannot be retried.")
    error_code: Code | None = Field(None, description="Code of the last error.")
    search: Text | None = Field(None, description="See `search` of the list.")
    phone_number: PhoneDigits | None = Field(None, description="See `phoneNumber` of the list.")
    direction: Direction | None = None
    since: UtcDateTime | None = Field(None, alias="from", description="Earliest time of the call, inclusive.")
    until: UtcDateTime | None = Field(None, alias="to", description="Latest time of the call, inclusive.")
    dry_run: StrictBool = Field(default=False, description="Only count the recordings; change nothing.")


class RetryCount(CountResponse):
    """Result of a dry run."""

    dry_run: Literal[True] = Field(default=True, description="Nothing was changed.")


class VersionResponse(ResponseModel):
    """One stored transcript of a recording."""

    version: str
    created_at: datetime
    current: bool = Field(description="Whether this is the current transcript.")


class VersionList(ResponseModel):
    """All stored transcripts of a recording, newest first."""

    items: list[VersionResponse]


class AudioLink(ResponseModel):
    """A URL of the audio that needs no headers: for the `src` of a player."""

    url: str = Field(
        description="An S3 URL for recordings in S3; relative to this API for those in a folder. Supports Range."
    )
    expires_at: datetime
