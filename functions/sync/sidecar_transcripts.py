"""Stores the transcripts that are read from sidecars."""

from datetime import datetime
from zlib import crc32

from callscribe.clock import to_iso
from callscribe.recordings.recording import SIDECAR_CHECKSUM_LENGTH, TranscriptRef
from callscribe.store import transcripts
from functions.sync.metadata_reader import FileMetadata


def version(file_metadata: FileMetadata) -> str:
    """Return the version of the transcript in these files; empty without one.

    It depends only on the sidecar: a run that dies and is repeated writes the same object, and a changed sidecar makes
    another version.
    """
    sidecar = file_metadata.transcript_sidecar
    if sidecar is None:
        return ""
    checksum = f"{crc32(sidecar.fingerprint.encode()):0{SIDECAR_CHECKSUM_LENGTH}x}"
    return transcripts.new_version(sidecar.modified_at, checksum)


def store(bucket: str, record_id: str, file_metadata: FileMetadata, now: datetime) -> TranscriptRef | None:
    """Store the transcript in these files and refer to it; None without one. Raises: RetryableError, when S3 fails."""
    transcript = file_metadata.transcript
    if transcript is None:
        return None
    name = version(file_metadata)
    produced_by = {"recordingId": record_id, "version": name, "sidecar": True, "createdAt": to_iso(now)}
    transcripts.put(bucket, record_id, name, transcript.to_document(produced_by))
    return TranscriptRef(
        version=name,
        language=transcript.language,
        duration=transcript.duration,
        preview=transcript.preview,
        no_speech=not transcript.segments,
    )
