"""Everything that says something of a recording: its name, what lies beside it, and an index of its folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from callscribe.metadata import CallMetadata, moment_of
from callscribe.run import Run
from callscribe.sources import Source, SourceFile
from callscribe.transcript import Transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`transcript` lay beside the recording, in the file `transcript_from`; `told`: an index tells of it."""

    metadata: CallMetadata
    transcript: Transcript | None = None
    transcript_from: SourceFile | None = None
    told: bool = False


class Reader:
    """Of one run."""

    def __init__(self, source: Source, run: Run, *, phone_system: str, zone: tzinfo) -> None:
        self._source = source
        self._run = run
        self._phone_system = phone_system
        self._zone = zone

    def saw(self, file: SourceFile) -> None: ...

    def index_for(self, key: str) -> SourceFile | None:
        return None

    def read(self, file: SourceFile, sidecars: Sequence[SourceFile]) -> Reading:
        return Reading(metadata=CallMetadata())

    def moment_of(self, metadata: CallMetadata, file: SourceFile) -> datetime:
        """When the call was, UTC: as it is told, else when the file was written."""
        return moment_of(metadata, self._zone, file.modified_at)
