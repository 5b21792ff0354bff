"""Which files are recordings, which of them are complete, and which have no record yet."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from callscribe import transitions
from callscribe.run import Run
from callscribe.sources import Source, SourceFile
from callscribe.store import recordings
from callscribe.telemetry import logger

AUDIO = frozenset("wav wav49 mp3 m4a mp4 ogg oga opus flac webm gsm amr aac wma 3gp".split())  # noqa: SIM905 — legible
"""Extensions of recordings, in small letters."""
HIDDEN = (".", "~")
"""Beginnings of names that are not recordings: hidden files, resource forks, an editor's leftovers."""

BARE_HEADER = 44
"""Bytes of a WAV file that holds no audio yet."""

LONGEST_KEY = 1024
"""Bytes of UTF-8 that S3 allows for a key, and DynamoDB for the sort key that it becomes."""


def sweep(source: Source, run: Run, now: datetime, min_age: timedelta) -> None:
    """Adds a record for each complete recording of the source that has none; counts go into `run`.

    `listed` recordings in all, `added` new ones, `waiting` ones that are not complete yet and will be looked at again,
    `refused` ones whose name cannot be stored, `unreadable` parts of a folder that could not be looked at.
    Raises SourceError, StoreError.
    """
    run.counts.update(listed=0, added=0, waiting=0, refused=0, unreadable=0)
    found = _counted((file for file in source.files() if is_recording(file)), run)
    known = recordings.known_keys(source.location, source.prefix)
    for file in without_record(found, known):
        if not is_complete(file, now, source.grows, min_age):
            run.count("waiting")
        elif not _storable(file.key):
            run.count("refused")
            logger.warning("a file name is not UTF-8 or too long: rename the file", size=file.size)
        else:
            new = transitions.new(
                source.location, file.key, size=file.size, etag=file.etag, modified_at=file.modified_at, now=now
            )
            if recordings.add(new):
                run.count("added")
    run.counts["unreadable"] = source.unreadable


def without_record(found: Iterable[SourceFile], known: Iterator[str]) -> Iterator[SourceFile]:
    """Merges two streams that are sorted by the bytes of the key; what is in the first only comes out.

    Neither is held in memory, and nothing is looked up one by one.
    """
    record = next(known, None)
    for file in found:
        key = _bytes(file.key)
        while record is not None and _bytes(record) < key:
            record = next(known, None)
        if record != file.key:
            yield file


def is_recording(file: SourceFile) -> bool:
    """By its name alone."""
    return file.extension in AUDIO and not file.name.startswith(HIDDEN)


def is_complete(file: SourceFile, now: datetime, grows: bool, min_age: timedelta) -> bool:
    """Whether it can be sent: a file in a folder that changed a moment ago may still be being written.

    A pause in writing proves nothing, hence an age. No audio yet, or a header only, means wait, in S3 too.
    """
    if file.size == 0 or (file.extension == "wav" and file.size <= BARE_HEADER):
        return False
    return not grows or now - file.modified_at >= min_age


def _counted(found: Iterable[SourceFile], run: Run) -> Iterator[SourceFile]:
    for file in found:
        run.count("listed")
        yield file


def _storable(key: str) -> bool:
    try:
        return len(key.encode()) <= LONGEST_KEY
    except UnicodeEncodeError:
        return False


def _bytes(key: str) -> bytes:
    """Names that are not UTF-8 arrive from a folder as surrogates, and sort as the bytes that they are."""
    return key.encode(errors="surrogateescape")
