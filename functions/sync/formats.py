"""Files of one call in several formats: in one folder, `call.wav` and `call.mp3` have one record.

A nightly job that converts recordings writes the new file, then deletes the old one. While both exist, the new one is a
duplicate; once the old one is gone, its record moves to the new one, and nothing is sent again.
"""

from collections.abc import Iterator, Sequence

from callscribe.errors import TranscriptionError
from callscribe.recordings.recording import recording_id
from callscribe.sources import SourceFile
from callscribe.sources.file_types import AUDIO_EXTENSIONS, WAV_HEADER_BYTES
from callscribe.store import recordings
from callscribe.store.known_files import KnownFile
from functions.sync import record_updates
from functions.sync.ingestion import ScannedFile, ingest, report_if_incomplete
from functions.sync.sync_context import SyncContext

LOSSLESS_EXTENSIONS = ("wav", "wav49", "flac")
"""The formats to transcribe, if a call is new in several."""


def ingest_formats(
    context: SyncContext,
    audio: Sequence[ScannedFile],
    missing: Sequence[KnownFile],
    sidecars: Sequence[SourceFile],
) -> None:
    """Ingest the files of a group: those that differ only in their extensions are one call.

    Raises: StoreError.
    """
    for files, gone in _split_by_call(audio, missing):
        new = sorted((each.file for each in files if not each.known), key=_preference)
        for each in files:
            if each.known:
                ingest(context, each.file, each.known, sidecars)
        is_converted = False
        if len(new) < len(files) or (len(new) > 1 and _has_record(context, new)):
            context.run.increment("duplicates", len(new))
        elif gone and new and new[0].size > WAV_HEADER_BYTES:
            is_converted = True
            _move(context, gone[0], new[0], sidecars)
            context.run.increment("duplicates", len(new) - 1)
        else:
            _ingest_first(context, new, sidecars)
        for known in gone[is_converted:]:
            record_updates.mark_missing(context, known)


def _split_by_call(
    audio: Sequence[ScannedFile], missing: Sequence[KnownFile]
) -> Iterator[tuple[list[ScannedFile], list[KnownFile]]]:
    """Yield the listed and the missing files of each call. Not every suffix is an extension: `call-1795012210.17`."""
    by_call: dict[str, tuple[list[ScannedFile], list[KnownFile]]] = {}
    for scanned_file in audio:
        by_call.setdefault(_stem(scanned_file.key), ([], []))[0].append(scanned_file)
    for known in missing:
        by_call.setdefault(_stem(known.key), ([], []))[1].append(known)
    yield from by_call.values()


def _stem(key: str) -> str:
    stem, _, extension = key.rpartition(".")
    return stem if extension.lower() in AUDIO_EXTENSIONS else key


def _preference(file: SourceFile) -> tuple[bool, bool, str]:
    """Sort files with audio first, then those that have lost nothing."""
    extension = file.key.rpartition(".")[2].lower()
    return file.size <= WAV_HEADER_BYTES, extension not in LOSSLESS_EXTENSIONS, file.key


def _move(context: SyncContext, known: KnownFile, file: SourceFile, sidecars: Sequence[SourceFile]) -> None:
    try:
        if not report_if_incomplete(context, file, sidecars):
            record_updates.move(context, known, file, sidecars)
    except TranscriptionError:  # the next scan tries again
        context.run.increment("unreadable")


def _has_record(context: SyncContext, files: Sequence[SourceFile]) -> bool:
    """Whether one of these files has a record that the index by key does not show yet."""
    records = (recordings.get(recording_id(context.source.location, file.key)) for file in files)
    return any(record and record.index_key for record in records)


def _ingest_first(context: SyncContext, files: Sequence[SourceFile], sidecars: Sequence[SourceFile]) -> None:
    """Ingest the first file that is complete; the others are duplicates of it."""
    for number, file in enumerate(files, start=1):
        if ingest(context, file, None, sidecars):
            context.run.increment("duplicates", len(files) - number)
            return
