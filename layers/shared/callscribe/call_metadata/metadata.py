"""Call metadata: who called whom and when, and where each field was read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from typing import Any

from callscribe.call_metadata import timestamps


class Direction(StrEnum):
    """The direction of a call, from the point of view of the phone system that recorded it."""

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


def normalise_key(text: str) -> str:
    """The same text for `callerIdNumber`, `caller_id_number` and `Caller ID Number`."""
    return _SEPARATORS.sub("", text).lower()


def parse_direction(word: str) -> Direction | None:
    """None for a word that is not a direction."""
    return _DIRECTION_BY_WORD.get(normalise_key(word))


class Provenance(StrEnum):
    """Where a field was read, in order of precedence."""

    USER = "user"
    """Corrected over the API."""
    SIDECAR = "sidecar"
    """A file next to the audio, with the same name."""
    INDEX = "index"
    """A file that describes many recordings."""
    TAGS = "tags"
    """Tags in the audio file, such as ID3."""
    PATTERN = "pattern"
    """The file name, by a custom pattern."""
    NAME = "name"
    FOLDER = "folder"


_PATH_PROVENANCES = frozenset((Provenance.PATTERN, Provenance.NAME, Provenance.FOLDER))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMetadata:
    """What is known of a call; unknown fields are None, never guessed. Numbers are as written, such as `+49 30 901820`.

    `remote_number`: the number of the other party, if it is not known who called.
    `started_at`: as written; aware if its zone is known, otherwise naive local time; a date if there is no time.
    `utc_offset`: the server's offset, if it can be derived from other fields.
    `kind`: conference, page, radio, leg or meeting; None for an ordinary call between two parties.
    `party`: the name of the other party.
    `provenance`: for each known field, where it was read.
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
        """The fields that are not None, by name, without `provenance`."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "provenance"}
        return {name: value for name, value in values.items() if value is not None}

    def with_provenance(self, provenance: Provenance) -> "CallMetadata":
        """A copy in which every field has this provenance."""
        return replace(self, provenance=dict.fromkeys(self.non_empty(), provenance))

    def only_from(self, *provenances: Provenance) -> "CallMetadata":
        """A copy with only the fields of these provenances."""
        values = self.non_empty()
        selected = {
            name: provenance
            for name, provenance in self.provenance.items()
            if provenance in provenances and name in values
        }
        return CallMetadata(**{name: values[name] for name in selected}, provenance=selected)

    def with_corrections(self, values: Mapping[str, Any]) -> "CallMetadata":
        """A copy with these values, by field name, as a user entered them. None clears a field."""
        remaining = {name: provenance for name, provenance in self.provenance.items() if name not in values}
        corrected = {name: Provenance.USER for name, value in values.items() if value is not None}
        return replace(self, **values, provenance=remaining | corrected)


PRECEDENCE = {provenance: rank for rank, provenance in enumerate(Provenance)}


def merge(*readings: CallMetadata) -> CallMetadata:
    """Merge the metadata of several sources. For each field, the provenance of highest precedence wins, then the first.

    A date without a time is used only if no source has the time.
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
    """The start of the call in UTC. A time without a zone or offset is in `zone`.

    If the call id begins with the epoch of the call, this is the start: the local time may be that of the answer.
    Without a start, this is `fallback`. For a date without a time, it is `fallback` if that is on the same day,
    otherwise the beginning of the day.
    """
    started_at = metadata.started_at
    if epoch := _call_epoch(metadata):
        return epoch
    if metadata.utc_offset is not None:
        zone = timezone(metadata.utc_offset)
    try:
        if isinstance(started_at, datetime):
            return (started_at if started_at.tzinfo else started_at.replace(tzinfo=zone)).astimezone(UTC)
        if started_at is None or started_at == fallback.astimezone(zone).date():
            return fallback
        return datetime(started_at.year, started_at.month, started_at.day, tzinfo=zone).astimezone(UTC)
    except (OverflowError, ValueError):  # a conversion to UTC that leaves the range of datetime, as in the year 1
        return fallback


def with_offset_of_zone(metadata: CallMetadata, zone: tzinfo) -> CallMetadata:
    """Add the UTC offset of `zone`, if the epoch in the call id confirms it: the call was answered within the hour."""
    started_at, epoch = metadata.started_at, _call_epoch(metadata)
    offset = epoch.astimezone(zone).utcoffset() if epoch else None
    if metadata.utc_offset is not None or not epoch or offset is None or not isinstance(started_at, datetime):
        return metadata
    delay = started_at - epoch.replace(tzinfo=None) - offset
    if not timedelta(0) <= delay < timedelta(hours=1):
        return metadata
    provenance = {**metadata.provenance, "utc_offset": metadata.provenance["started_at"]}
    return replace(metadata, utc_offset=offset, provenance=provenance)


def _call_epoch(metadata: CallMetadata) -> datetime | None:
    """The epoch of the call, in UTC, with which its id begins; None if its digits may be something else.

    They are an epoch if the local time or date of the call, read from the same source, fits. A name without a time is
    enough if its id has Asterisk's counter, `1684333530.12`.
    """
    epoch = timestamps.parse_unique_id(metadata.call_id or "")
    sources = {metadata.provenance[name] for name in ("started_at", "call_id") if name in metadata.provenance}
    is_same_source = sources <= _PATH_PROVENANCES or (len(sources) == 1 and Provenance.USER not in sources)
    if epoch is None or not is_same_source:
        return None
    if metadata.started_at is None:
        return epoch if sources <= _PATH_PROVENANCES and "." in (metadata.call_id or "") else None
    return epoch if timestamps.can_be_local_time_of(metadata.started_at, epoch) else None


def format_started_at(started_at: datetime | date) -> str:
    """`2023-05-17T14:25:30`, with `Z` or an offset if aware, and with milliseconds if any; `2023-05-17` for a date."""
    if not isinstance(started_at, datetime):
        return started_at.isoformat()
    text = started_at.isoformat(timespec="milliseconds" if started_at.microsecond else "seconds")
    return text.removesuffix("+00:00") + "Z" if started_at.utcoffset() == timedelta(0) else text


def format_utc_offset(offset: timedelta) -> str:
    """Format an offset as `+05:30`, `-04:00` or `+00:00`."""
    sign, minutes = ("-", -offset) if offset < timedelta(0) else ("+", offset)
    hours, rest = divmod(minutes // timedelta(minutes=1), 60)
    return f"{sign}{hours:02}:{rest:02}"


def to_item(metadata: CallMetadata) -> dict[str, Any]:
    """The non-empty fields as plain values for storage: `started_at` and `utc_offset` as text. {} if there are none."""
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
    """The metadata in an item that `to_item` returned."""
    values = dict(item)
    if text := values.get("started_at"):
        values["started_at"] = datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
    if text := values.get("utc_offset"):
        values["utc_offset"] = datetime.fromisoformat(f"2000-01-01T00:00:00{text}").utcoffset()
    if word := values.get("direction"):
        values["direction"] = Direction(word)
    values["provenance"] = {name: Provenance(word) for name, word in values.get("provenance", {}).items()}
    return CallMetadata(**values)
