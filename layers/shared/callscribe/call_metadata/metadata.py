"""What is known of a call: who called whom and when, and where each piece of that was read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from typing import Any


class Direction(StrEnum):
    """Seen from the phone system that recorded the call."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


_SEPARATORS = re.compile(r"[\W_]+")

_DIRECTION_WORDS = {
    Direction.INBOUND: "in i inbound incoming received inboundcall incomingcall",
    Direction.OUTBOUND: "out o outbound outgoing dialed dialled outboundapi outbounddial outboundcall outgoingcall",
    Direction.INTERNAL: "internal int local intercom internalcall",
}
_DIRECTION_BY_WORD = {word: direction for direction, words in _DIRECTION_WORDS.items() for word in words.split()}
"""By the words that phone systems use, as `normalise_key` returns them."""


class Provenance(StrEnum):
    """Where a field was read, the most trusted first."""

    USER = "person"
    """Corrected over the API."""
    SIDECAR = "sidecar"
    """A file beside the audio, of the same name."""
    INDEX = "index"
    """A file that tells of many recordings."""
    TAGS = "tags"
    """Within the audio file: ID3 and the like."""
    PATTERN = "pattern"
    """The file's name, by a pattern of the site's own."""
    NAME = "name"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMetadata:
    """As far as it is known: None is better than a guess. Numbers are as written: `+49 30 901820` is a number.

    `remote_number` is the one outside number where it is not known which side called.
    `started_at` is the time as written: aware where its zone is known, else local and naive; a mere date, without one.
    `utc_offset` is that of the server, where it can be told from the rest. `kind` is what sets the recording apart from
    an ordinary call of two parties: conference, page, radio, leg, meeting. `party` is the name of the other side.
    `origins` tells for each field that is known where it was read.
    """

    phone_system: str | None = None
    direction: Direction | None = None
    caller: str | None = None
    callee: str | None = None
    extension: str | None = None
    remote_number: str | None = None
    started_at: datetime | date | None = None
    utc_offset: timedelta | None = None
    call_id: str | None = None
    kind: str | None = None
    party: str | None = None
    provenance: Mapping[str, Provenance] = field(default_factory=dict)

    def non_empty(self) -> dict[str, Any]:
        """The fields that have a value, by name."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "provenance"}
        return {name: value for name, value in values.items() if value is not None}

    def with_provenance(self, provenance: Provenance) -> "CallMetadata":
        """The same, all of it read there."""
        return replace(self, provenance=dict.fromkeys(self.non_empty(), provenance))

    def only_from(self, *provenances: Provenance) -> "CallMetadata":
        """What of it was read there."""
        values = self.non_empty()
        selected = {
            name: provenance
            for name, provenance in self.provenance.items()
            if provenance in provenances and name in values
        }
        return CallMetadata(**{name: values[name] for name in selected}, provenance=selected)

    def with_corrections(self, values: Mapping[str, Any]) -> "CallMetadata":
        """With these values, by field, as a person gave them; None forgets a field."""
        remaining = {name: provenance for name, provenance in self.provenance.items() if name not in values}
        corrected = {name: Provenance.USER for name, value in values.items() if value is not None}
        return replace(self, **values, provenance=remaining | corrected)


def normalise_key(text: str) -> str:
    """The same text for `callerIdNumber`, `caller_id_number` and `Caller ID Number`."""
    return _SEPARATORS.sub("", text).lower()


def parse_direction(word: str) -> Direction | None:
    """None for a word that is not a direction."""
    return _DIRECTION_BY_WORD.get(normalise_key(word))


PRECEDENCE = {provenance: rank for rank, provenance in enumerate(Provenance)}


def merge(*readings: CallMetadata) -> CallMetadata:
    """All of them together: where several know a field, the most trusted place counts, and of equals the first.

    A mere date counts only where no place knows the time.
    """
    values: dict[str, Any] = {}
    provenance_by_field: dict[str, Provenance] = {}
    ranks: dict[str, tuple[bool, int]] = {}
    for reading in readings:
        for name, value in reading.non_empty().items():
            provenance = reading.provenance[name]
            rank = name == "started_at" and not isinstance(value, datetime), PRECEDENCE[provenance]
            if name not in ranks or rank < ranks[name]:
                values[name], provenance_by_field[name], ranks[name] = value, provenance, rank
    return CallMetadata(**values, provenance=provenance_by_field)


def recorded_at(metadata: CallMetadata, zone: tzinfo, fallback: datetime) -> datetime:
    """When the call began, in UTC: by what is known of its zone, else in the site's `zone`.

    A mere date is the `fallback` if that lies on it, else the day's beginning; without any it is the fallback.
    """
    started_at = metadata.started_at
    if metadata.utc_offset is not None:
        zone = timezone(metadata.utc_offset)
    try:
        if isinstance(started_at, datetime):
            return (started_at if started_at.tzinfo else started_at.replace(tzinfo=zone)).astimezone(UTC)
        if started_at is None or started_at == fallback.astimezone(zone).date():
            return fallback
        return datetime(started_at.year, started_at.month, started_at.day, tzinfo=zone).astimezone(UTC)
    except (OverflowError, ValueError):  # in the year 1, say
        return fallback


def format_started_at(started_at: datetime | date) -> str:
    """`2023-05-17T14:25:30`, with `Z` or an offset where the zone is known, ms where there are some; `2023-05-17`."""
    if not isinstance(started_at, datetime):
        return started_at.isoformat()
    text = started_at.isoformat(timespec="milliseconds" if started_at.microsecond else "seconds")
    return text.removesuffix("+00:00") + "Z" if started_at.utcoffset() == timedelta(0) else text


def format_utc_offset(offset: timedelta) -> str:
    """`+05:30`, `-04:00`, `+00:00`."""
    sign, minutes = ("-", -offset) if offset < timedelta(0) else ("+", offset)
    hours, rest = divmod(minutes // timedelta(minutes=1), 60)
    return f"{sign}{hours:02}:{rest:02}"


def to_item(metadata: CallMetadata) -> dict[str, Any]:
    """The known fields as plain values, as they are stored: `started_at` and `utc_offset` as text."""
    values = metadata.non_empty()
    if not values:
        return {}
    if metadata.started_at is not None:
        values["started_at"] = format_started_at(metadata.started_at)
    if metadata.utc_offset is not None:
        values["utc_offset"] = format_utc_offset(metadata.utc_offset)
    if metadata.direction is not None:
        values["direction"] = metadata.direction.value
    return {**values, "provenance": {name: provenance.value for name, provenance in metadata.provenance.items()}}


def from_item(item: Mapping[str, Any]) -> CallMetadata:
    """The metadata out of such a document."""
    values = dict(item)
    if text := values.get("started_at"):
        values["started_at"] = datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
    if text := values.get("utc_offset"):
        values["utc_offset"] = datetime.fromisoformat(f"2000-01-01T00:00:00{text}").utcoffset()
    if word := values.get("direction"):
        values["direction"] = Direction(word)
    values["provenance"] = {name: Provenance(word) for name, word in values.get("provenance", {}).items()}
    return CallMetadata(**values)
