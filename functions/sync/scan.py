"""One run over a source: as far as time allows, and from where the last one stopped."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from callscribe.clock import Clock
from callscribe.errors import RunSkipped
from callscribe.observability import logger
from callscribe.recordings.recording import display_path
from callscribe.recordings.run import Run
from callscribe.sidecars import GENESYS_SUFFIX
from callscribe.sources import Source
from callscribe.sources.file_types import FileKind, classify
from callscribe.store import known_files, runs
from callscribe.store.known_files import KnownFile, ScanCheckpoint
from functions.sync.completeness import IN_TRANSFER
from functions.sync.file_groups import FileGroup, FileGrouper, ScannedFile, merge_listings
from functions.sync.ingestion import FileIngester

COUNTS = (
    *("listed", "added", "completed", "updated", "missing"),
    *("waiting", "in_transfer", "ignored", "past_retention", "path_too_long", "unreadable", "sidecars_unreadable"),
)
"""What a run says of the files that it met: docs/sync.md explains each."""

CLOCK_CHECK_INTERVAL = 100
"""Files between two looks."""

CHECKPOINT_INTERVAL = timedelta(minutes=1)
"""So often a long sweep tells how far it is, and keeps its place should it die."""

CHECKPOINT_LEASE = 3 * CHECKPOINT_INTERVAL
"""After so long without a report a sweep is taken for dead, and the next run goes on in its place."""


@dataclass(slots=True, kw_only=True)
class Scan:
    """Over all of a source, or over what begins with the same characters. It ends in order at `stop_at`."""

    source: Source
    ingester: FileIngester
    extensions: frozenset[str]
    run: Run
    clock: Clock
    stop_at: datetime
    _has_saved_checkpoint: bool = False

    def run_full(self, *, ignore_lease: bool = False) -> None:
        """Goes on where the last sweep stopped. Raises SourceError, StoreError.

        Raises Skipped while that is still at it, unless this one is to run `beside_another`.
        """
        checkpoint_name = display_path(self.source.location, self.source.prefix)
        checkpoint = known_files.load_checkpoint(checkpoint_name)
        if checkpoint and checkpoint.lease_until and self.clock() < checkpoint.lease_until and not ignore_lease:
            raise RunSkipped("The sweep of an earlier run is still under way.", code="under_way")
        resume_after = self._scan(
            start_after=checkpoint.after_key if checkpoint else "", checkpoint_name=checkpoint_name
        )
        if resume_after is not None:
            known_files.save_checkpoint(checkpoint_name, ScanCheckpoint(resume_after))
        elif checkpoint or self._has_saved_checkpoint:
            known_files.clear_checkpoint()

    def run_prefix(self) -> None:
        """Over all of the source, from the beginning. Raises SourceError, StoreError."""
        self._scan()

    def run_group(self, group_key: str) -> None:
        """Over the files of this stem. Raises SourceError, StoreError."""
        self._scan(prefix=f"{group_key}.", sidecar_prefix=f"{group_key}{GENESYS_SUFFIX}")

    def _scan(
        self, *, prefix: str = "", start_after: str = "", sidecar_prefix: str = "", checkpoint_name: str = ""
    ) -> str | None:
        """None when it came to the end, else the key behind which it is to go on. Keeps its `place` under that name.

        `beside`: what else is listed, behind all that begins with `under`.
        """
        self.run.counts = dict.fromkeys(COUNTS, 0) | self.run.counts
        self.ingester.reader.look_up_indexes = bool(prefix or start_after)
        files = self.source.list_files(prefix, start_after)
        if sidecar_prefix:
            files = chain(files, self.source.list_files(sidecar_prefix))
        known = known_files.iter_known(self.source.location, max(self.source.prefix, prefix, key=len), start_after)
        grouper = FileGrouper(start_after, self.extensions)
        next_checkpoint_at = self.clock() + CHECKPOINT_INTERVAL
        try:
            for number, item in enumerate(merge_listings(files, known)):
                if number % CLOCK_CHECK_INTERVAL == 0 and (now := self.clock()) >= min(
                    next_checkpoint_at, self.stop_at
                ):
                    if now >= self.stop_at:
                        self.run.increment("incomplete")
                        return self._stop_early(grouper, start_after)
                    self._save_checkpoint(checkpoint_name, grouper.resume_after, now)
                    next_checkpoint_at = now + CHECKPOINT_INTERVAL
                self._visit(item, grouper)
                grouper.last_key = item.key
            self._ingest(grouper.flush())
        finally:
            if self.source.unreadable_count:
                self.run.increment("unreadable", self.source.unreadable_count)
            self.ingester.publish_events()
        return None

    def _stop_early(self, grouper: FileGrouper, started_after: str) -> str:
        """The key behind which the next run goes on: before families that it has not seen the whole of."""
        if grouper.resume_after > started_after:
            return grouper.resume_after
        self._ingest(grouper.flush())  # as far as they were seen, or it would never get on
        return grouper.last_key

    def _visit(self, item: ScannedFile | KnownFile, grouper: FileGrouper) -> None:
        if isinstance(item, KnownFile):
            self.ingester.mark_missing(item)
            return
        file = item.file
        kind = FileKind.AUDIO if item.known else classify(file.key, None, self.extensions)
        if kind is FileKind.AUDIO:
            self.run.increment("listed")
        elif kind is FileKind.SIDECAR:
            self.ingester.reader.register_index(file)
        elif kind is FileKind.INCOMPLETE:
            self.ingester.report_incomplete(file, file, IN_TRANSFER, "in_transfer")
            return
        else:
            self.run.increment("ignored")
            return
        self._ingest(grouper.add(item, is_sidecar=kind is FileKind.SIDECAR))

    def _ingest(self, groups: Iterable[FileGroup]) -> None:
        for group in groups:
            self.ingester.ingest_group(group)

    def _save_checkpoint(self, checkpoint_name: str, resume_after: str, now: datetime) -> None:
        logger.info("the sweep goes on", counts=self.run.counts)
        self.ingester.publish_events()
        runs.save(self.run)
        if checkpoint_name:
            known_files.save_checkpoint(checkpoint_name, ScanCheckpoint(resume_after, now + CHECKPOINT_LEASE))
            self._has_saved_checkpoint = True
