"""What lies in a source, and what is known of it: two sorted streams become one, and files come with their sidecars."""

from bisect import insort
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from callscribe.sidecars import group_key
from callscribe.sources import SourceFile
from callscribe.sources.file_types import AUDIO_EXTENSIONS
from callscribe.store.known_files import KnownFile


class ScannedFile(NamedTuple):
    """A file, and what is known of it, if anything is."""

    key: str
    file: SourceFile
    known: KnownFile | None


@dataclass(slots=True)
class FileGroup:
    """Files of one stem: `audio` is what is, or was, a recording; `sidecars` lie beside it.

    `after` is the last key before all of them, `number` the place of the last one in the listing.
    """

    key: str
    preceding_key: str
    last_position: int = 0
    audio: list[ScannedFile] = field(default_factory=list)
    sidecars: list[SourceFile] = field(default_factory=list)


def merge_listings(files: Iterable[SourceFile], known_files: Iterator[KnownFile]) -> Iterator[ScannedFile | KnownFile]:
    """Merges two streams that are sorted by the key; what is known and not found comes as it is.

    Neither is held in memory, and nothing is looked up one by one.
    """
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


MAX_GROUP_GAP = 1000
"""So many other files may come between two of a family: `a_metadata.json` lies behind the whole of a folder `a/`."""


class FileGrouper:
    """Collects sorted sightings by the stem of their names, and gives a family back when no more of it can come.

    All that begin with the same characters stand together, whatever comes between them: so only those families are held
    whose stem the present key begins with, a handful of them. `last` is the key before the present one.
    """

    def __init__(self, start_after: str, extensions: Collection[str] = AUDIO_EXTENSIONS) -> None:
        """`extensions` are those of recordings, in small letters."""
        self.last_key = start_after
        self._extensions = extensions
        self._position = 0
        self._open_groups: list[FileGroup] = []
        """By the length of their stems: each begins with the one before."""

    @property
    def resume_after(self) -> str:
        """The last key before all that are held."""
        return min((each.preceding_key for each in self._open_groups), default=self.last_key)

    def add(self, scanned_file: ScannedFile, *, is_sidecar: bool) -> list[FileGroup]:
        """Takes the next one; gives back the families that end before it."""
        key, finished = scanned_file.key, []
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
        if is_sidecar:
            group.sidecars.append(scanned_file.file)
        else:
            group.audio.append(scanned_file)
        return finished

    def flush(self) -> list[FileGroup]:
        """Those that have not ended."""
        remaining, self._open_groups = self._open_groups[::-1], []
        return remaining
