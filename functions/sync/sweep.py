"""One run over a source: as far as time allows, and from where the last one stopped."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from callscribe.clock import Clock
from callscribe.errors import Skipped
from callscribe.ingest import Ingest, classify
from callscribe.recording import address
from callscribe.run import Run
from callscribe.sidecars import APART
from callscribe.sources import Source
from callscribe.store import inventory, runs
from callscribe.store.inventory import Known, Place
from callscribe.telemetry import logger
from functions.sync.complete import PARTIAL
from functions.sync.discovery import Families, Family, Sighting, merged
from functions.sync.intake import Intake

COUNTS = (
    *("listed", "added", "completed", "changed", "missing"),
    *("waiting", "copying", "passed_over", "expired", "refused", "unreadable", "sidecars_unreadable"),
)
"""What a run says of the files that it met: docs/sync.md explains each."""

LOOK_AT_THE_CLOCK = 100
"""Files between two looks."""

REPORT = timedelta(minutes=1)
"""So often a long sweep tells how far it is, and keeps its place should it die."""

HELD = 3 * REPORT
"""After so long without a report a sweep is taken for dead, and the next run goes on in its place."""


@dataclass(slots=True, kw_only=True)
class Sweep:
    """Over all of a source, or over what begins with the same characters. It ends in order at `stop_at`."""

    source: Source
    intake: Intake
    extensions: frozenset[str]
    run: Run
    clock: Clock
    stop_at: datetime
    _reported: bool = False

    def all(self, *, beside_another: bool = False) -> None:
        """Goes on where the last sweep stopped. Raises SourceError, StoreError.

        Raises Skipped while that is still at it, unless this one is to run `beside_another`.
        """
        name = address(self.source.location, self.source.prefix)
        left = inventory.left_off(name)
        if left and left.held_until and self.clock() < left.held_until and not beside_another:
            raise Skipped("The sweep of an earlier run is still under way.", code="under_way")
        stopped_after = self._go(after=left.after if left else "", place=name)
        if stopped_after is not None:
            inventory.leave_off(name, Place(stopped_after))
        elif left or self._reported:
            inventory.finished()

    def part(self) -> None:
        """Over all of the source, from the beginning. Raises SourceError, StoreError."""
        self._go()

    def family(self, stem: str) -> None:
        """Over the files of this stem. Raises SourceError, StoreError."""
        self._go(under=f"{stem}.", beside=f"{stem}{APART}")

    def _go(self, *, under: str = "", after: str = "", beside: str = "", place: str = "") -> str | None:
        """None when it came to the end, else the key behind which it is to go on. Keeps its `place` under that name.

        `beside`: what else is listed, behind all that begins with `under`.
        """
        self.run.counts = dict.fromkeys(COUNTS, 0) | self.run.counts
        self.intake.reader.looks = bool(under or after)
        found = self.source.files(under, after)
        if beside:
            found = chain(found, self.source.files(beside))
        known = inventory.known(self.source.location, max(self.source.prefix, under, key=len), after)
        families = Families(after, self.extensions)
        report_at = self.clock() + REPORT
        try:
            for number, sighting in enumerate(merged(found, known)):
                if number % LOOK_AT_THE_CLOCK == 0 and (now := self.clock()) >= min(report_at, self.stop_at):
                    if now >= self.stop_at:
                        self.run.count("stopped_early")
                        return self._stopped(families, after)
                    self._report(place, families.after, now)
                    report_at = now + REPORT
                self._sight(sighting, families)
                families.last = sighting.key
            self._take(families.rest())
        finally:
            if self.source.unreadable:
                self.run.count("unreadable", self.source.unreadable)
            self.intake.announce()
        return None

    def _stopped(self, families: Families, began_after: str) -> str:
        """The key behind which the next run goes on: before families that it has not seen the whole of."""
        if families.after > began_after:
            return families.after
        self._take(families.rest())  # as far as they were seen, or it would never get on
        return families.last

    def _sight(self, sighting: Sighting | Known, families: Families) -> None:
        if isinstance(sighting, Known):
            self.intake.missing(sighting)
            return
        file = sighting.file
        kind = Ingest.AUDIO if sighting.known else classify(file.key, None, self.extensions)
        if kind is Ingest.AUDIO:
            self.run.count("listed")
        elif kind is Ingest.SIDECAR:
            self.intake.reader.saw(file)
        elif kind is Ingest.WAIT:
            self.intake.wait(file, file, PARTIAL, "copying")
            return
        else:
            self.run.count("passed_over")
            return
        self._take(families.add(sighting, sidecar=kind is Ingest.SIDECAR))

    def _take(self, families: Iterable[Family]) -> None:
        for family in families:
            self.intake.family(family)

    def _report(self, place: str, after: str, now: datetime) -> None:
        logger.info("the sweep goes on", counts=self.run.counts)
        self.intake.announce()
        runs.save(self.run)
        if place:
            inventory.leave_off(place, Place(after, now + HELD))
            self._reported = True
