"""Recordings by number, call id or the beginning of a name: out of narrow indexes, and never by reading the table.

Each index that may know of one is a stream in the order of time; together they are one list. What they name is then
read whole, a hundred a request, and shown if it is what is looked for.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

from callscribe.clock import Clock
from callscribe.recording import Recording
from callscribe.search import BY_CALL, BY_NAME, BY_NUMBER, Sought, matches, tail_of
from callscribe.store import lists, recordings
from callscribe.store.lists import RECORDED_AT, Cursor, Filters, Page, query
from callscribe.store.models import ALL, RecordingModel

ENTRIES = 250
"""Read of an index in one request, some 30 kB."""

NAMES = 5000
"""With more names than these, the beginning of a name tells so little that all recordings are gone through by time."""

READ_AT_ONCE = 100
"""Recordings in one BatchGetItem, as many as DynamoDB allows."""

COUNTED_AT_ONCE = 500
"""Recordings between two looks at the clock, by who only counts what is searched for."""

REQUESTS = 40
"""Of one page, about: API Gateway does not wait for ever."""

INDEXES: Mapping[str, tuple[Any, str]] = {
    BY_CALL: (RecordingModel.by_call, "call"),
    BY_NUMBER[0]: (RecordingModel.by_number_1, "n1"),
    BY_NUMBER[1]: (RecordingModel.by_number_2, "n2"),
    BY_NUMBER[2]: (RecordingModel.by_number_3, "n3"),
    BY_NAME: (RecordingModel.by_time, "listing"),
}
"""What each way goes through in the order of time, and the name of its partition's key."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the stream `way` has at this time: the recording of this `id`, or None where it only tells how far it is.

    `key` is where it goes on behind this.
    """

    at: str
    way: str
    key: Cursor
    id: str | None


def page(filters: Filters, *, limit: int, cursor: Cursor | None = None) -> Page:
    """A page of the recordings that `filters` accept, out of whichever index knows them. Raises StoreError."""
    sought = filters.sought
    if sought is None:
        return lists.page(filters, limit=limit, cursor=cursor)
    return find(sought, filters, limit=limit, cursor=cursor)


def count(filters: Filters, until: datetime, clock: Clock) -> tuple[int, bool]:
    """How many recordings these filters accept, and whether that is all: it is not when it took longer than `until`.

    Raises StoreError.
    """
    number = 0
    for some in lists.counted(filters) if filters.sought is None else _found(filters):
        number += some
        if clock() >= until:
            return number, False
    return number, True


def _found(filters: Filters) -> Iterator[int]:
    cursor = None
    while True:
        found = page(filters, limit=COUNTED_AT_ONCE, cursor=cursor)
        yield len(found.recordings)
        cursor = found.next
        if cursor is None:
            return


def find(sought: Sought, filters: Filters, *, limit: int, cursor: Cursor | None = None) -> Page:
    """Those that `sought` finds and `filters` accept: newest first, `queued` oldest first. Raises StoreError.

    A page may hold fewer than `limit`, and even none, before the last: where few are looked for among very many.
    """
    if sought.id and (one := recordings.get(sought.id)):
        return Page([one] if filters.accept(one) else [], None)
    return _Look(sought, filters, dict(cursor or {})).page(limit)


@dataclass(slots=True)
class _Look:
    """At one page. `places` is how far each stream was read."""

    sought: Sought
    filters: Filters
    places: dict[str, Cursor]
    requests: int = 0
    found: list[Recording] = field(default_factory=list)

    def page(self, limit: int) -> Page:
        entries = heapq.merge(*self._streams(), key=attrgetter("at"), reverse=not self.filters.forward)
        while taken := self._take(entries):
            whole = self._read({entry.id for entry in taken if entry.id})
            for entry in taken:
                self.places[entry.way] = entry.key
                recording = whole.get(entry.id) if entry.id else None
                if recording and self._is_meant(recording, entry.way):
                    self.found.append(recording)
                    if len(self.found) == limit:
                        return Page(self.found, self.places)
            if self.requests >= REQUESTS:
                return Page(self.found, self.places)
        return Page(self.found, None)

    def _take(self, entries: Iterator[Entry]) -> list[Entry]:
        """The next ones, as many as are read at once; no further than may be asked for in this page."""
        taken: list[Entry] = []
        ids = 0
        for entry in entries:
            taken.append(entry)
            ids += entry.id is not None
            if ids == READ_AT_ONCE or (entry.id is None and self.requests >= REQUESTS):
                break
        return taken

    def _read(self, ids: set[str]) -> Mapping[str, Recording]:
        if not ids:
            return {}
        self.requests += 1
        return recordings.get_all(ids)

    def _is_meant(self, recording: Recording, way: str) -> bool:
        """What several ways lead to is shown at the end of the first; an index may be a moment late."""
        return self.sought.ways(recording)[:1] == [way] and self.filters.accept(recording)

    def _streams(self) -> Iterable[Iterator[Entry]]:
        sought = self.sought
        if sought.call:
            yield self._stream(BY_CALL, sought.call, limit=ENTRIES)
        for number, way in enumerate(BY_NUMBER if sought.number else ()):
            yield self._stream(way, tail_of(sought.number), number=number, limit=ENTRIES)
        if sought.name:
            yield self._by_name()

    def _stream(self, way: str, partition: str, *, number: int | None = None, **options: Any) -> Iterator[Entry]:
        """The entries of an index by time, and behind each request how far it was read.

        Of an index of numbers, those whose `number`, counted from 0, is the one that is looked for.
        """
        index, hash_key = INDEXES[way]
        start = self.places.get(way)
        while True:
            self.requests += 1
            between = RECORDED_AT.between(*self.filters.bounds)
            answer = query(index, partition, between, self.filters, exclusive_start_key=start, **options)
            for item in answer["Items"]:
                if number is None or matches(item["numbers"]["S"].split()[number], self.sought.number):
                    yield _entry(way, hash_key, item)
            start = answer.get("LastEvaluatedKey")
            if start is None:
                return
            yield Entry(start["recorded_at"]["S"], way, start, None)

    def _by_name(self) -> Iterator[Entry]:
        """The index of names is sorted by them, so what it has is read whole and sorted by time, if that is little.

        If it is much, all recordings are gone through by time: then many of them are meant.
        """
        begins = RecordingModel.name.startswith(self.sought.name)
        self.requests += 1
        answer = query(RecordingModel.by_name, ALL, begins, self.filters, limit=NAMES)
        if "LastEvaluatedKey" in answer:
            narrow = ["id", "listing", "recorded_at"]
            yield from self._stream(BY_NAME, ALL, filter_condition=begins, attributes_to_get=narrow)
            return
        first, last = self.filters.bounds
        found = [_entry(BY_NAME, "listing", item) for item in answer["Items"]]
        found = [entry for entry in found if first <= entry.at <= last]
        place = self.places.get(BY_NAME)
        if place is not None:
            behind = _order(place)
            found = [
                each for each in found if (_order(each.key) > behind) is self.filters.forward and each.key != place
            ]
        yield from sorted(found, key=lambda entry: _order(entry.key), reverse=not self.filters.forward)


def _entry(way: str, hash_key: str, item: Mapping[str, Any]) -> Entry:
    key = {name: item[name] for name in (hash_key, "recorded_at", "id")}
    return Entry(item["recorded_at"]["S"], way, key, item["id"]["S"])


def _order(key: Cursor) -> tuple[str, str]:
    return key["recorded_at"]["S"], key["id"]["S"]
