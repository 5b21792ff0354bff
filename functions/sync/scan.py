"""Scans a source: compares its listing with the known files, and ingests the files of one recording together.

The listing and the index of known files are both sorted by key, so one pass over the two finds every new, changed and
missing file. Neither is held in memory. A scan stops before Lambda's timeout, and the next one resumes there.
"""

from bisect import insort
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain

from callscribe.errors import RunSkipped
from callscribe.observability import logger
from callscribe.recordings.recording import display_path
from callscribe.sidecars import GENESYS_SUFFIX, group_key
from callscribe.sources import SourceFile
from callscribe.sources.file_types import AUDIO_EXTENSIONS, NO_EXTENSION, FileKind, classify
from callscribe.store import known_files, runs
from callscribe.store.known_files import KnownFile, ScanCheckpoint
from functions.sync import formats, record_updates
from functions.sync.ingestion import IN_TRANSFER, ScannedFile, ingest
from functions.sync.sync_context import SyncContext

COUNTS = (
    *("listed", "added", "completed", "updated", "transcribed_again", "missing"),
    *("moved", "duplicates", "waiting", "in_transfer", "empty", "archived", "ignored"),
    *("past_retention", "path_too_long", "unreadable", "sidecars_unreadable"),
)
"""Counts of a run. docs/sync.md explains each."""

CLOCK_CHECK_INTERVAL = 100
"""Files between two checks of the clock."""

CHECKPOINT_INTERVAL = timedelta(minutes=1)
"""How often a long scan logs its progress and saves a checkpoint, from which the next scan resumes if this one dies."""

CHECKPOINT_LEASE = 3 * CHECKPOINT_INTERVAL
"""A scan that has saved no checkpoint for this long is considered dead, and the next run resumes it."""

MAX_GROUP_GAP = 1000
"""Maximum number of files listed between two of one group: `a_metadata.json` is listed after all of a folder `a/`."""


@dataclass(slots=True)
class FileGroup:
    """Files with one group key: `audio` are recordings, or have a record; `sidecars` belong to them.

    `missing` have a record, but are not listed.
    `preceding_key` is the last key listed before all of them, `last_position` the position of the last one in the
    listing.
    """

    key: str
    preceding_key: str
    last_position: int = 0
    audio: list[ScannedFile] = field(default_factory=list)
    missing: list[KnownFile] = field(default_factory=list)
    sidecars: list[SourceFile] = field(default_factory=list)


def merge_listings(files: Iterable[SourceFile], known_files: Iterator[KnownFile]) -> Iterator[ScannedFile | KnownFile]:
    """Merge two streams sorted by key. A known file that is not listed is yielded as it is."""
    known_file = next(known_files, None)
    for file in files:
        key = file.key
        while known_file is not None and known_file.key < key:
            yield known_file
            known_file = next(known_files, None)
        if known_file is not None and known_file.key == key:
            yield ScannedFile(key, file, known_file)
            known_file = next(known_files, None)
        else:
            yield ScannedFile(key, file, None)
    if known_file is not None:
        yield known_file
    yield from known_files


class FileGrouper:
    """Groups a sorted listing into recordings with their sidecars, and returns a group once no member can follow.

    The keys of a group begin with its group key. In a sorted listing all keys with that prefix are consecutive, even
    if keys of other groups are among them. So only groups whose key is a prefix of the current key stay open: a
    handful. The caller sets `last_key` to the current key once it has handled it.
    """

    def __init__(self, start_after: str, extensions: Collection[str] = AUDIO_EXTENSIONS) -> None:
        """`extensions` are those of recordings, in lower case."""
        self.last_key = start_after
        self._extensions = extensions
        self._position = 0
        self._open_groups: list[FileGroup] = []
        """Sorted by the length of their keys: each begins with the previous one."""

    @property
    def resume_after(self) -> str:
        """The last key listed before all open groups."""
        return min((group.preceding_key for group in self._open_groups), default=self.last_key)

    def add(self, item: ScannedFile | KnownFile, *, is_sidecar: bool = False) -> list[FileGroup]:
        """Add the next file, listed or missing, and return the groups that are complete without it."""
        key, finished = item.key, []
        self._position += 1
        while self._open_groups and not key.startswith(self._open_groups[-1].key):
            finished.append(self._open_groups.pop())
        while self._open_groups and self._position - self._open_groups[0].last_position > MAX_GROUP_GAP:
            finished.append(self._open_groups.pop(0))
        target_key = group_key(key, self._extensions)
        for group in self._open_groups:
            if group.key == target_key:
                break
        else:
            group = FileGroup(target_key, self.last_key)
            insort(self._open_groups, group, key=lambda each: len(each.key))
        group.last_position = self._position
        if isinstance(item, KnownFile):
            group.missing.append(item)
        elif is_sidecar:
            group.sidecars.append(item.file)
        else:
            group.audio.append(item)
        return finished

    def flush(self) -> list[FileGroup]:
        """Return the groups that are still open."""
        remaining, self._open_groups = self._open_groups[::-1], []
        return remaining


@dataclass(slots=True, kw_only=True)
class Scanner:
    """Scans all of the source, or the keys with one prefix. It stops at `stop_at`."""

    context: SyncContext
    extensions: frozenset[str]
    stop_at: datetime
    _has_saved_checkpoint: bool = False

    def scan_all(self, *, ignore_lease: bool = False) -> None:
        """Scan the source from the last checkpoint to its end, or until time is up.

        Raises: SourceError, StoreError; RunSkipped, while another scan holds the lease, unless that is to be ignored.
        """
        checkpoint_name = display_path(self.context.source.location, self.context.source.prefix)
        checkpoint = known_files.load_checkpoint(checkpoint_name)
        if checkpoint and checkpoint.lease_until and self.context.clock() < checkpoint.lease_until and not ignore_lease:
            raise RunSkipped("Another run is still scanning this source.", code="already_running")
        resume_after = self._scan(
            start_after=checkpoint.after_key if checkpoint else "", checkpoint_name=checkpoint_name
        )
        if resume_after is not None:
            known_files.save_checkpoint(checkpoint_name, ScanCheckpoint(resume_after))
        elif checkpoint or self._has_saved_checkpoint:
            known_files.clear_checkpoint()

    def scan_subsource(self) -> None:
        """Scan the source from its beginning, without a checkpoint.

        Raises: SourceError, StoreError.
        """
        self._scan()

    def scan_group(self, key: str) -> bool:
        """Scan only the files with this group key. Return False if one of them could not be read, or time was up.

        Raises: SourceError, StoreError.
        """
        unreadable_before = self.context.run.counts.get("unreadable", 0)
        if NO_EXTENSION in self.extensions:  # the recording may have no dot after its group key
            resume_after = self._scan(prefix=key)
        else:
            resume_after = self._scan(prefix=f"{key}.", sidecar_prefix=f"{key}{GENESYS_SUFFIX}")
        return resume_after is None and self.context.run.counts["unreadable"] == unreadable_before

    def _scan(
        self, *, prefix: str = "", sidecar_prefix: str = "", start_after: str = "", checkpoint_name: str = ""
    ) -> str | None:
        """Scan the keys that begin with `prefix` and come after `start_after`.

        Returns None at the end of the listing; when time is up, the key after which the next scan has to resume.
        Keys with `sidecar_prefix` come after all keys with `prefix`.
        """
        context, source = self.context, self.context.source
        context.run.counts = dict.fromkeys(COUNTS, 0) | context.run.counts
        # an index is listed before its recordings: a scan that starts later does not meet it
        context.reader.look_up_indexes = bool(prefix or start_after)
        files = source.list_files(prefix, start_after)
        if sidecar_prefix:
            files = chain(files, source.list_files(sidecar_prefix))
        known = known_files.iter_known(source.location, max(source.prefix, prefix, key=len), start_after)
        grouper = FileGrouper(start_after, self.extensions)
        next_checkpoint_at = context.clock() + CHECKPOINT_INTERVAL
        try:
            for number, item in enumerate(merge_listings(files, known)):
                if number % CLOCK_CHECK_INTERVAL == 0:
                    now = context.clock()
                    if now >= self.stop_at:
                        context.run.increment("incomplete")
                        return self._stop_early(grouper, start_after)
                    if now >= next_checkpoint_at:
                        self._save_checkpoint(checkpoint_name, grouper.resume_after, now)
                        next_checkpoint_at = now + CHECKPOINT_INTERVAL
                self._visit(item, grouper)
                grouper.last_key = item.key
            self._ingest(grouper.flush())
        finally:
            if source.unreadable_count:
                context.run.increment("unreadable", source.unreadable_count)
            context.publish_events()
        return None

    def _stop_early(self, grouper: FileGrouper, started_after: str) -> str:
        """Return the key after which the next scan resumes: before the groups that are still open."""
        if grouper.resume_after > started_after:
            return grouper.resume_after
        self._ingest(grouper.flush())  # although they may lack members: the scan would never get past them
        return grouper.last_key

    def _visit(self, item: ScannedFile | KnownFile, grouper: FileGrouper) -> None:
        if isinstance(item, KnownFile):
            self._ingest(grouper.add(item))
            return
        file = item.file
        kind = FileKind.AUDIO if item.known else classify(file.key, None, self.extensions)
        if kind is FileKind.AUDIO:
            self.context.run.increment("listed")
        elif kind is FileKind.SIDECAR:
            self.context.reader.register_index(file)
        elif kind is FileKind.INCOMPLETE:
            self.context.report_incomplete(file, file, IN_TRANSFER, "in_transfer")
            return
        else:
            self.context.run.increment("ignored")
            return
        self._ingest(grouper.add(item, is_sidecar=kind is FileKind.SIDECAR))

    def _ingest(self, groups: Iterable[FileGroup]) -> None:
        for group in groups:
            sidecars = [file for file in group.sidecars if file.size]
            if len(group.audio) + len(group.missing) > 1:
                formats.ingest_formats(self.context, group.audio, group.missing, sidecars)
                continue
            for scanned_file in group.audio:
                ingest(self.context, scanned_file.file, scanned_file.known, sidecars)
            for known in group.missing:
                record_updates.mark_missing(self.context, known)

    def _save_checkpoint(self, checkpoint_name: str, resume_after: str, now: datetime) -> None:
        logger.info("scan progress", counts=self.context.run.counts)
        self.context.publish_events()
        runs.save(self.context.run)
        if checkpoint_name:
            known_files.save_checkpoint(checkpoint_name, ScanCheckpoint(resume_after, now + CHECKPOINT_LEASE))
            self._has_saved_checkpoint = True
