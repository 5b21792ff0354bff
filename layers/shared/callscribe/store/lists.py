"""Lists of recordings by the time of the call, read page by page, out of the indexes that hold them whole."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import and_
from typing import Any

from pynamodb.attributes import UnicodeAttribute, UTCDateTimeAttribute

from callscribe.clock import iso
from callscribe.metadata import Direction
from callscribe.recording import Recording, Status
from callscribe.search import Sought, matches, numbers_of
from callscribe.store.faults import translated
from callscribe.store.models import ALL, RecordingModel
from callscribe.store.recordings import recording_of

SEARCHED_AT_ONCE = 1000
"""Recordings read in one request by who looks for some of them; DynamoDB ends a page at 1 MB, about as many."""

SEARCHES = 10
"""Requests of one page: API Gateway does not wait for ever."""

type Cursor = Mapping[str, Any]
"""Where a list goes on: the key of the last item, as DynamoDB gave it; or several, by the index that each is of."""

RECORDED_AT = UnicodeAttribute(attr_name="recorded_at")
"""The time of the call as it is stored: microseconds and `+0000`, so texts sort as times do."""


WIRE_NAMES = {
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
class Page:
    """A part of a list; `next` is None on the last."""

    recordings: list[Recording]
    next: Cursor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
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
    def forward(self) -> bool:
        """Whether the oldest call comes first, as in the queue."""
        return self.oldest_first or self.status is Status.QUEUED

    @property
    def sought(self) -> Sought | None:
        """What is looked for by another index than that of time; None where nothing is."""
        if self.text:
            return Sought.anywhere(self.text)
        return Sought(number=self.number) if self.number else None

    @property
    def condition(self) -> Any:
        """What DynamoDB is to leave out of what it reads; None where nothing is."""
        wanted: list[Any] = []
        if self.direction:
            wanted.append(RecordingModel.metadata["direction"] == self.direction.value)
        if self.error_code:
            wanted.append(RecordingModel.error.code == self.error_code)
        return reduce(and_, wanted) if wanted else None

    def document(self) -> dict[str, Any]:
        """As it is stored and sent to other functions: what matters, under the names that the API has for it."""
        values = {wire: getattr(self, name) for name, wire in WIRE_NAMES.items()}
        return {name: iso(value) if isinstance(value, datetime) else value for name, value in values.items() if value}

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Filters":
        """What such a document says."""
        values = {name: document[wire] for name, wire in WIRE_NAMES.items() if wire in document}
        kinds: dict[str, Any] = {"status": Status, "direction": Direction, "since": datetime.fromisoformat}
        kinds["until"] = kinds["since"]
        return cls(**{name: kinds[name](value) if name in kinds else value for name, value in values.items()})

    @property
    def bounds(self) -> tuple[str, str]:
        """The times between which it lies, as they are stored, and a little wider.

        A page that begins behind a call at exactly that time would else begin outside, which DynamoDB refuses.
        """
        times = UTCDateTimeAttribute()
        return (
            times.serialize(self.since).removesuffix("0000") if self.since else "0",
            f"{times.serialize(self.until)}~" if self.until else "~",
        )

    def accept(self, recording: Recording) -> bool:
        """Whether it belongs into the list."""
        return (
            self.status in (None, recording.status)
            and self.direction in (None, recording.metadata.direction)
            and (self.since is None or recording.recorded_at >= self.since)
            and (self.until is None or recording.recorded_at <= self.until)
            and (not self.error_code or (recording.error is not None and recording.error.code == self.error_code))
            and (not self.number or any(matches(each, self.number) for each in numbers_of(recording.metadata)))
        )


def page(filters: Filters, *, limit: int, cursor: Cursor | None = None) -> Page:
    """Newest first; `queued` oldest first. What is looked for by a number is in `store.search`. Raises StoreError.

    A page may hold fewer than `limit`, and even none, before the last: where few are looked for among very many.
    """
    condition = filters.condition
    items: list[Mapping[str, Any]] = []
    start = cursor
    for _ in range(SEARCHES):
        answer = _by_time(
            filters,
            filter_condition=condition,
            limit=limit if condition is None else SEARCHED_AT_ONCE,
            exclusive_start_key=start,
        )
        items += answer["Items"]
        start = answer.get("LastEvaluatedKey")
        if start is None or len(items) >= limit:
            break
    if len(items) > limit:
        start = {
            name: items[limit - 1][name] for name in ("status" if filters.status else "listing", "recorded_at", "id")
        }
    return Page([recording_of(RecordingModel.from_raw_data(dict(item))) for item in items[:limit]], start)


def counted(filters: Filters) -> Iterator[int]:
    """How many there are, in parts: each request adds one. What is looked for by a number is not counted here."""
    start = None
    while True:
        answer = _by_time(filters, filter_condition=filters.condition, select="COUNT", exclusive_start_key=start)
        yield answer["Count"]
        start = answer.get("LastEvaluatedKey")
        if start is None:
            return


def _by_time(filters: Filters, **options: Any) -> Mapping[str, Any]:
    index: Any = RecordingModel.by_status_and_time if filters.status else RecordingModel.by_time
    partition = filters.status.value if filters.status else ALL
    return query(index, partition, RECORDED_AT.between(*filters.bounds), filters, **options)


def query(index: Any, partition: str, condition: Any, filters: Filters, **options: Any) -> Mapping[str, Any]:
    """One request, with the items as DynamoDB sends them; in the order that the filters want. Raises StoreError."""
    table = RecordingModel._get_connection()  # noqa: SLF001 — beneath the models
    with translated():
        answer: Mapping[str, Any] = table.query(
            partition, condition, index_name=index.Meta.index_name, scan_index_forward=filters.forward, **options
        )
    return answer
