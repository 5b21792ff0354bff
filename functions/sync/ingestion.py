"""Ingests a file that a scan has found: creates or updates its record once the file is complete.

A record is written only when something has changed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from callscribe.errors import AudioRefused, PermanentError, TranscriptionError
from callscribe.observability import logger
from callscribe.recordings import transitions
from callscribe.recordings.recording import MAX_KEY_BYTES, recording_id
from callscribe.sources import ARCHIVED, Source, SourceFile
from callscribe.sources.file_types import WAV_EXTENSIONS, WAV_HEADER_BYTES, has_no_extension
from callscribe.sources.wav import HEADER_BYTES, MAX_TRAILER_BYTES, WavHeader, is_trailer, read_header
from callscribe.store import known_files, recordings
from callscribe.store.known_files import KnownFile
from functions.sync import record_updates
from functions.sync.sync_context import SyncContext

HEADER_GRACE = timedelta(hours=1)
"""A WAV header that does not agree with a file which has not changed for this long never will: its recorder has
crashed, or wrote into a pipe. If the file changes after all, its recording is transcribed again."""

EMPTY_AFTER = timedelta(days=1)
"""A file without audio is not expected to get any after this long."""

MAX_RESTORE_CHECKS = 20
"""Archived objects that a run requests by themselves: some servers do not list whether an object has been restored."""

IN_TRANSFER = "Its name shows that it is still being copied."
EMPTY = "It is empty."
HEADER_ONLY = "It has a header, but no audio yet."
RECENTLY_WRITTEN = "It was written a moment ago."
NOT_FINALIZED = "The length in its header does not match its size: it is still being written, or was cut off."

WITHOUT_AUDIO = (EMPTY, HEADER_ONLY)


class ScannedFile(NamedTuple):
    """A listed file, and its record in the index of known files, if it has one."""

    key: str
    file: SourceFile
    known: KnownFile | None


def ingest(context: SyncContext, file: SourceFile, known: KnownFile | None, sidecars: Sequence[SourceFile]) -> bool:
    """Create or update the record of a listed file, if the file, its sidecars or its index have changed.

    Return whether the file has a record.

    Raises: StoreError.
    """
    try:
        return _ingest(context, file, known, sidecars)
    except TranscriptionError as error:  # deleted meanwhile, or unreadable: the next scan tries again
        context.run.increment("archived" if error.code == ARCHIVED else "unreadable")
        logger.warning("file unreadable", code=error.code)
        return known is not None


def _ingest(context: SyncContext, file: SourceFile, known: KnownFile | None, sidecars: Sequence[SourceFile]) -> bool:
    if known and known.fingerprint is not None and context.reader.is_unchanged(known.fingerprint, file, sidecars):
        return True
    reason = _reason_to_leave_out(context, file) if known is None else None
    if reason:
        context.run.increment(reason)
        return False
    if report_if_incomplete(context, file, sidecars):
        return known is not None
    if known is None and _create_recording(context, file, sidecars):
        return True
    recording = known_files.find_recording(context.source.location, file.key)
    if recording:  # else it was deleted meanwhile
        record_updates.update(context, recording, file, sidecars)
    return True


def _reason_to_leave_out(context: SyncContext, file: SourceFile) -> str | None:
    """Return the count for a new file that cannot be ingested, complete or not."""
    if context.retention_cutoff and file.modified_at < context.retention_cutoff:
        return "past_retention"
    if len(file.key.encode()) > MAX_KEY_BYTES:
        logger.warning("path too long", max_bytes=MAX_KEY_BYTES, size=file.size)
        return "path_too_long"
    return ARCHIVED if file.is_archived and _is_still_archived(context, file) else None


def report_if_incomplete(context: SyncContext, file: SourceFile, sidecars: Sequence[SourceFile]) -> bool:
    """Report the file if it or one of its sidecars is not complete yet."""
    now = context.clock()
    for each in (file, *sidecars):
        try:
            reason = incomplete_reason(each, context.source, now, context.min_age)
        except TranscriptionError:
            if each is file:
                raise
            reason = None  # the reader counts an unreadable sidecar, and continues without it
        if reason:
            is_empty = reason in WITHOUT_AUDIO and now - each.modified_at >= EMPTY_AFTER
            context.report_incomplete(file, each, reason, "empty" if is_empty else "waiting")
            return True
    return False


def _is_still_archived(context: SyncContext, file: SourceFile) -> bool:
    """Whether the object has not been restored, as far as a few requests show it."""
    if context.restore_checks == MAX_RESTORE_CHECKS:
        return True
    context.restore_checks += 1
    current = context.source.stat(file.key)
    return current is None or current.is_archived


def _create_recording(context: SyncContext, file: SourceFile, sidecars: Sequence[SourceFile]) -> bool:
    """Return False if the file already has a record: another run was faster, or the file had been missing."""
    file_metadata = context.reader.read(file, sidecars)
    transcript = context.store_transcript(recording_id(context.source.location, file.key), file_metadata)
    recording = transitions.create(
        context.source.location,
        file.key,
        size=file.size,
        etag=file.etag,
        modified_at=file.modified_at,
        now=context.clock(),
        fingerprint=file_metadata.fingerprint,
        metadata=file_metadata.metadata,
        recorded_at=context.reader.recorded_at(file_metadata.metadata, file),
        transcript=transcript,
    )
    if not recordings.create(recording):
        return False
    if transcript:
        context.count_completed(recording)
    else:
        context.run.increment("added")
    return True


def incomplete_reason(file: SourceFile, source: Source, now: datetime, min_age: timedelta) -> str | None:
    """Return why the file is not complete yet, as shown to users (docs/sync.md); None if it is complete.

    A pause in writing proves nothing. So a file in a folder must not have changed for `min_age`, and the length in a
    WAV header must match: recorders fill it in when they close the file. An object in S3 is whole, but may be a copy of
    a file that was still being written.

    Raises: TranscriptionError, when the file cannot be read.
    """
    # without an extension it may be one; whether it is, its first bytes show
    is_wav = has_no_extension(file.name) or file.key.rpartition(".")[2].lower() in WAV_EXTENSIONS
    if file.size == 0:
        return EMPTY
    if is_wav and file.size <= WAV_HEADER_BYTES:
        return HEADER_ONLY
    idle_time = now - file.modified_at
    if not source.may_be_partial:
        # without a request for objects of an archive that was uploaded before
        return _wav_incomplete_reason(file, source, idle_time) if is_wav and idle_time < HEADER_GRACE else None
    if idle_time < min_age:
        return RECENTLY_WRITTEN
    if is_wav:
        return _wav_incomplete_reason(file, source, idle_time)
    return None if source.stat(file.key) == file else RECENTLY_WRITTEN


def _wav_incomplete_reason(file: SourceFile, source: Source, idle_time: timedelta) -> str | None:
    try:
        head = source.read_at(file, 0, HEADER_BYTES)
    except PermanentError:  # deleted since it was listed
        return RECENTLY_WRITTEN if source.may_be_partial else None
    except AudioRefused as error:
        if source.may_be_partial or error.code == ARCHIVED:
            raise
        return None  # ingested as it is listed: the recording shows why it cannot be read
    if head is None:
        return RECENTLY_WRITTEN
    header = read_header(head, file.size)
    if header and header.available_size == 0:
        return HEADER_ONLY
    if header is None or header.is_finalized or idle_time >= HEADER_GRACE or _ends_with_trailer(file, source, header):
        return None
    return NOT_FINALIZED


def _ends_with_trailer(file: SourceFile, source: Source, header: WavHeader) -> bool:
    offset = header.trailer_offset
    if offset is None or file.size - offset > MAX_TRAILER_BYTES:
        return False
    trailer = source.read_at(file, offset, MAX_TRAILER_BYTES)
    return trailer is not None and is_trailer(trailer, file.size - offset)
