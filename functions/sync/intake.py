"""What becomes of a file that sync has found, or no longer finds. It is written only where something is new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from callscribe import events, transitions
from callscribe.clock import Clock, iso
from callscribe.errors import TranscriptionError
from callscribe.metadata import Origin, combined, document
from callscribe.recording import LONGEST_KEY, Recording, Status, TranscriptRef, address, entry_of, recording_id
from callscribe.run import Run, Waiting
from callscribe.sources import Source, SourceFile
from callscribe.store import recordings, transcripts
from callscribe.store.inventory import Known
from callscribe.telemetry import logger
from functions.sync.complete import why_waiting
from functions.sync.discovery import Family, Sighting
from functions.sync.reading import Reader, Reading
from functions.sync.version import is_version_of

ADOPTING = (Status.PENDING, Status.FAILED)
"""A transcript beside the file completes these. One that is queued or under way comes to its own end first."""


@dataclass(slots=True, kw_only=True)
class Intake:
    """Of one run. Files in a folder must have rested for `min_age`; `bucket` is where transcripts are stored.

    New files from before `kept_since` are not taken up: their records have been deleted, or would be at once.
    """

    source: Source
    reader: Reader
    bucket: str
    min_age: timedelta
    clock: Clock
    run: Run
    kept_since: datetime | None = None
    _completed: list[Recording] = field(default_factory=list)

    def family(self, family: Family) -> None:
        """Takes each file of it that is new or changed. Raises StoreError, SourceError."""
        sidecars = [file for file in family.sidecars if file.size]
        for sighting in family.audio:
            try:
                self._look_at(sighting, sidecars)
            except TranscriptionError as error:  # gone again, or not readable: the next sweep looks again
                self.run.count("unreadable")
                logger.warning("a file could not be looked into", code=error.code)

    def missing(self, known: Known) -> None:
        """Marks a recording whose file is not listed, if it is not there either when asked for by its name."""
        try:
            if self.source.look(known.key):
                return  # it came while the source was being listed
        except TranscriptionError:
            self.run.count("unreadable")
            return
        entry = known.key if known.version is None else entry_of(known.key, known.version)
        values = {"entry": None, "source_missing": self.clock()}
        if recordings.amend(recording_id(self.source.location, known.key), {"entry": entry}, values):
            self.run.count("missing")

    def wait(self, file: SourceFile, written: SourceFile, why: str, what: str = "waiting") -> None:
        """Counts a file that is not complete yet, and shows it; `written` is what is not complete, it or a sidecar."""
        path = address(self.source.location, file.key)
        self.run.wait(Waiting(path=path, size=file.size, since=written.modified_at, why=why), what)

    def announce(self) -> None:
        """Sends the events of what was completed since."""
        events.publish(self._completed)
        self._completed.clear()

    def _tell(self, completed: Recording) -> None:
        self._completed.append(completed)
        if len(self._completed) == events.AT_ONCE:
            self.announce()

    def _look_at(self, sighting: Sighting, sidecars: Sequence[SourceFile]) -> None:
        file, known = sighting.file, sighting.known
        index = self.reader.index_for(file.key)
        if known and known.version is not None and is_version_of(known.version, file, sidecars, index):
            return
        if known is None and self.kept_since and file.modified_at < self.kept_since:
            self.run.count("expired")
            return
        if len(file.key.encode()) > LONGEST_KEY:
            self.run.count("refused")
            logger.warning("the path of a file is too long: 1024 bytes are allowed", size=file.size)
            return
        now = self.clock()
        for each in (file, *sidecars):
            try:
                why = why_waiting(each, self.source, now, self.min_age)
            except TranscriptionError:
                if each is file:
                    raise
                why = None  # the reader counts it, and goes on without
            if why:
                self.wait(file, each, why)
                return
        if known is None and self._add(file, sidecars):
            return
        seen = recordings.get(recording_id(self.source.location, file.key))
        if seen:  # else it was deleted since
            self._update(seen, file, sidecars)

    def _add(self, file: SourceFile, sidecars: Sequence[SourceFile]) -> bool:
        """False if it has a record already: another run was faster, or the file had been gone."""
        reading = self.reader.read(file, sidecars)
        kept = self._keep(recording_id(self.source.location, file.key), reading)
        new = transitions.new(
            self.source.location,
            file.key,
            size=file.size,
            etag=file.etag,
            modified_at=file.modified_at,
            now=self.clock(),
            version=reading.version,
            metadata=reading.metadata,
            recorded_at=self.reader.moment_of(reading.metadata, file),
            transcript=kept,
        )
        if not recordings.add(new):
            return False
        self.run.count("completed" if kept else "added")
        if kept:
            self._tell(new)
        return True

    def _update(self, seen: Recording, file: SourceFile, sidecars: Sequence[SourceFile]) -> None:
        if seen.status is Status.PROCESSING:
            return  # its worker keeps what it has sent; until that has come to its end, each sweep looks again
        reading = self.reader.read(file, sidecars)
        if reading.transcript and seen.status is Status.QUEUED:
            return  # as above
        entry = entry_of(file.key, reading.version)
        values = {"entry": entry, "source_missing": None} | self._of_file(seen, file)
        if reading.in_part:  # what could not be opened now has told before what it tells
            metadata = combined(seen.metadata, reading.metadata)
        else:
            metadata = combined(reading.metadata, seen.metadata.read_only_in(Origin.PERSON, Origin.TAGS))
        if document(metadata) != document(seen.metadata):  # of a time, ms are stored
            recorded_at = self.reader.moment_of(metadata, file)
            values |= {"metadata": metadata, "recorded_at": recorded_at}
            if seen.status is Status.PENDING:
                values["position"] = transitions.pending_position(recorded_at)
        if all(getattr(seen, name) == value for name, value in values.items()):
            return  # another run was faster
        kept = self._keep(seen.id, reading) if seen.status in ADOPTING else None
        if kept:
            self._adopt(seen, kept, values)
            return
        # a person may correct the same metadata at this moment: then the next sweep looks again
        expected = {"status": seen.status, "entry": seen.entry, "metadata": seen.metadata}
        if recordings.amend(seen.id, expected, values):
            self.run.count("changed")

    def _of_file(self, seen: Recording, file: SourceFile) -> dict[str, Any]:
        """What is to be kept of a file that is another one than was seen. What was transcribed is left alone."""
        before = SourceFile(key=seen.key, size=seen.size, modified_at=seen.modified_at, etag=seen.etag)
        if before.mark == file.mark:
            return {"source_changed": None}
        if seen.status is Status.COMPLETED:
            return {"source_changed": seen.source_changed or self.clock()}
        return {"size": file.size, "etag": file.etag, "modified_at": file.modified_at}

    def _adopt(self, seen: Recording, kept: TranscriptRef, values: Mapping[str, Any]) -> None:
        change = transitions.adopt(seen, kept, self.clock())
        expected = {**change.expected, "metadata": seen.metadata}
        after = recordings.apply(seen.id, replace(change, expected=expected, values={**values, **change.values}))
        if after:
            self.run.count("completed")
            self._tell(after)

    def _keep(self, of: str, reading: Reading) -> TranscriptRef | None:
        """Stores the transcript that lay beside the file, if there is one. Raises RetryableError."""
        transcript, beside = reading.transcript, reading.transcript_from
        if not transcript or not beside:
            return None
        # the same sidecar gives the same name, however often a run dies here
        version = transcripts.version_name(beside.modified_at, f"{crc32(beside.mark.encode()):08x}")
        origin = {"recordingId": of, "version": version, "sidecar": True, "createdAt": iso(self.clock())}
        transcripts.put(self.bucket, of, version, transcript.document(origin))
        return TranscriptRef(
            version=version,
            language=transcript.language,
            duration=transcript.duration,
            preview=transcript.preview,
            no_speech=not transcript.segments,
        )
