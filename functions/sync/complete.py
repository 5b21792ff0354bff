"""Whether a file is complete, or still being written. docs/sync.md tells it to people.

A pause in writing proves nothing, so a file in a folder must have rested for a while and, if it is WAV, say itself that
it is complete: recorders fill in the length when they close it. S3 shows whole objects only.
"""

from datetime import datetime, timedelta

from callscribe.ingest import BARE_HEADER, WAV
from callscribe.sources import Source, SourceFile
from callscribe.wav import HEAD, read_header

ABANDONED = timedelta(days=1)
"""After so long a rest nobody will fill in the length any more: the recorder crashed, or does not do it at all."""

PARTIAL = "Its name is that of a file which is still being copied."
EMPTY = "It is empty."
BARE = "It has a header, and no audio yet."
RECENT = "It was written a moment ago."
UNFINISHED = "Its header does not agree with its length yet: it is being written."


def why_waiting(file: SourceFile, source: Source, now: datetime, min_age: timedelta) -> str | None:
    """Why it must not be taken yet, in a person's words; None if it is complete. Raises RetryableError."""
    if file.size == 0:
        return EMPTY
    if _is_wav(file) and file.size <= BARE_HEADER:
        return BARE
    if not source.grows:
        return None
    rested = now - file.modified_at
    if rested < min_age or source.look(file.key) != file:
        return RECENT
    return _header_says(file, source, rested) if _is_wav(file) else None


def _header_says(file: SourceFile, source: Source, rested: timedelta) -> str | None:
    with source.open(file.key) as audio:
        header = read_header(audio.read(HEAD), audio.length)
    if header is None or header.complete:
        return BARE if header and header.size == 0 else None
    return None if rested >= ABANDONED else UNFINISHED


def _is_wav(file: SourceFile) -> bool:
    return file.key.rpartition(".")[2].lower() in WAV
