"""A recording: one audio file of one call, everything known of it, and its five statuses."""

import hashlib
import re
from base64 import b32encode
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from callscribe.call_metadata.metadata import CallMetadata


class Status(StrEnum):
    """Where a recording is on its way."""

    PENDING = "pending"
    """Found by sync, not yet in line."""
    QUEUED = "queued"
    """In line for transcription."""
    PROCESSING = "processing"
    """Claimed by one worker, until its lease runs out."""
    COMPLETED = "completed"
    """Its transcript is stored."""
    FAILED = "failed"
    """The last attempt failed: to be retried when `next_attempt_at` has come or, without one, by a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why the last attempt ended. `retryable` is the error's class, not whether attempts are left.

    `status` is that of HTTP where the error is what the service answered.
    """

    code: str
    message: str
    at: datetime
    retryable: bool
    status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptRef:
    """Points at the current transcript in S3. `duration` in seconds; `preview` is the beginning of its text.

    `partial`: of a stereo call, only one channel could be transcribed.
    """

    version: str
    language: str | None
    duration: float | None
    preview: str
    no_speech: bool
    partial: bool = False


class Channel(StrEnum):
    """One of the two channels of a stereo recording."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioInfo:
    """What the file itself says of its audio, as far as it does. `duration` in seconds, `sample_rate` in Hz."""

    codec: str | None = None
    duration: float | None = None
    sample_rate: int | None = None
    channels: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTrack:
    """What is transcribed by itself: one channel of a recording or, without a `channel`, the whole of it.

    `speaker` is whose channel it was taken for when it was begun; later settings do not change that.
    `job` is what the service calls the transcription that is under way there; `transcript` the version in S3 of one
    that is done.
    """

    channel: Channel | None = None
    speaker: str | None = None
    job: str | None = None
    transcript: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One audio file of one call, and everything known of it. All times are aware and UTC.

    `location` is the source's root and `key` the file within it: together they are the file's address. `entry` is what
    the index by key has of it; None once the file is gone. `source_changed` and `source_missing`: when it was noticed
    that the file is another one than was transcribed, or none any more.
    `recorded_at` is when the call was, as well as is known. `position` is its place in the line of its status.
    `outages`: how often a proxy said that the service is gone when it got this audio, though it was there just before.
    `parts`: what is transcribed by itself, as far as it was begun; empty for the whole at once.
    `sending` numbers what is uploaded, so that a server with jobs can be asked for it: one more when that is done with.
    `job_since` is when the service took the job that is under way, `job_until` when it is given up; `slot` is the one
    that is held for it between the polls.
    """

    id: str
    location: str
    key: str
    size: int
    etag: str | None
    modified_at: datetime
    recorded_at: datetime
    created_at: datetime
    status: Status
    status_since: datetime
    sort_key: str
    index_key: str | None = None
    metadata: CallMetadata = field(default_factory=CallMetadata)
    source_changed: datetime | None = None
    source_missing: datetime | None = None
    attempts: int = 0
    outage_count: int = 0
    error: Failure | None = None
    next_attempt_at: datetime | None = None
    queue_sort_key: str | None = None
    claim_token: str | None = None
    lease_expires_at: datetime | None = None
    transcript: TranscriptRef | None = None
    audio: AudioInfo | None = None
    tracks: tuple[AudioTrack, ...] = ()
    upload_number: int = 0
    job_started_at: datetime | None = None
    job_deadline: datetime | None = None
    slot: str | None = None

    @property
    def awaiting_job(self) -> bool:
        """Whether the service works on it, and no worker of ours holds it: any run may poll."""
        return self.status is Status.PROCESSING and self.claim_token is None

    @property
    def has_job(self) -> bool:
        """Whether the service has something of it under way, as far as is known."""
        return any(track.job for track in self.tracks)

    @property
    def is_terminal(self) -> bool:
        """Whether it failed, and nobody but a person will retry it."""
        return self.status is Status.FAILED and self.next_attempt_at is None

    @property
    def path(self) -> str:
        """The file's address as a person writes it: `s3://bucket/a.wav`, `/mnt/recordings/a.wav`."""
        return display_path(self.location, self.key)


def display_path(location: str, key: str) -> str:
    """A file's address as a person writes it."""
    return f"{location}/{key}".removeprefix("file://")


MAX_KEY_BYTES = 1024
"""Bytes of UTF-8 that S3 allows for a key, and DynamoDB for the sort key that it becomes."""


def source_hash(location: str) -> str:
    """Six characters that stand for a source in the index by key: its entries are read by the million."""
    return _short_hash(location, 6)


def index_key(key: str, version: str) -> str:
    """What the index by key has of a file: its key, and what tells this version of it from any other.

    Entries sort as keys do, for no character is less than what parts the two. The longest keys leave no room.
    """
    versioned_key = f"{key}\0{version}"
    return versioned_key if len(versioned_key.encode()) <= MAX_KEY_BYTES else key


ID_PATTERN = re.compile("[a-z2-7]{20}")
"""What `recording_id` makes."""


def recording_id(location: str, key: str) -> str:
    """The same file has the same id for ever, so a second record of it cannot be made: 100 bits, 20 characters."""
    return _short_hash(f"{location}\n{key}", 20)


def _short_hash(text: str, length: int) -> str:
    return b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()[:length]
