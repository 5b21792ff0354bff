"""Recordings and their transcripts as clients see them, and what can be asked of them."""

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
    PatchModel,
    PhoneDigits,
    RequestModel,
    ResponseModel,
    Text,
    UtcDateTime,
    ZoneOptionalDateTime,
    patch_model_config,
)
from functions.api.settings import settings


class FailureResponse(ResponseModel):
    """Why the last attempt ended."""

    code: str = Field(examples=["service_error"])
    message: str = Field(examples=["The service failed (500). Look into its log."])
    at: datetime
    retryable: bool = Field(description="Whether the same audio may succeed later: a class of errors, not a forecast.")
    http_status: int | None = Field(
        validation_alias=AliasChoices("httpStatus", "status"),  # as it stands in the answer, and in the record
        description="Of HTTP, where the service answered with one of failure; null otherwise.",
        examples=[500],
    )


class TranscriptSummary(ResponseModel):
    """The current transcript in short; the whole is at …/transcript."""

    version: str = Field(examples=["20261118T093310123456-4f1c2a"])
    language: str | None = Field(examples=["en"])
    duration: float | None = Field(description="Seconds.", examples=[6.4])
    preview: str = Field(description="How its text begins.")
    no_speech: bool = Field(description="Nobody speaks: the transcript is empty, and that is no failure.")
    partial: bool = Field(description="Of a stereo call, only one channel could be transcribed.")


class AudioResponse(ResponseModel):
    """What the file says of its audio. Known from the first attempt on."""

    codec: str | None = Field(examples=["pcm_s16le"])
    duration: float | None = Field(description="Seconds.", examples=[6.4])
    sample_rate: int | None = Field(description="Hz.", examples=[8000])
    channels: int | None = Field(examples=[1])


class MetadataResponse(ResponseModel):
    """What is known of the call, as far as it is."""

    phone_system: str | None = Field(examples=["freepbx"])
    direction: Direction | None = Field(description="Seen from the phone system that recorded the call.")
    caller: str | None = Field(description="The number, as it was written.", examples=["2025550143"])
    callee: str | None = Field(description="The number, as it was written.", examples=["2025550100"])
    extension: str | None = Field(examples=["101"])
    remote_number: str | None = Field(description="The outside number where it is not known which side called.")
    party: str | None = Field(description="The name of the other side.")
    started_at: str | None = Field(
        description="As it was written: with its zone where that is known, else local; a mere date without a time.",
        examples=["2026-11-18T09:30:12Z"],
    )
    utc_offset: str | None = Field(description="Of the phone system, where it can be told.", examples=["+01:00"])
    call_id: str | None = Field(examples=["1795012210.17"])
    kind: str | None = Field(description="What is not an ordinary call: conference, page, radio, meeting, leg.")
    metadata_origins: dict[str, Provenance] = Field(description="Of each field that is known, where it was read.")


class RecordingResponse(MetadataResponse):
    """One audio file of one call, and everything known of it. Times are UTC, but `startedAt`."""

    id: str = Field(description="The same file has the same id for ever.", examples=["q5z3w7xk2m4n6p8r3t5v"])
    path: str = Field(examples=["s3://recordings/2026/11/18/in-2025550100-2025550143.wav"])
    size: int = Field(description="Bytes.", examples=[102444])
    source_changed: datetime | None = Field(
        description="When it was noticed that the file is another one than was transcribed."
    )
    source_missing: datetime | None = Field(description="When it was noticed that the file is gone.")
    recorded_at: datetime = Field(description="When the call was, as well as is known. Lists are sorted by it.")
    modified_at: datetime = Field(description="When the file was last written.")
    created_at: datetime = Field(description="When the recording was found.")
    transcription_status: Status
    status_since: datetime
    attempts: int = Field(description="Attempts since somebody last asked for a fresh start.", examples=[1])
    max_attempts: int = Field(
        description="Attempts before it waits for a person: a setting of the stack.", examples=[5]
    )
    error: FailureResponse | None = Field(description="Why the last attempt ended, until one succeeds.")
    next_attempt_at: datetime | None = Field(description="When a failed one is tried again; null: a person decides.")
    job_started_at: datetime | None = Field(description="The service has been working on it by itself since then.")
    audio: AudioResponse | None
    transcript: TranscriptSummary | None


def to_recording_response(recording: Recording) -> RecordingResponse:
    """A recording as clients see it: neither its claim nor its place in the indexes."""
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
    """The fields of a MetadataView."""
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
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last.")


class OutageResponse(ResponseModel):
    """The transcription service is unavailable: since when, when it is tried again, and the last error."""

    since: datetime
    next_try_at: datetime = Field(description="When one recording is sent, to find out.")
    failures: int = Field(description="Tries in a row that found it unavailable.")
    code: str = Field(examples=["service_unavailable"])
    message: str


class StatusSummary(ResponseModel):
    """Exact counts."""

    pending: int
    queued: int
    processing: int
    completed: int
    failed: int
    total: int
    outage: OutageResponse | None = Field(description="Null while the transcription service is available.")


class CountResponse(ResponseModel):
    """How many there are."""

    count: int = Field(examples=[1284])
    exact: bool = Field(description="False where counting took longer than a request may: there are at least so many.")


INVISIBLE_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What nobody sees and numbers bring along that are copied from elsewhere: control characters, marks of direction."""

MetadataText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    BeforeValidator(lambda value: INVISIBLE_CHARACTERS.sub("", value) if isinstance(value, str) else value),
]


class MetadataRequest(RequestModel):
    """What a person knows better. Null forgets a field, until it is read again with a changed file or sidecar."""

    direction: Direction | None = None
    caller: MetadataText | None = Field(None, description="Who called: a number.", examples=["+1 202 555 0143"])
    callee: MetadataText | None = Field(None, description="Who was called: a number.")
    extension: MetadataText | None = None
    remote_number: MetadataText | None = Field(
        None, description="The outside number where it is not known which side called."
    )
    party: MetadataText | None = Field(None, description="The name of the other side.", examples=["Ann Lee"])
    started_at: ZoneOptionalDateTime | None = Field(
        None, description="RFC 3339; without a zone, in the time zone of the module call-recordings."
    )
    call_id: MetadataText | None = None
    phone_system: Literal[*SYSTEMS] | None = None  # type: ignore[valid-type]  # a literal of what there is

    def corrections(self) -> dict[str, Any]:
        """The fields that were given, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set & MetadataRequest.model_fields.keys()}


class RecordingUpdateRequest(MetadataRequest, PatchModel):
    """Another status, other metadata, or both: all of it or nothing."""

    model_config = patch_model_config({"transcriptionStatus": "queued"})

    transcription_status: Status = Field(  # type: ignore[assignment]  # null cannot be sent
        default=None, description="A person gives failed → queued or pending, pending ↔ queued; anything else is 409."
    )

    @property
    def target_status(self) -> Status | None:
        """The status that was given; None where none was."""
        return self.transcription_status if "transcription_status" in self.model_fields_set else None


class Registration(MetadataRequest):
    """One file that lies inside the source."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"path": "s3://recordings/2026/11/18/call.wav"}]})

    path: str = Field(
        min_length=1, max_length=2048, description="As `path` of a recording is: s3://bucket/key, or a file."
    )


class TranscribeRequest(RequestModel):
    """How a recording is to be transcribed."""

    force: StrictBool = Field(default=False, description="Also where it is completed: a new version of its transcript.")


class RetryRequest(RequestModel):
    """Which of the failed recordings: those that match all that is given. Nothing given: all of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"errorCode": "service_error", "dryRun": True}]})

    transcription_status: Literal[Status.FAILED] = Field(Status.FAILED, description="Others are not retried.")
    error_code: Code | None = Field(None, description="Of the last error.")
    search: Text | None = Field(None, description="As `search` of the list.")
    phone_number: PhoneDigits | None = Field(None, description="As `phoneNumber` of the list.")
    direction: Direction | None = None
    since: UtcDateTime | None = Field(None, alias="from", description="Calls at or after this time.")
    until: UtcDateTime | None = Field(None, alias="to", description="Calls at or before this time.")
    dry_run: StrictBool = Field(default=False, description="Counts them, and changes nothing.")


class RetryCount(CountResponse):
    """What a dry run found."""

    dry_run: Literal[True] = Field(default=True, description="Nothing was changed.")


class VersionResponse(ResponseModel):
    """One stored transcript of a recording."""

    version: str
    created_at: datetime
    current: bool = Field(description="It is what the recording shows.")


class VersionList(ResponseModel):
    """Every stored transcript of a recording, newest first."""

    items: list[VersionResponse]


class AudioLink(ResponseModel):
    """An address of the audio that wants no header: for the `src` of a player."""

    url: str = Field(
        description="For recordings in S3 there; for those in a folder relative to this API. It takes Range."
    )
    expires_at: datetime
