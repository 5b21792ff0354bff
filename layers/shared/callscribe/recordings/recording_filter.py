"""The filters of a list of recordings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from callscribe.call_metadata.metadata import Direction
from callscribe.clock import to_iso
from callscribe.recordings.recording import Recording, Status
from callscribe.recordings.search_query import SearchQuery, extract_numbers, is_same_number

API_NAMES = {
    "status": "transcriptionStatus",
    "direction": "direction",
    "since": "from",
    "until": "to",
    "number": "phoneNumber",
    "error_code": "errorCode",
    "text": "search",
}
"""The API's names of the filters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFilter:
    """Which recordings a list contains, and their order; a filter that is None or empty matches every recording.

    `since` and `until` are inclusive and compared with the time of the call; `number` is digits only; `error_code` is
    the code of the last error; `text` is what the user searches for.
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
        """Whether the oldest call comes first, which it always does in the queue."""
        return self.oldest_first or self.status is Status.QUEUED

    @property
    def search_query(self) -> SearchQuery | None:
        """The query for indexes other than those by time; None if the filters need none."""
        if self.text:
            return SearchQuery.parse(self.text)
        return SearchQuery(number=self.number) if self.number else None

    def to_api(self) -> dict[str, Any]:
        """The filters that are set, under the API's names: the payload of a retry, and its stored form."""
        values = {api_name: getattr(self, name) for name, api_name in API_NAMES.items()}
        return {
            name: to_iso(value) if isinstance(value, datetime) else value for name, value in values.items() if value
        }

    @classmethod
    def from_api(cls, parameters: Mapping[str, Any]) -> "RecordingFilter":
        """Parse the result of `to_api`."""
        values = {name: parameters[api_name] for name, api_name in API_NAMES.items() if api_name in parameters}
        converters: dict[str, Any] = {"status": Status, "direction": Direction, "since": datetime.fromisoformat}
        converters["until"] = converters["since"]
        return cls(**{name: converters[name](value) if name in converters else value for name, value in values.items()})

    def matches(self, recording: Recording) -> bool:
        """Whether the list contains this recording. `text` is not compared: see SearchQuery.matching_indexes."""
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
