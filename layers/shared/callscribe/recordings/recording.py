"""A recording: one audio file of one call, what is known about it, and its five statuses."""

import hashlib
import re
from base64 import b32encode
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from callscribe.call_metadata.metadata import CallMetadata
from callscribe.clock import to_iso


class Status(StrEnum):
    """The stages of a recording."""

    PENDING = "pending"
    """Found by sync, not yet queued."""
    QUEUED = "queued"
    """Waiting for transcription."""
    PROCESSING = "processing"
    """Claimed by one worker until its lease expires."""
    COMPLETED = "completed"
    """Its transcript is stored."""
    FAILED = "failed"
    """The last attempt failed. Retried at `next_attempt_at` or, if that is None, only by a user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why the last attempt failed. `retryable` is the error's class, not whether attempts are left.

    `status` is the HTTP status if the service responded.
    """

    code: str
    message: str
    at: datetime
    retryable: bool
    status: int | None = None


SIDECAR_CHECKSUM_LENGTH = 8
"""Hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptRef:
    """The current transcript in S3. `duration` in seconds; `preview` is the beginning of its text.

    `partial`: only one channel of a stereo recording could be transcribed.
    """

    version: str
    language: str | None
    duration: float | None
    preview: str
    no_speech: bool
    partial: bool = False

    @property
    def is_from_sidecar(self) -> bool:
        """Whether it was read from a sidecar, with which it changes; the WhisperX server has made all others.

        The version ends with a checksum of the sidecar, or with the claim token of a worker, which is longer.
        """
        return len(self.version.rpartition("-")[2]) == SIDECAR_CHECKSUM_LENGTH


class Channel(StrEnum):
    """One of the two channels of a stereo recording."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioInfo:
    """The audio properties found in the file. `duration` in seconds, `sample_rate` in Hz.

    `is_unfinished`: its header was not filled in, so the recorder may have been still writing.
    """

    codec: str | None = None
    duration: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    is_unfinished: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTrack:
    """What is transcribed separately: one channel of a recording or, without a `channel`, all of it.

    `speaker` is assigned to the channel when its transcription starts; later settings do not change it.
    `job` is the service's id of the running transcription; `transcript_version` that of a finished one in S3.
    `failure`: why it failed in the current attempt; removed when the attempt ends.
    """

    channel: Channel | None = None
    speaker: str | None = None
    job: str | None = None
    transcript_version: str | None = None
    failure: Failure | None = None

    @property
    def is_unsent(self) -> bool:
        """Whether it is still to be sent in the current attempt."""
        return not (self.job or self.transcript_version or self.failure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One audio file of one call, and what is known about it. All times are aware and UTC.

    `location` is the source's root and `key` the file within it; together they form `path`.
    `index_key` is its key in the index by key; None once the file is missing.
    `source_changed`, `source_missing`: when sync noticed that the file differs from the transcribed one, or is gone.
    `recorded_at`: the time of the call, as far as it is known.
    `sort_key`: its position among the recordings of its status; `queue_sort_key`: its last one in the queue.
    `outage_count`: how many times a proxy reported the service as down (502) while this audio was being sent to a
    service that had been available.
    `tracks`: what is transcribed separately and has been started; empty if the recording is sent as a whole.
    `upload_number`: part of the name under which the audio is uploaded, by which a job can be found on the server;
    incremented once the upload has a result or is given up.
    `job_started_at`: when the service accepted the running job; `job_deadline`: when the job is given up.
    `job_presumed_lost_at`: since when the job is presumed lost. Its slot is used by others.
    `slot`: the slot that is held for the job between polls, or what identifies a job that is presumed lost.
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
    job_presumed_lost_at: datetime | None = None
    slot: str | None = None

    @property
    def is_awaiting_job(self) -> bool:
        """Whether the service runs a job for it and no worker has claimed it: any run may poll."""
        return self.status is Status.PROCESSING and self.claim_token is None

    @property
    def has_job(self) -> bool:
        """Whether a job for it is known to be running on the service."""
        return any(track.job for track in self.tracks)

    @property
    def is_terminal(self) -> bool:
        """Whether this is a terminal failure: only a user can retry it."""
        return self.status is Status.FAILED and self.next_attempt_at is None

    @property
    def path(self) -> str:
        """The file's path as a user writes it: `s3://bucket/a.wav`, `/mnt/recordings/a.wav`."""
        return display_path(self.location, self.key)

    def with_track(
        self,
        channel: Channel | None,
        *,
        job: str | None = None,
        transcript_version: str | None = None,
        failure: Failure | None = None,
    ) -> "Recording":
        """Return the recording with this result of a track, in place of its previous one."""
        tracks = {track.channel: track for track in self.tracks}
        track = tracks.get(channel, AudioTrack(channel=channel))
        tracks[channel] = replace(track, job=job, transcript_version=transcript_version, failure=failure)
        # a whole file without a job has no track
        return replace(self, tracks=tuple(track for track in tracks.values() if track != AudioTrack()))


def display_path(location: str, key: str) -> str:
    """A file's path as a user writes it."""
    return f"{location}/{key}".removeprefix("file://")


MAX_KEY_BYTES = 1024
"""S3's limit for a key in bytes of UTF-8, and DynamoDB's for the sort key that it becomes."""


def source_hash(location: str) -> str:
    """Six characters that identify a source in the index by key. They are short: scans read millions of entries."""
    return _short_hash(location, 6)


def build_index_key(key: str, fingerprint: str) -> str:
    """The entry of a file in the index by key: its key and its fingerprint, separated by the smallest character.

    So entries sort as keys do. The longest keys leave no room for a fingerprint.
    """
    index_key = f"{key}\0{fingerprint}"
    return index_key if len(index_key.encode()) <= MAX_KEY_BYTES else key


ID_PATTERN = re.compile("[a-z2-7]{20}")
"""The format of `recording_id`."""


def recording_id(location: str, key: str) -> str:
    """The id of a file, always the same, so that a file cannot have two records: 100 bits, 20 characters.

    A record that moves to another format of the same call keeps the id of the first file.
    """
    return _short_hash(f"{location}\n{key}", 20)


def _short_hash(text: str, length: int) -> str:
    return b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()[:length]


# The sort keys of the index by status: within a status, the recording with the smallest key is next. Keys of queued and
# failed recordings begin with a digit and a space; those of the other statuses are a time.

QUEUE_FRONT, QUEUE_NORMAL = "0 ", "1 "
"""Prefixes of queued recordings: a user has moved those at the front there."""

RETRY_PREFIX, TERMINAL_PREFIX = "0 ", "1 "
"""Prefixes of failed recordings: those that will be retried, and terminal failures, which only a user can retry."""

ISOLATED = " isolated"
"""Ends the sort key of a recording whose worker died: if this recording kills workers, no other is lost with it."""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A queue entry: the part of a recording that is stored in the index by status."""

    id: str
    status: Status
    sort_key: str

    @property
    def is_isolated(self) -> bool:
        """Whether a previous worker of it died: nothing else may be sent while it is transcribed."""
        return self.sort_key.endswith(ISOLATED)


def pending_sort_key(recorded_at: datetime) -> str:
    """The oldest call first."""
    return to_iso(recorded_at)


def queued_sort_key(now: datetime, recorded_at: str, *, at_front: bool = False) -> str:
    """By the time of queueing, then the oldest call first; before all others `at_front`, at a user's request."""
    return f"{QUEUE_FRONT if at_front else QUEUE_NORMAL}{to_iso(now)} {recorded_at}"


def queued_at(sort_key: str) -> datetime:
    """When a recording was queued. One that was requeued after an outage keeps its previous key, and so this time."""
    return datetime.fromisoformat(sort_key.split(" ")[1])


def retry_sort_key(next_attempt_at: datetime) -> str:
    """A failed recording that will be retried: by the time of its next attempt."""
    return f"{RETRY_PREFIX}{to_iso(next_attempt_at)}"


def terminal_sort_key(now: datetime) -> str:
    """A terminal failure, which only a user can retry: after all that will be retried."""
    return f"{TERMINAL_PREFIX}{to_iso(now)}"
