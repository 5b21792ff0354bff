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
from callscribe.sidecars.index import LARGEST_INDEX, Index, index_of, read_index
from callscribe.sources import Source, SourceFile
from callscribe.telemetry import logger
from callscribe.transcript import Transcript

INDEXES = 3
"""So many are remembered at once. An index stands just before the folder that it tells of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`transcript` lay beside the recording, in the file `transcript_from`; `told`: an index tells of it."""

    metadata: CallMetadata
    transcript: Transcript | None = None
    transcript_from: SourceFile | None = None
    told: bool = False


@dataclass(slots=True)
class _Seen:
    """An index that was met: it is read when it is first asked for. `rows` is None until then, or if it cannot be."""

    folder: str
    file: SourceFile
    rows: Index | None = None
    asked: bool = False


@dataclass(slots=True, kw_only=True)
class Reader:
    """Of one run. `zone` is that of the times that do not tell theirs."""

    source: Source
    run: Run
    phone_system: str
    patterns: Sequence[SitePattern]
    zone: tzinfo
    _indexes: list[_Seen] = field(default_factory=list)

    def saw(self, file: SourceFile) -> None:
        """Remembers an index that comes by."""
        if folder := index_of(file.key):
            self._indexes = [*self._indexes[1 - INDEXES :], _Seen(folder, file)]

    def index_for(self, key: str) -> SourceFile | None:
        """The index that should tell of this recording."""
        seen = self._seen(key)
        return seen.file if seen else None

    def read(self, file: SourceFile, beside: Sequence[SourceFile]) -> Reading:
        """All that is said of a recording; what of it cannot be read is counted and left out."""
        told = list(self._sidecars(file, beside))
        row = self._row(file.key)
        name = phone_systems.read(address(self.source.location, file.key), self.phone_system, self.patterns)
        metadata = combined(*(sidecar.metadata for _, sidecar in told), row or CallMetadata(), name)
        with_text = ((each, sidecar.transcript) for each, sidecar in told if sidecar.transcript)
        transcript_from, transcript = max(with_text, key=_richness, default=(None, None))
        return Reading(metadata=metadata, transcript=transcript, transcript_from=transcript_from, told=row is not None)

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
                self._unreadable(error)

    def _row(self, key: str) -> CallMetadata | None:
        seen = self._seen(key)
        if not seen:
            return None
        if not seen.asked:
            seen.asked = True
            try:
                seen.rows = read_index(self._body(seen.file, LARGEST_INDEX))
            except (SidecarError, TranscriptionError) as error:
                self._unreadable(error)
        return seen.rows.get(key.rpartition("/")[2]) if seen.rows else None

    def _seen(self, key: str) -> _Seen | None:
        return next((each for each in self._indexes if key.startswith(each.folder)), None)

    def _body(self, file: SourceFile, largest: int) -> bytes:
        with self.source.open(file.key) as opened:
            return opened.read(largest + 1)

    def _unreadable(self, error: SidecarError | TranscriptionError) -> None:
        self.run.count("sidecars_unreadable")
        logger.warning("what lies beside a recording cannot be read", code=error.code, reason=error.message)


def _richness(told: tuple[SourceFile, Transcript]) -> tuple[int, int]:
    """Of several transcripts, the one that says the most: times before length."""
    transcript = told[1]
    return sum(segment.start is not None for segment in transcript.segments), len(transcript.text)
