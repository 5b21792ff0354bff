"""Search recordings by number, call id or the beginning of a file name, in small indexes and without a table scan.

Each index that may contain a match is read as a stream in the order of time, and the streams are merged. The recordings
that they name are then read, a hundred per request, and returned if they match.

Every function here that reads or writes raises StoreError.
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
"""Entries of an index read in one request, about 30 kB."""

MAX_NAME_MATCHES = 5000
"""If more names than this match, they are filtered while all recordings are read by time."""

BATCH_GET_SIZE = 100
"""DynamoDB's limit of a BatchGetItem."""

COUNT_PAGE_SIZE = 500
"""Recordings between two checks of the deadline while search results are counted."""

MAX_SEARCH_REQUESTS = 40
"""Approximate requests for one page: API Gateway times out after 30 s."""

TIME_ORDERED_INDEXES: Mapping[str, tuple[Any, str]] = {
    BY_CALL: (RecordingModel.by_call, "call"),
    BY_NUMBER[0]: (RecordingModel.by_number_1, "n1"),
    BY_NUMBER[1]: (RecordingModel.by_number_2, "n2"),
    BY_NUMBER[2]: (RecordingModel.by_number_3, "n3"),
    BY_NAME: (RecordingModel.by_time, "listing"),
}
"""The index that is read in the order of time for each search index, and the name of its partition key."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """An entry of the stream of an index. `id` is None if it only marks how far the stream was read.

    `cursor` is where the stream continues after this entry.
    """

    recorded_at: str
    index_name: str
    cursor: Cursor
    id: str | None


def page(filters: RecordingFilter, *, limit: int, cursor: Cursor | None = None) -> Page[Recording]:
    """A page of the recordings that match, from whichever index has them."""
    search_query = filters.search_query
    if search_query is None:
        return recording_queries.page(filters, limit=limit, cursor=cursor)
    return find_recordings(search_query, filters, limit=limit, cursor=cursor)


def count_recordings(filters: RecordingFilter, deadline: datetime, clock: Clock) -> tuple[int, bool]:
    """Count the recordings that match; the second value is False if the deadline passed before all were counted."""
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
    """A page of the recordings that match both the query and the filters.

    The newest call is first, for `queued` the oldest.
    """
    if search_query.id and (recording := recordings.get(search_query.id)):
        return Page([recording] if filters.matches(recording) else [], None)
    return _PageSearch(search_query, filters, dict(cursor or {})).page(limit)


@dataclass(slots=True)
class _PageSearch:
    """The search for one page. `cursors`: how far each stream was read."""

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
            if self.request_count >= MAX_SEARCH_REQUESTS:
                return Page(self.results, self.cursors)
        return Page(self.results, None)

    def _next_batch(self, entries: Iterator[IndexEntry]) -> list[IndexEntry]:
        """The next entries: as many as one request can read, within the requests of this page."""
        batch: list[IndexEntry] = []
        id_count = 0
        for entry in entries:
            batch.append(entry)
            id_count += entry.id is not None
            if id_count == BATCH_GET_SIZE or (entry.id is None and self.request_count >= MAX_SEARCH_REQUESTS):
                break
        return batch

    def _fetch(self, ids: set[str]) -> Mapping[str, Recording]:
        if not ids:
            return {}
        self.request_count += 1
        return recordings.get_all(ids)

    def _is_match(self, recording: Recording, index_name: str) -> bool:
        """Whether it matches. Found in several indexes, it counts for the first; an index may also lag behind."""
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
        """The entries of an index by time, and after each request a marker of how far it was read.

        For an index of numbers: only entries whose number at `position` (from 0) is the queried one.
        """
        index, hash_key = TIME_ORDERED_INDEXES[index_name]
        start_key = self.cursors.get(index_name)
        while True:
            self.request_count += 1
            time_condition = RECORDED_AT.between(*time_range(self.filters))
            response = raw_query(
                index,
                partition,
                time_condition,
                ascending=self.filters.ascending,
                exclusive_start_key=start_key,
                **options,
            )
            for item in response["Items"]:
                if position is None or is_same_number(item["numbers"]["S"].split()[position], self.search_query.number):
                    yield _to_entry(index_name, hash_key, item)
            start_key = response.get("LastEvaluatedKey")
            if start_key is None:
                return
            yield IndexEntry(start_key["recorded_at"]["S"], index_name, start_key, None)

    def _iter_by_name(self) -> Iterator[IndexEntry]:
        """The matches of the index of names, which is not sorted by time: if there are few, read and sort them all.

        If there are many, filter all recordings in the order of time instead: then many of them match.
        """
        name_condition = RecordingModel.name.startswith(self.search_query.file_name)
        self.request_count += 1
        response = raw_query(RecordingModel.by_name, ALL_RECORDINGS, name_condition, limit=MAX_NAME_MATCHES)
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
