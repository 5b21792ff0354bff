"""What all parts of a scan share: the source, the run with its counts, and the events that are to be published."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from callscribe.clock import Clock, to_iso
from callscribe.observability import MAX_EVENT_BATCH, publish_completed
from callscribe.recordings.recording import Recording, TranscriptRef, display_path
from callscribe.recordings.run import IncompleteFile, Run
from callscribe.sources import Source, SourceFile
from callscribe.store import transcripts
from functions.sync.metadata_reader import FileMetadata, MetadataReader


@dataclass(slots=True, kw_only=True)
class SyncContext:
    """The context of one run.

    `min_age`: how long a file in a folder must not have changed. `bucket`: where transcripts are stored. New files
    from before `retention_cutoff` are ignored: their records have been deleted, or would be soon.
    `restore_checks`: how many archived objects were looked up one by one.
    """

    source: Source
    reader: MetadataReader
    bucket: str
    min_age: timedelta
    clock: Clock
    run: Run
    retention_cutoff: datetime | None = None
    restore_checks: int = 0
    _completed: list[Recording] = field(default_factory=list)
    """Recordings with events that are not published yet."""

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

    def count_completed(self, recording: Recording) -> None:
        """Count a recording that a sidecar has completed, and publish its event later."""
        self.run.increment("completed")
        self.queue_event(recording)

    def queue_event(self, recording: Recording) -> None:
        """Publish the event of a completed recording, together with others."""
        self._completed.append(recording)
        if len(self._completed) == MAX_EVENT_BATCH:
            self.publish_events()

    def publish_events(self) -> None:
        """Publish the events of the recordings completed since the last time."""
        if self._completed:
            publish_completed(self._completed)
            self._completed.clear()

    def store_transcript(self, record_id: str, file_metadata: FileMetadata) -> TranscriptRef | None:
        """Store the transcript of a sidecar and refer to it; None without one.

        Raises: RetryableError, when S3 fails.
        """
        transcript, version = file_metadata.transcript, file_metadata.transcript_version
        if transcript is None:
            return None
        produced_by = {"recordingId": record_id, "version": version, "sidecar": True, "createdAt": to_iso(self.clock())}
        transcripts.put(self.bucket, record_id, version, transcript.to_document(produced_by))
        return TranscriptRef(
            version=version,
            language=transcript.language,
            duration=transcript.duration,
            preview=transcript.preview,
            no_speech=not transcript.segments,
        )
