"""Whether a file is complete, or still being written. docs/sync.md tells it to people.

A pause in writing proves nothing, so a file in a folder must have rested for a while and, if it is WAV, say itself that
it is complete: recorders fill in the length when they close it. S3 shows whole objects only.
"""

from datetime import datetime, timedelta

from callscribe.sources import Source, SourceFile
from callscribe.sources.file_types import WAV_EXTENSIONS, WAV_HEADER_BYTES
from callscribe.sources.wav import HEADER_BYTES, read_header

HEADER_GRACE = timedelta(days=1)
"""After so long a rest nobody will fill in the length any more: the recorder crashed, or does not do it at all."""

IN_TRANSFER = "Its name is that of a file which is still being copied."
EMPTY = "It is empty."
HEADER_ONLY = "It has a header, and no audio yet."
RECENTLY_WRITTEN = "It was written a moment ago."
NOT_FINALIZED = "Its header does not agree with its length yet: it is being written."


def incomplete_reason(file: SourceFile, source: Source, now: datetime, min_age: timedelta) -> str | None:
    """Why it must not be taken yet, in a person's words; None if it is complete. Raises RetryableError."""
    if file.size == 0:
        return EMPTY
    if _is_wav(file) and file.size <= WAV_HEADER_BYTES:
        return HEADER_ONLY
    if not source.may_be_partial:
        return None
    idle_time = now - file.modified_at
    if idle_time < min_age or source.stat(file.key) != file:
        return RECENTLY_WRITTEN
    return _wav_incomplete_reason(file, source, idle_time) if _is_wav(file) else None


def _wav_incomplete_reason(file: SourceFile, source: Source, idle_time: timedelta) -> str | None:
    with source.open(file.key) as audio:
        header = read_header(audio.read(HEADER_BYTES), audio.length)
    if header is None or header.is_finalized:
        return HEADER_ONLY if header and header.available_size == 0 else None
    return None if idle_time >= HEADER_GRACE else NOT_FINALIZED


def _is_wav(file: SourceFile) -> bool:
    return file.key.rpartition(".")[2].lower() in WAV_EXTENSIONS
