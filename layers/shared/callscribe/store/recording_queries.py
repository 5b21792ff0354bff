"""Lists of recordings by the time of the call, read page by page from the indexes that contain whole recordings.

Every function here that reads or writes raises StoreError.
"""

from collections.abc import Iterator, Mapping
from functools import reduce
from operator import and_
from typing import Any

from pynamodb.attributes import UnicodeAttribute, UTCDateTimeAttribute

from callscribe.aws import map_dynamodb_errors
from callscribe.recordings.recording import Recording
from callscribe.recordings.recording_filter import RecordingFilter
from callscribe.store.paging import MAX_REQUESTS, PAGE_SIZE, Cursor, Page
from callscribe.store.recordings import to_recording
from callscribe.store.tables import ALL_RECORDINGS, RecordingModel

RECORDED_AT = UnicodeAttribute(attr_name="recorded_at")
"""The time of the call as it is stored: microseconds and `+0000`, so that texts sort as times do."""


def page(filters: RecordingFilter, *, limit: int, cursor: Cursor | None = None) -> Page[Recording]:
    """A page of the recordings that match: the newest call first, for `queued` the oldest.

    `store.recording_search` handles filters with a search query.
    """
    filter_condition = filter_expression(filters)
    items: list[Mapping[str, Any]] = []
    start_key = cursor
    for _ in range(MAX_REQUESTS):
        response = _query_by_time(
            filters,
            filter_condition=filter_condition,
            limit=limit if filter_condition is None else PAGE_SIZE,
            exclusive_start_key=start_key,
        )
        items += response["Items"]
        start_key = response.get("LastEvaluatedKey")
        if start_key is None or len(items) >= limit:
            break
    if len(items) > limit:
        start_key = {
            name: items[limit - 1][name] for name in ("status" if filters.status else "listing", "recorded_at", "id")
        }
    return Page([to_recording(RecordingModel.from_raw_data(dict(item))) for item in items[:limit]], start_key)


def iter_counts(filters: RecordingFilter) -> Iterator[int]:
    """Count the recordings that match: one number per request, to be added up. Not for filters with a search query."""
    start_key = None
    while True:
        response = _query_by_time(
            filters, filter_condition=filter_expression(filters), select="COUNT", exclusive_start_key=start_key
        )
        yield response["Count"]
        start_key = response.get("LastEvaluatedKey")
        if start_key is None:
            return


def filter_expression(filters: RecordingFilter) -> Any:
    """The condition on items that the key of an index by time does not cover; None if there is no such filter."""
    conditions: list[Any] = []
    if filters.direction:
        conditions.append(RecordingModel.metadata["direction"] == filters.direction.value)
    if filters.error_code:
        conditions.append(RecordingModel.error.code == filters.error_code)
    return reduce(and_, conditions) if conditions else None


def time_range(filters: RecordingFilter) -> tuple[str, str]:
    """The range of stored times, slightly wider than the filters'.

    DynamoDB refuses a start key outside the range, as that of a call at exactly `since` or `until` would be.
    """
    times = UTCDateTimeAttribute()
    return (
        times.serialize(filters.since).removesuffix("0000") if filters.since else "0",
        f"{times.serialize(filters.until)}~" if filters.until else "~",
    )


def _query_by_time(filters: RecordingFilter, **options: Any) -> Mapping[str, Any]:
    index: Any = RecordingModel.by_status_and_time if filters.status else RecordingModel.by_time
    partition = filters.status.value if filters.status else ALL_RECORDINGS
    return raw_query(
        index, partition, RECORDED_AT.between(*time_range(filters)), ascending=filters.ascending, **options
    )


def raw_query(
    index: Any, partition: str, condition: Any, *, ascending: bool = False, **options: Any
) -> Mapping[str, Any]:
    """One request; items as DynamoDB returns them, in descending order of the sort key unless `ascending`."""
    table = RecordingModel._get_connection()  # noqa: SLF001 — the level below the models
    with map_dynamodb_errors():
        response: Mapping[str, Any] = table.query(
            partition, condition, index_name=index.Meta.index_name, scan_index_forward=ascending, **options
        )
    return response
