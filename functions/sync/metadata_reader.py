"""Everything that says something of a recording: its name, what lies beside it, and an index of its folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from callscribe import phone_systems, sidecars
from callscribe.call_metadata.metadata import CallMetadata, merge, recorded_at
from callscribe.errors import SidecarError, TranscriptionError
from callscribe.observability import logger
from callscribe.phone_systems.custom_patterns import CustomPattern
from callscribe.recordings.recording import display_path
from callscribe.recordings.run import Run
from callscribe.sidecars import Sidecar, indexed_prefix, iter_index_candidates
from callscribe.sidecars.grandstream_index import MAX_INDEX_BYTES, GrandstreamIndex, parse_index
from callscribe.sources import Source, SourceFile
from callscribe.transcripts.transcript import Transcript
from functions.sync.fingerprint import compute_fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMetadata:
    """`transcript` lay beside the recording, in the file `transcript_from`. `version` is of what was read.

    `in_part`: something could not be opened now. It is not in the version, so the next sweep looks again.
    """

    metadata: CallMetadata
    fingerprint: str
    transcript: Transcript | None = None
    transcript_sidecar: SourceFile | None = None
    is_incomplete: bool = False


@dataclass(slots=True, kw_only=True)
class MetadataReader:
    """Of one run. `zone` is that of the times that do not tell theirs.

    `looks`: the run does not begin at the beginning, so indexes that it does not meet are asked for by their names.
    """

    source: Source
    run: Run
    phone_system: str
    patterns: Sequence[CustomPattern]
    zone: tzinfo
    look_up_indexes: bool = False
    _indexes: dict[str, SourceFile | None] = field(default_factory=dict)
    """By the folders that they tell of. Those of all months stand before the folder of the first one."""
    _index_cache: dict[str, GrandstreamIndex | None] = field(default_factory=dict)
    """Of the one that was asked last, for whoever goes in order needs no other; None if it cannot be read."""
    _unopened_keys: set[str] = field(default_factory=set)
    """Keys of what lay beside recordings and could not be opened."""

    def register_index(self, file: SourceFile) -> None:
        """Remembers an index that comes by."""
        if folder := indexed_prefix(file.key):
            self._indexes[folder] = file

    def find_index(self, key: str) -> SourceFile | None:
        """The index that should tell of this recording. Raises RetryableError."""
        if not self._indexes and not self.look_up_indexes:
            return None
        for folder, index_path in iter_index_candidates(key):
            if self.look_up_indexes and folder not in self._indexes and index_path.startswith(self.source.prefix):
                self._indexes[folder] = self.source.stat(index_path)
            if index_file := self._indexes.get(folder):
                return index_file
        return None

    def read(self, file: SourceFile, sidecar_files: Sequence[SourceFile]) -> FileMetadata:
        """All that is said of a recording; what of it cannot be read is counted and left out."""
        parsed_sidecars = list(self._read_sidecars(file, sidecar_files))
        index = self.find_index(file.key)
        row = self._find_index_row(file, index) if index else None
        name_metadata = phone_systems.extract_metadata(
            display_path(self.source.location, file.key), self.phone_system, self.patterns
        )
        metadata = merge(*(sidecar.metadata for _, sidecar in parsed_sidecars), row or CallMetadata(), name_metadata)
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
            is_incomplete=is_index_unreadable or len(opened_files) < len(sidecar_files),
        )

    def recorded_at(self, metadata: CallMetadata, file: SourceFile) -> datetime:
        """When the call was, UTC: as it is told, else when the file was written."""
        return recorded_at(metadata, self.zone, file.modified_at)

    def _read_sidecars(
        self, file: SourceFile, sidecar_files: Sequence[SourceFile]
    ) -> Iterator[tuple[SourceFile, Sidecar]]:
        for each in sidecar_files:
            sidecar_name = sidecars.parse_sidecar_name(each.key)
            if not sidecar_name or not sidecar_name.belongs_to(file.key):
                continue
            try:
                yield each, sidecars.parse_sidecar(sidecar_name.kind, self._read_body(each, sidecars.MAX_SIDECAR_BYTES))
            except (SidecarError, TranscriptionError) as error:
                self._report_unreadable(each, error)

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
        with self.source.open(file.key) as stream:
            return stream.read(max_bytes + 1)

    def _report_unreadable(self, file: SourceFile, error: SidecarError | TranscriptionError) -> None:
        if isinstance(error, TranscriptionError):
            self._unopened_keys.add(file.key)
        self.run.increment("sidecars_unreadable")
        logger.warning("what lies beside a recording cannot be read", code=error.code, reason=error.message)


def _transcript_detail(candidate: tuple[SourceFile, Transcript]) -> tuple[int, int]:
    """Of several transcripts, the one that says the most: times before length."""
    transcript = candidate[1]
    return sum(segment.start is not None for segment in transcript.segments), len(transcript.text)
