"""What becomes of a file that sync has found, or no longer finds. It is written only where something is new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from callscribe import event_publisher
from callscribe.call_metadata.metadata import Provenance, merge, to_item
from callscribe.clock import Clock, to_iso
from callscribe.errors import TranscriptionError
from callscribe.observability import logger
from callscribe.recordings import state_machine
from callscribe.recordings.recording import (
    MAX_KEY_BYTES,
    Recording,
    Status,
    TranscriptRef,
    display_path,
    index_key,
    recording_id,
)
from callscribe.recordings.run import IncompleteFile, Run
from callscribe.sources import Source, SourceFile
from callscribe.store import recordings, transcripts
from callscribe.store.known_files import KnownFile
from functions.sync.completeness import incomplete_reason
from functions.sync.file_groups import FileGroup, ScannedFile
from functions.sync.fingerprint import matches_fingerprint
from functions.sync.metadata_reader import FileMetadata, MetadataReader

COMPLETABLE = (Status.PENDING, Status.FAILED)
"""A transcript beside the file completes these. One that is queued or under way comes to its own end first."""


@dataclass(slots=True, kw_only=True)
class FileIngester:
    """Of one run. Files in a folder must have rested for `min_age`; `bucket` is where transcripts are stored.

    Unknown files from before `kept_since` are not taken up: their records have been deleted, or would be at once.
    """

    source: Source
    reader: MetadataReader
    bucket: str
    min_age: timedelta
    clock: Clock
    run: Run
    retention_cutoff: datetime | None = None
    _completed: list[Recording] = field(default_factory=list)

    def ingest_group(self, group: FileGroup) -> None:
        """Takes each file of it that is new or changed. Raises StoreError, SourceError."""
        sidecars = [file for file in group.sidecars if file.size]
        for scanned_file in group.audio:
            try:
                self._ingest(scanned_file, sidecars)
            except TranscriptionError as error:  # gone again, or not readable: the next sweep looks again
                self.run.increment("unreadable")
                logger.warning("a file could not be looked into", code=error.code)

    def mark_missing(self, known: KnownFile) -> None:
        """Marks a recording whose file is not listed, if it is not there either when asked for by its name."""
        try:
            if self.source.stat(known.key):
                return  # it came while the source was being listed
        except TranscriptionError:
            self.run.increment("unreadable")
            return
        expected_index_key = known.key if known.version is None else index_key(known.key, known.version)
        updates = {"index_key": None, "source_missing": self.clock()}
        if recordings.update_metadata(
            recording_id(self.source.location, known.key), {"index_key": expected_index_key}, updates
        ):
            self.run.increment("missing")

    def report_incomplete(
        self, file: SourceFile, incomplete_file: SourceFile, reason: str, count_name: str = "waiting"
    ) -> None:
        """Counts a file that is not complete yet, and shows it; `written` is what is not complete, it or a sidecar."""
        path = display_path(self.source.location, file.key)
        self.run.add_incomplete(
            IncompleteFile(path=path, size=file.size, since=incomplete_file.modified_at, reason=reason), count_name
        )

    def publish_events(self) -> None:
        """Sends the events of what was completed since."""
        event_publisher.publish_completed(self._completed)
        self._completed.clear()

    def _add_completed(self, completed: Recording) -> None:
        self._completed.append(completed)
        if len(self._completed) == event_publisher.MAX_BATCH:
            self.publish_events()

    def _ingest(self, scanned_file: ScannedFile, sidecars: Sequence[SourceFile]) -> None:
        file, known = scanned_file.file, scanned_file.known
        index = self.reader.find_index(file.key)
        if known and known.version is not None and matches_fingerprint(known.version, file, sidecars, index):
            return
        if known is None and self.retention_cutoff and file.modified_at < self.retention_cutoff:
            self.run.increment("past_retention")
            return
        if len(file.key.encode()) > MAX_KEY_BYTES:
            self.run.increment("path_too_long")
            logger.warning("the path of a file is too long: 1024 bytes are allowed", size=file.size)
            return
        now = self.clock()
        for each in (file, *sidecars):
            try:
                reason = incomplete_reason(each, self.source, now, self.min_age)
            except TranscriptionError:
                if each is file:
                    raise
                reason = None  # the reader counts it, and goes on without
            if reason:
                self.report_incomplete(file, each, reason)
                return
        if known is None and self._create_recording(file, sidecars):
            return
        recording = recordings.get(recording_id(self.source.location, file.key))
        if recording:  # else it was deleted since
            self._update(recording, file, sidecars)

    def _create_recording(self, file: SourceFile, sidecars: Sequence[SourceFile]) -> bool:
        """False if it has a record already: another run was faster, or the file had been gone."""
        file_metadata = self.reader.read(file, sidecars)
        transcript = self._store_transcript(recording_id(self.source.location, file.key), file_metadata)
        recording = state_machine.create(
            self.source.location,
            file.key,
            size=file.size,
            etag=file.etag,
            modified_at=file.modified_at,
            now=self.clock(),
            version=file_metadata.fingerprint,
            metadata=file_metadata.metadata,
            recorded_at=self.reader.recorded_at(file_metadata.metadata, file),
            transcript=transcript,
        )
        if not recordings.create(recording):
            return False
        self.run.increment("completed" if transcript else "added")
        if transcript:
            self._add_completed(recording)
        return True

    def _update(self, recording: Recording, file: SourceFile, sidecars: Sequence[SourceFile]) -> None:
        if recording.status is Status.PROCESSING:
            return  # its worker keeps what it has sent; until that has come to its end, each sweep looks again
        file_metadata = self.reader.read(file, sidecars)
        if file_metadata.transcript and recording.status is Status.QUEUED:
            return  # as above
        new_index_key = index_key(file.key, file_metadata.fingerprint)
        updates = {"index_key": new_index_key, "source_missing": None} | self._file_updates(recording, file)
        if file_metadata.is_incomplete:  # what could not be opened now has told before what it tells
            metadata = merge(recording.metadata, file_metadata.metadata)
        else:
            metadata = merge(file_metadata.metadata, recording.metadata.only_from(Provenance.USER, Provenance.TAGS))
        if to_item(metadata) != to_item(recording.metadata):  # of a time, ms are stored
            recorded_at = self.reader.recorded_at(metadata, file)
            updates |= {"metadata": metadata, "recorded_at": recorded_at}
            if recording.status is Status.PENDING:
                updates["sort_key"] = state_machine.pending_sort_key(recorded_at)
        if all(getattr(recording, name) == value for name, value in updates.items()):
            return  # another run was faster
        transcript = self._store_transcript(recording.id, file_metadata) if recording.status in COMPLETABLE else None
        if transcript:
            self._complete_from_sidecar(recording, transcript, updates)
            return
        # a person may correct the same metadata at this moment: then the next sweep looks again
        condition = {"status": recording.status, "index_key": recording.index_key, "metadata": recording.metadata}
        if recordings.update_metadata(recording.id, condition, updates):
            self.run.increment("updated")

    def _file_updates(self, recording: Recording, file: SourceFile) -> dict[str, Any]:
        """What is to be kept of a file that is another one than was seen. What was transcribed is left alone."""
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
        transition = state_machine.complete_from_sidecar(recording, transcript, self.clock())
        condition = {**transition.condition, "metadata": recording.metadata}
        completed = recordings.apply_transition(
            recording.id, replace(transition, condition=condition, updates={**updates, **transition.updates})
        )
        if completed:
            self.run.increment("completed")
            self._add_completed(completed)

    def _store_transcript(self, record_id: str, file_metadata: FileMetadata) -> TranscriptRef | None:
        """Stores the transcript that lay beside the file, if there is one. Raises RetryableError."""
        transcript, sidecar = file_metadata.transcript, file_metadata.transcript_sidecar
        if not transcript or not sidecar:
            return None
        # the same sidecar gives the same name, however often a run dies here
        version = transcripts.new_version(sidecar.modified_at, f"{crc32(sidecar.fingerprint.encode()):08x}")
        produced_by = {"recordingId": record_id, "version": version, "sidecar": True, "createdAt": to_iso(self.clock())}
        transcripts.put(self.bucket, record_id, version, transcript.to_document(produced_by))
        return TranscriptRef(
            version=version,
            language=transcript.language,
            duration=transcript.duration,
            preview=transcript.preview,
            no_speech=not transcript.segments,
        )
