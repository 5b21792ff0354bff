"""Reads what is known about a recording from its name, its sidecars and the index of its folder.

A fingerprint of these files is stored in the by-key index, so a scan detects changes without reading records or files.
"""

from binascii import b2a_base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from zlib import crc32

from callscribe import phone_systems, sidecars
from callscribe.call_metadata.metadata import CallMetadata, merge, recorded_at, with_offset_of_zone
from callscribe.errors import SidecarError, TranscriptionError
from callscribe.observability import logger
from callscribe.phone_systems.custom_patterns import CustomPattern
from callscribe.recordings.recording import SIDECAR_CHECKSUM_LENGTH, display_path
from callscribe.recordings.run import Run
from callscribe.sidecars import Sidecar, indexed_prefix, iter_index_candidates
from callscribe.sidecars.grandstream_index import MAX_INDEX_BYTES, GrandstreamIndex, parse_index
from callscribe.sources import Source, SourceFile
from callscribe.store import transcripts
from callscribe.transcripts.transcript import Transcript

LEG_RECORD_SYSTEMS = ("freeswitch", "fusionpbx", None)
"""Detected phone systems that may write a record of each leg; None is a name that any system may have written."""

IN_INDEX = "indexed"
"""Replaces the fingerprint of an index with a row for the file: the index grows with every call, its rows stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMetadata:
    """What was read about one recording. `transcript` comes from the sidecar `transcript_sidecar`.

    `has_placeholder`: no sidecar has a transcript, and one of them has a placeholder in its place.
    `is_incomplete`: a file could not be opened. It is not part of the fingerprint, so the next scan tries again.
    """

    metadata: CallMetadata
    fingerprint: str
    transcript: Transcript | None = None
    transcript_sidecar: SourceFile | None = None
    has_placeholder: bool = False
    is_incomplete: bool = False

    @property
    def transcript_version(self) -> str:
        """The version of the transcript; empty without one.

        It depends only on the sidecar: a run that dies and is repeated writes the same object, and a changed sidecar
        makes another version.
        """
        sidecar = self.transcript_sidecar
        if sidecar is None:
            return ""
        checksum = f"{crc32(sidecar.fingerprint.encode()):0{SIDECAR_CHECKSUM_LENGTH}x}"
        return transcripts.new_version(sidecar.modified_at, checksum)


@dataclass(slots=True, kw_only=True)
class MetadataReader:
    """Reads metadata during one run. `zone` applies to times that are written without a zone.

    `look_up_indexes`: the listing does not start at the beginning, so the reader requests indexes by their keys.
    """

    source: Source
    run: Run
    phone_system: str
    patterns: Sequence[CustomPattern]
    zone: tzinfo
    look_up_indexes: bool = False
    _indexes: dict[str, SourceFile | None] = field(default_factory=dict)
    """Index files by the folder that they describe. A listing has all of them before the folder of the first month."""
    _index_cache: dict[str, GrandstreamIndex | None] = field(default_factory=dict)
    """Only the index that was read last, since files are read in the order of their keys; None if it is unreadable."""
    _unopened_keys: set[str] = field(default_factory=set)
    """Keys of sidecars and indexes that could not be opened."""

    def register_index(self, file: SourceFile) -> None:
        """Remember the file if it is an index."""
        if folder := indexed_prefix(file.key):
            self._indexes[folder] = file

    def is_unchanged(self, fingerprint: str, file: SourceFile, sidecar_files: Sequence[SourceFile]) -> bool:
        """Whether the recording still has this fingerprint.

        A file without a row in its index is read again when the index has changed.

        Raises: RetryableError, when it is not known whether there is an index.
        """
        index_file = self._find_index(file.key)
        return fingerprint == compute_fingerprint(
            file, sidecar_files, index_file, is_in_index=False
        ) or fingerprint == compute_fingerprint(file, sidecar_files, index_file, is_in_index=True)

    def read(self, file: SourceFile, sidecar_files: Sequence[SourceFile]) -> FileMetadata:
        """Read all that is known about a recording. What cannot be read is counted and left out.

        Raises: RetryableError, when it is not known whether there is an index.
        """
        name_metadata = phone_systems.extract_metadata(
            display_path(self.source.location, file.key), self.phone_system, self.patterns
        )
        parsed_sidecars = list(self._read_sidecars(file, sidecar_files, name_metadata.started_at))
        if not parsed_sidecars and name_metadata.phone_system in LEG_RECORD_SYSTEMS:
            parsed_sidecars += self._read_leg_record(file)
        index = self._find_index(file.key)
        row = self._find_index_row(file, index) if index else None
        metadata = merge(*(sidecar.metadata for _, sidecar in parsed_sidecars), row or CallMetadata(), name_metadata)
        metadata = with_offset_of_zone(metadata, self.zone)
        with_transcript = ((each, sidecar.transcript) for each, sidecar in parsed_sidecars if sidecar.transcript)
        transcript_sidecar, transcript = max(with_transcript, key=_transcript_detail, default=(None, None))
        opened_files = [each for each in sidecar_files if each.key not in self._unopened_keys]
        is_index_unreadable = index is not None and index.key in self._unopened_keys
        return FileMetadata(
            metadata=metadata,
            fingerprint=compute_fingerprint(
                file, opened_files, None if is_index_unreadable else index, is_in_index=row is not None
            ),
            transcript=transcript,
            transcript_sidecar=transcript_sidecar,
            has_placeholder=transcript is None and any(sidecar.has_placeholder for _, sidecar in parsed_sidecars),
            is_incomplete=is_index_unreadable or len(opened_files) < len(sidecar_files),
        )

    def recorded_at(self, metadata: CallMetadata, file: SourceFile) -> datetime:
        """Return when the call started, in UTC; if that is unknown, when the file was last written."""
        return recorded_at(metadata, self.zone, file.modified_at)

    def _find_index(self, key: str) -> SourceFile | None:
        """Return the index of the recording's folder, or None.

        Raises: RetryableError, when it is not known whether there is one.
        """
        if not self._indexes and not self.look_up_indexes:
            return None
        for folder, index_path in iter_index_candidates(key):
            if self.look_up_indexes and folder not in self._indexes and index_path.startswith(self.source.prefix):
                self._indexes[folder] = self.source.stat(index_path)
            if index_file := self._indexes.get(folder):
                return index_file
        return None

    def _read_sidecars(
        self, file: SourceFile, sidecar_files: Sequence[SourceFile], known_start: datetime | date | None
    ) -> Iterator[tuple[SourceFile, Sidecar]]:
        for each in sidecar_files:
            sidecar_name = sidecars.parse_sidecar_name(each.key)
            if not sidecar_name or not sidecar_name.belongs_to(file.key):
                continue
            try:
                body = self._read_body(each, sidecars.MAX_SIDECAR_BYTES)
                yield each, sidecars.parse_sidecar(sidecar_name.kind, body, known_start)
            except (SidecarError, TranscriptionError) as error:
                self._report_unreadable(each, error)

    def _read_leg_record(self, file: SourceFile) -> Iterator[tuple[SourceFile, Sidecar]]:
        """Read FreeSWITCH's record of leg A, if there is one by now: it is written when the call ends.

        Raises: RetryableError, when it is not known whether there is one.
        """
        key = sidecars.leg_record_key(file.key)
        if record_file := self.source.stat(key) if key else None:
            try:
                body = self._read_body(record_file, sidecars.MAX_SIDECAR_BYTES)
                yield record_file, sidecars.parse_sidecar(sidecars.SidecarKind.XML, body)
            except (SidecarError, TranscriptionError) as error:
                self._report_unreadable(record_file, error)

    def _find_index_row(self, file: SourceFile, index: SourceFile) -> CallMetadata | None:
        if index.key not in self._index_cache:
            self._index_cache = {index.key: None}
            try:
                self._index_cache[index.key] = parse_index(self._read_body(index, MAX_INDEX_BYTES))
            except (SidecarError, TranscriptionError) as error:
                self._report_unreadable(index, error)
        rows = self._index_cache[index.key]
        return rows.get(file.name) if rows else None

    def _read_body(self, file: SourceFile, max_bytes: int) -> bytes:
        """Read one byte more than is allowed, so that the parser can refuse what is too large."""
        with self.source.open(file.key) as stream:
            return stream.read(max_bytes + 1)

    def _report_unreadable(self, file: SourceFile, error: SidecarError | TranscriptionError) -> None:
        if isinstance(error, TranscriptionError):
            self._unopened_keys.add(file.key)
        self.run.increment("sidecars_unreadable")
        logger.warning("sidecar unreadable", code=error.code, reason=error.message)


def compute_fingerprint(
    file: SourceFile, sidecars: Sequence[SourceFile], index_file: SourceFile | None, *, is_in_index: bool
) -> str:
    """Return the fingerprint of a recording: four characters of Base64 over its file, its sidecars and its index.

    `index_file` is the index of its folder, and `is_in_index` whether that has a row for the file. 24 bits: 1 in 16
    million changes goes unnoticed.
    """
    index_state = IN_INDEX if is_in_index else index_file.fingerprint if index_file else ""
    text = "\n".join([file.fingerprint, *(f"{each.key} {each.fingerprint}" for each in sidecars), index_state])
    return b2a_base64(crc32(text.encode()).to_bytes(4)[1:], newline=False).decode()


def _transcript_detail(candidate: tuple[SourceFile, Transcript]) -> tuple[int, int]:
    """Return how detailed a transcript is: more times first, then more text."""
    transcript = candidate[1]
    return sum(segment.start is not None for segment in transcript.segments), len(transcript.text)
