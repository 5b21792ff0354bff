"""Ingests a file that a scan has found: creates or updates its record once the file is complete.

A record is written only when something has changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from callscribe.call_metadata.metadata import Provenance, merge, to_item
from callscribe.clock import Clock
from callscribe.errors import TranscriptionError
from callscribe.observability import MAX_EVENT_BATCH, logger, publish_completed
from callscribe.recordings import transitions
from callscribe.recordings.recording import (
    MAX_KEY_BYTES,
    Recording,
    Status,
    TranscriptRef,
    build_index_key,
    display_path,
    pending_sort_key,
    recording_id,
)
from callscribe.recordings.run import IncompleteFile, Run
from callscribe.recordings.state_machine import Transition
from callscribe.sources import Source, SourceFile
from callscribe.sources.file_types import WAV_EXTENSIONS, WAV_HEADER_BYTES
from callscribe.sources.wav import HEADER_BYTES, read_header
from callscribe.store import recordings
from callscribe.store.known_files import KnownFile
from functions.sync import sidecar_transcripts
from functions.sync.metadata_reader import FileMetadata, MetadataReader

COMPLETABLE = (Status.PENDING, Status.FAILED)
"""Statuses that a transcript in a sidecar completes. A recording that is queued or processing is transcribed first."""

HEADER_GRACE = timedelta(days=1)
"""A WAV header that is not filled in after this long never will be: the recorder crashed, or never fills it in."""

IN_TRANSFER = "Its name shows that it is still being copied."
EMPTY = "It is empty."
HEADER_ONLY = "It has a header, but no audio yet."
RECENTLY_WRITTEN = "It was written a moment ago."
NOT_FINALIZED = "The length in its header does not match its size: it is still being written."


@dataclass(slots=True, kw_only=True)
class FileIngester:
    """Ingests files during one run.

    `min_age`: how long a file in a folder must not have changed. `bucket`: where transcripts are stored. New files
    from before `retention_cutoff` are ignored: their records have been deleted, or would be soon.
    """

    source: Source
    reader: MetadataReader
    bucket: str
    min_age: timedelta
    clock: Clock
    run: Run
    retention_cutoff: datetime | None = None
    _completed: list[Recording] = field(default_factory=list)
    """Recordings with events that are not published yet."""

    def ingest(self, file: SourceFile, known: KnownFile | None, sidecars: Sequence[SourceFile]) -> None:
        """Create or update the record of a listed file, if the file, its sidecars or its index have changed.

        Raises: StoreError.
        """
        try:
            self._ingest(file, known, sidecars)
        except TranscriptionError as error:  # deleted meanwhile, or unreadable: the next scan tries again
            self.run.increment("unreadable")
            logger.warning("file unreadable", code=error.code)

    def mark_missing(self, known: KnownFile) -> None:
        """Mark a recording as missing if its file is not listed and a request for the file itself does not find it."""
        try:
            if self.source.stat(known.key):
                return  # it was created while the source was being listed
        except TranscriptionError:
            self.run.increment("unreadable")
            return
        expected_index_key = known.key if known.fingerprint is None else build_index_key(known.key, known.fingerprint)
        updates = {"index_key": None, "source_missing": self.clock()}
        if recordings.update_fields(
            recording_id(self.source.location, known.key), {"index_key": expected_index_key}, updates
        ):
            self.run.increment("missing")

    def report_incomplete(
        self, file: SourceFile, incomplete_file: SourceFile, reason: str, count_name: str = "waiting"
    ) -> None:
        """Count a file that cannot be ingested yet, and list it in the run.

        `incomplete_file` is the one that is not complete: the file itself or one of its sidecars.
        """
        path = display_path(self.source.location, file.key)
        self.run.add_incomplete(
            IncompleteFile(path=path, size=file.size, since=incomplete_file.modified_at, reason=reason), count_name
        )

    def publish_events(self) -> None:
        """Publish the events of the recordings completed since the last time."""
        if self._completed:
            publish_completed(self._completed)
            self._completed.clear()

    def _ingest(self, file: SourceFile, known: KnownFile | None, sidecars: Sequence[SourceFile]) -> None:
        if known and known.fingerprint is not None and self.reader.is_unchanged(known.fingerprint, file, sidecars):
            return
        if known is None and self.retention_cutoff and file.modified_at < self.retention_cutoff:
            self.run.increment("past_retention")
            return
        if len(file.key.encode()) > MAX_KEY_BYTES:
            self.run.increment("path_too_long")
            logger.warning("path too long", max_bytes=MAX_KEY_BYTES, size=file.size)
            return
        now = self.clock()
        for each in (file, *sidecars):
            try:
                reason = incomplete_reason(each, self.source, now, self.min_age)
            except TranscriptionError:
                if each is file:
                    raise
                reason = None  # the reader counts an unreadable sidecar, and continues without it
            if reason:
                self.report_incomplete(file, each, reason)
                return
        if known is None and self._create_recording(file, sidecars):
            return
        recording = recordings.get(recording_id(self.source.location, file.key))
        if recording:  # else it was deleted meanwhile
            self._update(recording, file, sidecars)

    def _create_recording(self, file: SourceFile, sidecars: Sequence[SourceFile]) -> bool:
        """Return False if the file already has a record: another run was faster, or the file had been missing."""
        file_metadata = self.reader.read(file, sidecars)
        transcript = self._store_transcript(recording_id(self.source.location, file.key), file_metadata)
        recording = transitions.create(
            self.source.location,
            file.key,
            size=file.size,
            etag=file.etag,
            modified_at=file.modified_at,
            now=self.clock(),
            fingerprint=file_metadata.fingerprint,
            metadata=file_metadata.metadata,
            recorded_at=self.reader.recorded_at(file_metadata.metadata, file),
            transcript=transcript,
        )
        if not recordings.create(recording):
            return False
        if transcript:
            self._count_completed(recording)
        else:
            self.run.increment("added")
        return True

    def _update(self, recording: Recording, file: SourceFile, sidecars: Sequence[SourceFile]) -> None:
        if recording.status is Status.PROCESSING:
            return  # its worker saves the file that it has sent; until it finishes, each scan checks again
        file_metadata = self.reader.read(file, sidecars)
        if file_metadata.transcript and recording.status is Status.QUEUED:
            return  # likewise
        index_key = build_index_key(file.key, file_metadata.fingerprint)
        updates: dict[str, Any] = {"index_key": index_key, "source_missing": None}
        updates |= self._file_updates(recording, file) | self._metadata_updates(recording, file, file_metadata)
        if recording.status is Status.COMPLETED and recording.transcript and recording.transcript.is_from_sidecar:
            if file_metadata.has_placeholder and not file_metadata.is_incomplete:
                self._withdraw_transcript(recording, file, updates)
                return
            if file_metadata.transcript and sidecar_transcripts.version(file_metadata) != recording.transcript.version:
                updates["transcript"] = self._store_transcript(recording.id, file_metadata)
        if all(getattr(recording, name) == value for name, value in updates.items()):
            return  # another run was faster
        if recording.status in COMPLETABLE and (transcript := self._store_transcript(recording.id, file_metadata)):
            self._complete_from_sidecar(recording, transcript, updates)
            return
        # a user may correct the metadata, or request a transcription, at the same time: then the next scan tries again
        unchanged = ("status", "sort_key", "index_key", "metadata")
        condition = {name: getattr(recording, name) for name in unchanged}
        if updated := recordings.update_fields(recording.id, condition, updates):
            self.run.increment("updated")
            if "transcript" in updates:
                self._queue_event(updated)

    def _metadata_updates(self, recording: Recording, file: SourceFile, file_metadata: FileMetadata) -> dict[str, Any]:
        """Return what changes in the record if what is known about the call has changed."""
        if file_metadata.is_incomplete:  # values from a file that cannot be opened now are kept
            metadata = merge(recording.metadata, file_metadata.metadata)
        else:
            metadata = merge(file_metadata.metadata, recording.metadata.only_from(Provenance.USER, Provenance.TAGS))
        if to_item(metadata) == to_item(recording.metadata):  # compared as stored: times in milliseconds
            return {}
        recorded_at = self.reader.recorded_at(metadata, file)
        updates = {"metadata": metadata, "recorded_at": recorded_at}
        is_pending = recording.status is Status.PENDING
        return updates | {"sort_key": pending_sort_key(recorded_at)} if is_pending else updates

    def _file_updates(self, recording: Recording, file: SourceFile) -> dict[str, Any]:
        """Return what changes in the record if the file has changed. What was transcribed is not overwritten."""
        previous_file = SourceFile(
            key=recording.key, size=recording.size, modified_at=recording.modified_at, etag=recording.etag
        )
        if previous_file.fingerprint == file.fingerprint:
            return {"source_changed": None}
        if recording.status is Status.COMPLETED:
            return {"source_changed": recording.source_changed or self.clock()}
        return {"size": file.size, "etag": file.etag, "modified_at": file.modified_at}

    def _complete_from_sidecar(
        self, recording: Recording, transcript: TranscriptRef, updates: Mapping[str, Any]
    ) -> None:
        transition = transitions.complete_from_sidecar(recording, transcript, self.clock())
        if completed := _apply(transition, recording, updates):
            self._count_completed(completed)

    def _withdraw_transcript(self, recording: Recording, file: SourceFile, updates: Mapping[str, Any]) -> None:
        """Make the recording pending: it is transcribed from its file as it is now."""
        file_updates = {"source_changed": None, "size": file.size, "etag": file.etag, "modified_at": file.modified_at}
        recorded_at = updates.get("recorded_at", recording.recorded_at)
        transition = transitions.withdraw_transcript(replace(recording, recorded_at=recorded_at), self.clock())
        if _apply(transition, recording, {**updates, **file_updates}):
            self.run.increment("updated")

    def _count_completed(self, recording: Recording) -> None:
        self.run.increment("completed")
        self._queue_event(recording)

    def _queue_event(self, recording: Recording) -> None:
        self._completed.append(recording)
        if len(self._completed) == MAX_EVENT_BATCH:
            self.publish_events()

    def _store_transcript(self, record_id: str, file_metadata: FileMetadata) -> TranscriptRef | None:
        """Store the transcript of a sidecar, if there is one. Raises: RetryableError, when S3 fails."""
        if not file_metadata.transcript:
            return None
        return sidecar_transcripts.store(self.bucket, record_id, file_metadata, self.clock())


def _apply(transition: Transition, recording: Recording, updates: Mapping[str, Any]) -> Recording | None:
    """Apply a transition together with other updates, unless a user corrects the metadata at the same time."""
    condition = {**transition.condition, "metadata": recording.metadata}
    combined = replace(transition, condition=condition, updates={**updates, **transition.updates})
    return recordings.apply_transition(recording.id, combined)


def incomplete_reason(file: SourceFile, source: Source, now: datetime, min_age: timedelta) -> str | None:
    """Return why the file is not complete yet, as shown to users (docs/sync.md); None if it is complete.

    A pause in writing proves nothing. So a file in a folder must not have changed for `min_age`, and the length in a
    WAV header must match: recorders fill it in when they close the file. S3 shows only whole objects.

    Raises: RetryableError, when the file cannot be read.
    """
    is_wav = file.key.rpartition(".")[2].lower() in WAV_EXTENSIONS
    if file.size == 0:
        return EMPTY
    if is_wav and file.size <= WAV_HEADER_BYTES:
        return HEADER_ONLY
    if not source.may_be_partial:
        return None
    idle_time = now - file.modified_at
    if idle_time < min_age or source.stat(file.key) != file:
        return RECENTLY_WRITTEN
    return _wav_incomplete_reason(file, source, idle_time) if is_wav else None


def _wav_incomplete_reason(file: SourceFile, source: Source, idle_time: timedelta) -> str | None:
    with source.open(file.key) as audio:
        header = read_header(audio.read(HEADER_BYTES), audio.length)
    if header is None or header.is_finalized:
        return HEADER_ONLY if header and header.available_size == 0 else None
    return None if idle_time >= HEADER_GRACE else NOT_FINALIZED
