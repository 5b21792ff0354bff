"""What lies in a source, and what is known of it: two sorted streams become one, and files come with their sidecars."""

from bisect import insort
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from callscribe.ingest import AUDIO
from callscribe.sidecars import stem_of
from callscribe.sources import SourceFile
from callscribe.store.inventory import Known


class Sighting(NamedTuple):
    """A file, and what is known of it, if anything is."""

    key: str
    file: SourceFile
    known: Known | None


@dataclass(slots=True)
class Family:
    """Files of one stem: `audio` is what is, or was, a recording; `sidecars` lie beside it.

    `after` is the last key before all of them, `number` the place of the last one in the listing.
    """

    stem: str
    after: str
    number: int = 0
    audio: list[Sighting] = field(default_factory=list)
    sidecars: list[SourceFile] = field(default_factory=list)


def merged(found: Iterable[SourceFile], known: Iterator[Known]) -> Iterator[Sighting | Known]:
    """Merges two streams that are sorted by the key; what is known and not found comes as it is.

    Neither is held in memory, and nothing is looked up one by one.
    """
    record = next(known, None)
    for file in found:
        key = file.key
        while record is not None and record.key < key:
            yield record
            record = next(known, None)
        if record is not None and record.key == key:
            yield Sighting(key, file, record)
            record = next(known, None)
        else:
            yield Sighting(key, file, None)
    if record is not None:
        yield record
    yield from known


APART_AT_MOST = 1000
"""So many other files may come between two of a family: `a_metadata.json` lies behind the whole of a folder `a/`."""


class Families:
    """Collects sorted sightings by the stem of their names, and gives a family back when no more of it can come.

    All that begin with the same characters stand together, whatever comes between them: so only those families are held
    whose stem the present key begins with, a handful of them. `last` is the key before the present one.
    """

    def __init__(self, after: str, extensions: Collection[str] = AUDIO) -> None:
        """`extensions` are those of recordings, in small letters."""
        self.last = after
        self._extensions = extensions
        self._number = 0
        self._open: list[Family] = []
        """By the length of their stems: each begins with the one before."""

    @property
    def after(self) -> str:
        """The last key before all that are held."""
        return min((each.after for each in self._open), default=self.last)

    def add(self, sighting: Sighting, *, sidecar: bool) -> list[Family]:
        """Takes the next one; gives back the families that end before it."""
        key, ended = sighting.key, []
        self._number += 1
        while self._open and not key.startswith(self._open[-1].stem):
            ended.append(self._open.pop())
        while self._open and self._number - self._open[0].number > APART_AT_MOST:
            ended.append(self._open.pop(0))
        stem = stem_of(key, self._extensions)
        for family in self._open:
            if family.stem == stem:
                break
        else:
            family = Family(stem, self.last)
            insort(self._open, family, key=lambda each: len(each.stem))
        family.number = self._number
        if sidecar:
            family.sidecars.append(sighting.file)
        else:
            family.audio.append(sighting)
        return ended

    def rest(self) -> list[Family]:
        """Those that have not ended."""
        held, self._open = self._open[::-1], []
        return held
