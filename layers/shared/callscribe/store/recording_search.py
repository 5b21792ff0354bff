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
from callscribe.recordings.recording import Recording
from callscribe.recordings.recording_filter import RecordingFilter
from callscribe.recordings.search_query import BY_CALL, BY_NAME, BY_NUMBER, SearchQuery, is_same_number, number_suffix
from callscribe.store import recording_queries, recordings
from callscribe.store.paging import Cursor, Page
from callscribe.store.recording_queries import RECORDED_AT, raw_query, time_range
from callscribe.store.tables import ALL_RECORDINGS, RecordingModel

ENTRIES_PER_REQUEST = 250
"""Read of an index in one request, some 30 kB."""

MAX_NAME_MATCHES = 5000
"""With more names than these, the beginning of a name tells so little that all recordings are gone through by time."""

BATCH_GET_SIZE = 100
"""Recordings in one BatchGetItem, as many as DynamoDB allows."""

COUNT_PAGE_SIZE = 500
"""Recordings between two looks at the clock, by who only counts what is searched for."""

MAX_REQUESTS = 40
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
class IndexEntry:
    """What the stream `way` has at this time: the recording of this `id`, or None where it only tells how far it is.

    `key` is where it goes on behind this.
    """

    recorded_at: str
    index_name: str
    cursor: Cursor
    id: str | None


def page(filters: RecordingFilter, *, limit: int, cursor: Cursor | None = None) -> Page[Recording]:
    """A page of the recordings that `filters` accept, out of whichever index knows them. Raises StoreError."""
    search_query = filters.search_query
    if search_query is None:
        return recording_queries.page(filters, limit=limit, cursor=cursor)
    return find_recordings(search_query, filters, limit=limit, cursor=cursor)


def count_recordings(filters: RecordingFilter, deadline: datetime, clock: Clock) -> tuple[int, bool]:
    """How many recordings these filters accept, and whether that is all: it is not when it took longer than `until`.

    Raises StoreError.
    """
    total = 0
    for page_count in (
        recording_queries.iter_counts(filters) if filters.search_query is None else _iter_page_counts(filters)
    ):
        total += page_count
        if clock() >= deadline:
            return total, False
    return total, True


def _iter_page_counts(filters: RecordingFilter) -> Iterator[int]:
    cursor = None
    while True:
        result = page(filters, limit=COUNT_PAGE_SIZE, cursor=cursor)
        yield len(result.items)
        cursor = result.next_cursor
        if cursor is None:
            return


def find_recordings(
    search_query: SearchQuery, filters: RecordingFilter, *, limit: int, cursor: Cursor | None = None
) -> Page[Recording]:
    """Those that `sought` finds and `filters` accept: newest first, `queued` oldest first. Raises StoreError.

    A page may hold fewer than `limit`, and even none, before the last: where few are looked for among very many.
    """
    if search_query.id and (recording := recordings.get(search_query.id)):
        return Page([recording] if filters.matches(recording) else [], None)
    return _PageSearch(search_query, filters, dict(cursor or {})).page(limit)


@dataclass(slots=True)
class _PageSearch:
    """At one page. `places` is how far each stream was read."""

    search_query: SearchQuery
    filters: RecordingFilter
    cursors: dict[str, Cursor]
    request_count: int = 0
    results: list[Recording] = field(default_factory=list)

    def page(self, limit: int) -> Page[Recording]:
        entries = heapq.merge(*self._iter_streams(), key=attrgetter("recorded_at"), reverse=not self.filters.ascending)
        while batch := self._next_batch(entries):
            recordings_by_id = self._fetch({entry.id for entry in batch if entry.id})
            for entry in batch:
                self.cursors[entry.index_name] = entry.cursor
                recording = recordings_by_id.get(entry.id) if entry.id else None
                if recording and self._is_match(recording, entry.index_name):
                    self.results.append(recording)
                    if len(self.results) == limit:
                        return Page(self.results, self.cursors)
            if self.request_count >= MAX_REQUESTS:
                return Page(self.results, self.cursors)
        return Page(self.results, None)

    def _next_batch(self, entries: Iterator[IndexEntry]) -> list[IndexEntry]:
        """The next ones, as many as are read at once; no further than may be asked for in this page."""
        batch: list[IndexEntry] = []
        id_count = 0
        for entry in entries:
            batch.append(entry)
            id_count += entry.id is not None
            if id_count == BATCH_GET_SIZE or (entry.id is None and self.request_count >= MAX_REQUESTS):
                break
        return batch

    def _fetch(self, ids: set[str]) -> Mapping[str, Recording]:
        if not ids:
            return {}
        self.request_count += 1
        return recordings.get_all(ids)

    def _is_match(self, recording: Recording, index_name: str) -> bool:
        """What several ways lead to is shown at the end of the first; an index may be a moment late."""
        return self.search_query.matching_indexes(recording)[:1] == [index_name] and self.filters.matches(recording)

    def _iter_streams(self) -> Iterable[Iterator[IndexEntry]]:
        search_query = self.search_query
        if search_query.call_id:
            yield self._iter_index(BY_CALL, search_query.call_id, limit=ENTRIES_PER_REQUEST)
        for position, index_name in enumerate(BY_NUMBER if search_query.number else ()):
            yield self._iter_index(
                index_name, number_suffix(search_query.number), position=position, limit=ENTRIES_PER_REQUEST
            )
        if search_query.file_name:
            yield self._iter_by_name()

    def _iter_index(
        self, index_name: str, partition: str, *, position: int | None = None, **options: Any
    ) -> Iterator[IndexEntry]:
        """The entries of an index by time, and behind each request how far it was read.

        Of an index of numbers, those whose `number`, counted from 0, is the one that is looked for.
        """
        index, hash_key = INDEXES[index_name]
        start_key = self.cursors.get(index_name)
        while True:
            self.request_count += 1
            time_condition = RECORDED_AT.between(*time_range(self.filters))
            response = raw_query(
                index, partition, time_condition, self.filters, exclusive_start_key=start_key, **options
            )
            for item in response["Items"]:
                if position is None or is_same_number(item["numbers"]["S"].split()[position], self.search_query.number):
                    yield _to_entry(index_name, hash_key, item)
            start_key = response.get("LastEvaluatedKey")
            if start_key is None:
                return
            yield IndexEntry(start_key["recorded_at"]["S"], index_name, start_key, None)

    def _iter_by_name(self) -> Iterator[IndexEntry]:
        """The index of names is sorted by them, so what it has is read whole and sorted by time, if that is little.

        If it is much, all recordings are gone through by time: then many of them are meant.
        """
        name_condition = RecordingModel.name.startswith(self.search_query.file_name)
        self.request_count += 1
        response = raw_query(
            RecordingModel.by_name, ALL_RECORDINGS, name_condition, self.filters, limit=MAX_NAME_MATCHES
        )
        if "LastEvaluatedKey" in response:
            attributes = ["id", "listing", "recorded_at"]
            yield from self._iter_index(
                BY_NAME, ALL_RECORDINGS, filter_condition=name_condition, attributes_to_get=attributes
            )
            return
        min_time, max_time = time_range(self.filters)
        entries = [_to_entry(BY_NAME, "listing", item) for item in response["Items"]]
        entries = [entry for entry in entries if min_time <= entry.recorded_at <= max_time]
        cursor = self.cursors.get(BY_NAME)
        if cursor is not None:
            cursor_order = _time_and_id(cursor)
            entries = [
                entry
                for entry in entries
                if (_time_and_id(entry.cursor) > cursor_order) is self.filters.ascending and entry.cursor != cursor
            ]
        yield from sorted(entries, key=lambda entry: _time_and_id(entry.cursor), reverse=not self.filters.ascending)


def _to_entry(index_name: str, hash_key: str, item: Mapping[str, Any]) -> IndexEntry:
    cursor = {name: item[name] for name in (hash_key, "recorded_at", "id")}
    return IndexEntry(item["recorded_at"]["S"], index_name, cursor, item["id"]["S"])


def _time_and_id(cursor: Cursor) -> tuple[str, str]:
    return cursor["recorded_at"]["S"], cursor["id"]["S"]
