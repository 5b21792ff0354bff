"""Everything that says something of a recording: its name, what lies beside it, and an index of its folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from callscribe import phone_systems, sidecars
from callscribe.errors import SidecarError, TranscriptionError
from callscribe.metadata import CallMetadata, combined, moment_of
from callscribe.phone_systems.site_patterns import SitePattern
from callscribe.recording import address
from callscribe.run import Run
from callscribe.sidecars import Sidecar
from callscribe.sidecars.index import LARGEST_INDEX, Index, index_of, indexes_for, read_index
from callscribe.sources import Source, SourceFile
from callscribe.telemetry import logger
from callscribe.transcript import Transcript
from functions.sync.version import version_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`transcript` lay beside the recording, in the file `transcript_from`. `version` is of what was read.

    `in_part`: something could not be opened now. It is not in the version, so the next sweep looks again.
    """

    metadata: CallMetadata
    version: str
    transcript: Transcript | None = None
    transcript_from: SourceFile | None = None
    in_part: bool = False


@dataclass(slots=True, kw_only=True)
class Reader:
    """Of one run. `zone` is that of the times that do not tell theirs.

    `looks`: the run does not begin at the beginning, so indexes that it does not meet are asked for by their names.
    """

    source: Source
    run: Run
    phone_system: str
    patterns: Sequence[SitePattern]
    zone: tzinfo
    looks: bool = False
    _indexes: dict[str, SourceFile | None] = field(default_factory=dict)
    """By the folders that they tell of. Those of all months stand before the folder of the first one."""
    _rows: dict[str, Index | None] = field(default_factory=dict)
    """Of the one that was asked last, for whoever goes in order needs no other; None if it cannot be read."""
    _not_opened: set[str] = field(default_factory=set)
    """Keys of what lay beside recordings and could not be opened."""

    def saw(self, file: SourceFile) -> None:
        """Remembers an index that comes by."""
        if folder := index_of(file.key):
            self._indexes[folder] = file

    def index_for(self, key: str) -> SourceFile | None:
        """The index that should tell of this recording. Raises RetryableError."""
        if not self._indexes and not self.looks:
            return None
        for folder, index in indexes_for(key):
            if self.looks and folder not in self._indexes and index.startswith(self.source.prefix):
                self._indexes[folder] = self.source.look(index)
            if found := self._indexes.get(folder):
                return found
        return None

    def read(self, file: SourceFile, beside: Sequence[SourceFile]) -> Reading:
        """All that is said of a recording; what of it cannot be read is counted and left out."""
        told = list(self._sidecars(file, beside))
        index = self.index_for(file.key)
        row = self._row(file, index) if index else None
        name = phone_systems.read(address(self.source.location, file.key), self.phone_system, self.patterns)
        metadata = combined(*(sidecar.metadata for _, sidecar in told), row or CallMetadata(), name)
        with_text = ((each, sidecar.transcript) for each, sidecar in told if sidecar.transcript)
        transcript_from, transcript = max(with_text, key=_richness, default=(None, None))
        opened = [each for each in beside if each.key not in self._not_opened]
        lost = index is not None and index.key in self._not_opened
        return Reading(
            metadata=metadata,
            version=version_of(file, opened, None if lost else index, told=row is not None),
            transcript=transcript,
            transcript_from=transcript_from,
            in_part=lost or len(opened) < len(beside),
        )

    def moment_of(self, metadata: CallMetadata, file: SourceFile) -> datetime:
        """When the call was, UTC: as it is told, else when the file was written."""
        return moment_of(metadata, self.zone, file.modified_at)

    def _sidecars(self, file: SourceFile, beside: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, Sidecar]]:
        for each in beside:
            what = sidecars.sidecar_of(each.key)
            if not what or not what.belongs_to(file.key):
                continue
            try:
                yield each, sidecars.read(what.kind, self._body(each, sidecars.LARGEST))
            except (SidecarError, TranscriptionError) as error:
                self._unreadable(each, error)

    def _row(self, file: SourceFile, index: SourceFile) -> CallMetadata | None:
        if index.key not in self._rows:
            self._rows = {index.key: None}
            try:
                self._rows[index.key] = read_index(self._body(index, LARGEST_INDEX))
            except (SidecarError, TranscriptionError) as error:
                self._unreadable(index, error)
        rows = self._rows[index.key]
        return rows.get(file.name) if rows else None

    def _body(self, file: SourceFile, largest: int) -> bytes:
        with self.source.open(file.key) as opened:
            return opened.read(largest + 1)

    def _unreadable(self, file: SourceFile, error: SidecarError | TranscriptionError) -> None:
        if isinstance(error, TranscriptionError):
            self._not_opened.add(file.key)
        self.run.count("sidecars_unreadable")
        logger.warning("what lies beside a recording cannot be read", code=error.code, reason=error.message)


def _richness(told: tuple[SourceFile, Transcript]) -> tuple[int, int]:
    """Of several transcripts, the one that says the most: times before length."""
    transcript = told[1]
    return sum(segment.start is not None for segment in transcript.segments), len(transcript.text)
