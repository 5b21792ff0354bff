"""Lists of recordings by the time of the call, read page by page, out of the indexes that hold them whole."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import and_
from typing import Any

from pynamodb.attributes import UnicodeAttribute, UTCDateTimeAttribute

from callscribe.call_metadata.metadata import Direction
from callscribe.clock import to_iso
from callscribe.recordings.recording import Recording, Status
from callscribe.recordings.search_query import SearchQuery, extract_numbers, is_same_number
from callscribe.store.errors import map_dynamodb_errors
from callscribe.store.recordings import to_recording
from callscribe.store.tables import ALL_RECORDINGS, RecordingModel

PAGE_SIZE = 1000
"""Recordings read in one request by who looks for some of them; DynamoDB ends a page at 1 MB, about as many."""

MAX_REQUESTS = 10
"""Requests of one page: API Gateway does not wait for ever."""

type Cursor = Mapping[str, Any]
"""Where a list goes on: the key of the last item, as DynamoDB gave it; or several, by the index that each is of."""

RECORDED_AT = UnicodeAttribute(attr_name="recorded_at")
"""The time of the call as it is stored: microseconds and `+0000`, so texts sort as times do."""


API_NAMES = {
    "status": "transcriptionStatus",
    "direction": "direction",
    "since": "from",
    "until": "to",
    "number": "phoneNumber",
    "error_code": "errorCode",
    "text": "search",
}
"""What the API calls the filters."""


@dataclass(frozen=True, slots=True)
class RecordingPage:
    """A part of a list; `next` is None on the last."""

    recordings: list[Recording]
    next: Cursor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFilter:
    """What a list is to hold; None or empty does not matter. `since` and `until` are inclusive, `number` is digits.

    `error_code` is that of the last error; `text` what a person searches for; `oldest_first`, also where it is not the
    queue.
    """

    status: Status | None = None
    direction: Direction | None = None
    since: datetime | None = None
    until: datetime | None = None
    number: str = ""
    error_code: str = ""
    text: str = ""
    oldest_first: bool = False

    @property
    def ascending(self) -> bool:
        """Whether the oldest call comes first, as in the queue."""
        return self.oldest_first or self.status is Status.QUEUED

    @property
    def search_query(self) -> SearchQuery | None:
        """What is looked for by another index than that of time; None where nothing is."""
        if self.text:
            return SearchQuery.parse(self.text)
        return SearchQuery(number=self.number) if self.number else None

    @property
    def filter_expression(self) -> Any:
        """What DynamoDB is to leave out of what it reads; None where nothing is."""
        conditions: list[Any] = []
        if self.direction:
            conditions.append(RecordingModel.metadata["direction"] == self.direction.value)
        if self.error_code:
            conditions.append(RecordingModel.error.code == self.error_code)
        return reduce(and_, conditions) if conditions else None

    def to_api(self) -> dict[str, Any]:
        """As it is stored and sent to other functions: what matters, under the names that the API has for it."""
        values = {api_name: getattr(self, name) for name, api_name in API_NAMES.items()}
        return {
            name: to_iso(value) if isinstance(value, datetime) else value for name, value in values.items() if value
        }

    @classmethod
    def from_api(cls, parameters: Mapping[str, Any]) -> "RecordingFilter":
        """What such a document says."""
        values = {name: parameters[api_name] for name, api_name in API_NAMES.items() if api_name in parameters}
        converters: dict[str, Any] = {"status": Status, "direction": Direction, "since": datetime.fromisoformat}
        converters["until"] = converters["since"]
        return cls(**{name: converters[name](value) if name in converters else value for name, value in values.items()})

    @property
    def time_range(self) -> tuple[str, str]:
        """The times between which it lies, as they are stored, and a little wider.

        A page that begins behind a call at exactly that time would else begin outside, which DynamoDB refuses.
        """
        times = UTCDateTimeAttribute()
        return (
            times.serialize(self.since).removesuffix("0000") if self.since else "0",
            f"{times.serialize(self.until)}~" if self.until else "~",
        )

    def matches(self, recording: Recording) -> bool:
        """Whether it belongs into the list."""
        return (
            self.status in (None, recording.status)
            and self.direction in (None, recording.metadata.direction)
            and (self.since is None or recording.recorded_at >= self.since)
            and (self.until is None or recording.recorded_at <= self.until)
            and (not self.error_code or (recording.error is not None and recording.error.code == self.error_code))
            and (
                not self.number
                or any(is_same_number(number, self.number) for number in extract_numbers(recording.metadata))
            )
        )


def page(filters: RecordingFilter, *, limit: int, cursor: Cursor | None = None) -> RecordingPage:
    """Newest first; `queued` oldest first. What is looked for by a number is in `store.search`. Raises StoreError.

    A page may hold fewer than `limit`, and even none, before the last: where few are looked for among very many.
    """
    filter_expression = filters.filter_expression
    items: list[Mapping[str, Any]] = []
    start_key = cursor
    for _ in range(MAX_REQUESTS):
        response = _query_by_time(
            filters,
            filter_condition=filter_expression,
            limit=limit if filter_expression is None else PAGE_SIZE,
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
    return RecordingPage([to_recording(RecordingModel.from_raw_data(dict(item))) for item in items[:limit]], start_key)


def iter_counts(filters: RecordingFilter) -> Iterator[int]:
    """How many there are, in parts: each request adds one. What is looked for by a number is not counted here."""
    start_key = None
    while True:
        response = _query_by_time(
            filters, filter_condition=filters.filter_expression, select="COUNT", exclusive_start_key=start_key
        )
        yield response["Count"]
        start_key = response.get("LastEvaluatedKey")
        if start_key is None:
            return


def _query_by_time(filters: RecordingFilter, **options: Any) -> Mapping[str, Any]:
    index: Any = RecordingModel.by_status_and_time if filters.status else RecordingModel.by_time
    partition = filters.status.value if filters.status else ALL_RECORDINGS
    return raw_query(index, partition, RECORDED_AT.between(*filters.time_range), filters, **options)


def raw_query(
    index: Any, partition: str, condition: Any, filters: RecordingFilter, **options: Any
) -> Mapping[str, Any]:
    """One request, with the items as DynamoDB sends them; in the order that the filters want. Raises StoreError."""
    table = RecordingModel._get_connection()  # noqa: SLF001 — beneath the models
    with map_dynamodb_errors():
        response: Mapping[str, Any] = table.query(
            partition, condition, index_name=index.Meta.index_name, scan_index_forward=filters.ascending, **options
        )
    return response
