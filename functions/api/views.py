"""What goes over the wire, in camelCase: requests as they are validated, recordings as clients see them."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from callscribe.metadata import CallMetadata, Direction, Origin, as_written, offset_text
from callscribe.numbers import digits_of, number
from callscribe.recording import Recording, Status
from callscribe.run import Module, Outcome, Task


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time with its zone, as UTC."""


def _digits(text: str) -> str:
    if number(text) is None:
        raise ValueError("must be a phone number, its last digits (four or more) or an extension")
    return digits_of(text)


Digits = Annotated[str, Field(max_length=40), AfterValidator(_digits)]
"""A phone number as people write it, as nothing but its digits."""


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty: leave it out to list all")
    return text


Text = Annotated[str, Field(max_length=256), AfterValidator(_filled)]


class Wire(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        from_attributes=True,
        defer_build=True,  # most requests need one or two of them
    )


class FailureView(Wire):
    """Why the last attempt ended."""

    code: str
    message: str
    at: datetime
    retryable: bool


class TranscriptView(Wire):
    """The current transcript in short; the whole is at …/transcript. `partial`: of one channel only."""

    version: str
    language: str | None
    duration: float | None
    preview: str
    no_speech: bool
    partial: bool


class AudioView(Wire):
    """What the file says of its audio: `duration` in seconds, `sampleRate` in Hz. Known from the first attempt on."""

    codec: str | None
    duration: float | None
    sample_rate: int | None
    channels: int | None


class MetadataView(Wire):
    """What is known of the call, as far as it is: numbers as they were written, `startedAt` with its zone if known.

    `metadataOrigins` tells for each field that is known where it was read.
    """

    phone_system: str | None
    direction: Direction | None
    caller: str | None
    callee: str | None
    extension: str | None
    remote_number: str | None
    party: str | None
    started_at: str | None
    utc_offset: str | None
    call_id: str | None
    kind: str | None
    metadata_origins: dict[str, Origin]


class RecordingView(MetadataView):
    """A recording, with what is known of its call. Times are UTC, but `startedAt`, which is as it was written.

    `sourceChanged`, `sourceMissing`: when it was noticed that the file is another one than was transcribed, or gone.
    `jobSince`: the service has been working on it by itself since then.
    """

    id: str
    path: str
    size: int
    source_changed: datetime | None
    source_missing: datetime | None
    recorded_at: datetime
    modified_at: datetime
    created_at: datetime
    transcription_status: Status
    status_since: datetime
    attempts: int
    error: FailureView | None
    next_attempt_at: datetime | None
    job_since: datetime | None
    audio: AudioView | None
    transcript: TranscriptView | None


class VersionView(Wire):
    """One stored transcript of a recording. `current`: it is what the recording shows."""

    version: str
    created_at: datetime
    current: bool


class VersionList(Wire):
    items: list[VersionView]


def view(recording: Recording) -> RecordingView:
    """A recording as clients see it: neither its claim nor its place in the indexes."""
    return RecordingView(
        **{
            name: getattr(recording, name)
            for name in RecordingView.model_fields.keys() - MetadataView.model_fields
            if name != "transcription_status"
        },
        **call_fields(recording.metadata),
        transcription_status=recording.status,
    )


def call_fields(metadata: CallMetadata) -> dict[str, Any]:
    """The fields of a MetadataView."""
    started_at, utc_offset = metadata.started_at, metadata.utc_offset
    return {
        **{name: getattr(metadata, name, None) for name in MetadataView.model_fields},
        "started_at": as_written(started_at) if started_at else None,
        "utc_offset": None if utc_offset is None else offset_text(utc_offset),
        "metadata_origins": {to_camel(name): origin for name, origin in metadata.origins.items()},
    }


class RecordingList(Wire):
    items: list[RecordingView]
    next_cursor: str | None


class OutageView(Wire):
    """The transcription service is unavailable: since when, when it is tried again, and the last error."""

    since: datetime
    next_try_at: datetime
    failures: int
    code: str
    message: str


class StatusSummary(Wire):
    """Exact counts. `outage` is null while the transcription service is available."""

    pending: int
    queued: int
    processing: int
    completed: int
    failed: int
    total: int
    outage: OutageView | None


class StatusChange(Wire):
    model_config = ConfigDict(extra="forbid")

    transcription_status: Status


class TranscribeRequest(Wire):
    model_config = ConfigDict(extra="forbid")

    force: bool = False


class WaitingView(Wire):
    """A file that is not complete yet: its size in bytes, when it was last written, and why it waits."""

    path: str
    size: int
    since: datetime
    why: str


class RunView(Wire):
    """One execution of a task. `duration` in seconds; `waiting` are the first of the files that it did not take yet."""

    id: str | None = None
    task: Task
    trigger: str
    status: Outcome
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration: float | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    waiting: list[WaitingView] = Field(default_factory=list)
    error: str | None = None
    error_code: str | None = None


class RunList(Wire):
    items: list[RunView]


class TaskView(Wire):
    """A scheduled command; it does nothing while it is paused, or its module disabled."""

    command: Task
    module: Module
    paused: bool
    last_run: RunView | None


class TaskList(Wire):
    items: list[TaskView]


class TaskChange(Wire):
    model_config = ConfigDict(extra="forbid")

    paused: bool


class CallView(Wire):
    """One HTTP exchange with the transcription service. `duration` in seconds, bytes of bodies, `error` is its code."""

    recording_id: str
    attempt: int
    method: str
    url: str
    started_at: datetime
    duration: float
    status: int | None
    bytes_sent: int
    bytes_received: int
    error: str | None


class CallList(Wire):
    items: list[CallView]
    next_cursor: str | None


class CallRecordingsView(Wire):
    """The module call-recordings with its settings as they count. `changed`: those that are not the template's.

    `timeZone` is that of times which do not tell theirs; of `patterns`, the first that matches a name counts.
    """

    slug: Module = Module.CALL_RECORDINGS
    enabled: bool
    phone_system: str
    time_zone: str
    patterns: list[str]
    extensions: list[str]
    changed: list[str]


class PreviewRequest(Wire):
    """What is given is tried instead of the present setting; null tries the template's."""

    model_config = ConfigDict(extra="forbid")

    phone_system: str | None = Field(None, max_length=100)
    time_zone: str | None = Field(None, max_length=100)
    patterns: list[str] | None = Field(None, max_length=100)

    def given(self) -> dict[str, Any]:
        """The settings that were given, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set - {"enabled"}}


class CallRecordingsChange(PreviewRequest):
    """Only what is given is changed; null brings the template's setting back."""

    enabled: bool = True
    extensions: list[str] | None = Field(None, max_length=100)


class NamedCall(MetadataView):
    """What a recording's name tells. `recordedAt`: when the call then was, in UTC."""

    path: str
    recorded_at: datetime


class NamesPreview(Wire):
    """Of so many of the newest `names`, `understood` tell something of the call, `byPattern` by a pattern of the site.

    `systems` counts those whose phone system was recognised.
    """

    names: int
    understood: int
    by_pattern: int
    systems: dict[str, int]
    examples: list[NamedCall]
    not_understood: list[str]


class ModuleView(Wire):
    slug: Module
    enabled: bool


class ModuleTest(Wire):
    """What came of trying a module as it is configured: `message` says in a person's words what is wrong."""

    ok: bool
    code: str
    message: str


class ModuleChange(Wire):
    model_config = ConfigDict(extra="forbid")

    enabled: bool
