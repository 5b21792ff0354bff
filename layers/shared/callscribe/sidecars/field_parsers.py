"""Read call metadata from a record of keys and values: the aliases of each field, and the parsers of their values.

In a sidecar the key names the field, as the position does in a file name. The value may be a JSON number, an address or
a whole caller ID. Any script may have written it, so a date may be American.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Any

from callscribe.call_metadata.metadata import CallMetadata, Direction, normalise_key, parse_direction
from callscribe.call_metadata.numeric_dates import choose, parse_readings, to_24_hours
from callscribe.call_metadata.phone_numbers import (
    MAX_DIGITS,
    clean_text,
    find_local_extension,
    parse_extension,
    parse_name,
    parse_phone_number,
)
from callscribe.call_metadata.timestamps import PLAUSIBLE_YEARS, from_epoch, parse_timestamp, parse_unique_id

FIELD_ALIASES: Mapping[str, Sequence[str]] = {
    "caller": (
        *("caller", "callernumber", "callernum", "callerphonenumber", "callerid", "calleridnumber", "calleridnum"),
        *("from", "fromnumber", "fromphonenumber", "ani", "src", "sourcenumber", "cidnumber", "clid"),
        *("calling", "callingnumber", "callingparty", "callingpartynumber", "callfrom", "cid"),
    ),
    "callee": (
        *("callee", "calleenumber", "calleenum", "calleephonenumber", "calleeid", "calleeidnumber", "calleridcallee"),
        *("to", "tonumber", "tophonenumber", "dnis", "dst", "dest", "destination", "destinationnumber", "dialed"),
        *("dialednumber", "dialedphonenumber", "dialled", "called", "callednumber", "calledparty"),
        *("calledpartynumber", "callto", "did"),
    ),
    "remote_number": (
        *("remotenumber", "remote", "remoteaddress", "remoteparty", "phonenumber", "phone", "externalnumber"),
        *("customernumber", "customerphone", "customerphonenumber", "customerendpoint"),
    ),
    "extension": (
        *("extension", "ext", "exten", "extensionnumber", "agentextension", "userextension", "localextension"),
        "internalnumber",
    ),
    "direction": (
        *("direction", "calldirection", "initialdirection", "originatingdirection", "calltype", "initiationmethod"),
    ),
    "started_at": (
        *("startedat", "starttime", "start", "callstarttime", "callstart", "startstamp", "startepoch", "starttimems"),
        *("starttimestamp", "recordingstarttime", "conversationstart", "conversationstarttime", "begintime"),
        *("initiationtimestamp", "timestart", "calldate", "calltime", "datetime", "startdate", "timestamp", "date"),
    ),
    "call_id": (
        *("callid", "uniqueid", "linkedid", "callsid", "calluuid", "conversationid", "contactid", "sessionid"),
        *("telephonysessionid", "uuid", "callguid", "guid"),
    ),
    "party": ("party", "contactname", "remotename", "customername"),
    "phone_system": ("phonesystem", "pbx", "pbxtype"),
    "kind": ("kind",),
}
"""The keys of each field, as `normalise_key` returns them, the most specific first."""

NUMBER_KEYS = ("phonenumber", "number", "address", "extensionnumber", "e164")
NAME_KEYS = ("name", "displayname", "contactname")
"""Keys of the number and the name if a side of the call is an object."""

LOCAL_SIDE = {Direction.INBOUND: ("to", "callee"), Direction.OUTBOUND: ("from", "caller")}
REMOTE_SIDE = {Direction.INBOUND: ("from", "caller"), Direction.OUTBOUND: ("to", "callee")}
"""The keys of the local and the remote side of a call, by its direction."""

CALL_KINDS = frozenset(("conference", "page", "radio", "leg", "meeting"))

PHONE_SYSTEM_NAME = re.compile(r"[a-z0-9][a-z0-9 ._-]{0,39}")

NAMED_CALLER_ID = re.compile(r".*<([^<>]*)>\s*", re.DOTALL)
"""A caller ID with a name, as SIP and Asterisk write it: `"Ann" <202>`."""

TEL_OR_SIP_URI = re.compile(r"(?:tel|sips?):([^@;?]*).*", re.IGNORECASE | re.DOTALL)

MAX_VALUE_LENGTH = 200
"""Characters of a number with its caller ID or address."""
MAX_TIMESTAMP_LENGTH = 64
MAX_TEXT_LENGTH = 255
"""Characters of an id or a name."""

NUMERIC = re.compile(r"[0-9]+(\.[0-9]+)?")
DATE_DIGIT_COUNTS = frozenset((8, 12, 14))
"""Digits of a timestamp without separators; any other number of digits is an epoch."""

UTC_OFFSET = re.compile(r"(?<=:[0-9][0-9]) ?(?:GMT|UTC)?([+-])([0-9]{1,2})(?::?([0-9]{2}))?(?= *(?:\(|$))")
"""An offset after a time, such as `GMT+0530` in JavaScript's dates. The parser of RFC 2822 understands only `+0530`."""
MONTH_NAME = re.compile("[A-Za-z]{3}")
AMBIGUOUS_DATE = re.compile("(?:[0-9]{2}|[0-9]{6})(?![0-9])")
"""A date that begins with a year of two digits, or with a day or month that `parse_readings` does not understand. Only
in file names is it known which one it is."""

EVIDENCE_KEY = re.compile("time|date|epoch|stamp|start|end|answer|created|begin")
"""Keys whose values may be another time of the same call."""


def normalise_keys(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with normalised keys; of two keys that become the same, the first wins."""
    return {normalise_key(key): value for key, value in reversed([*record.items()])}


def metadata_from_record(record: Mapping[str, Any], known_start: datetime | date | None = None) -> CallMetadata:
    """The metadata in a record with normalised keys, by FIELD_ALIASES; without provenance.

    `known_start`: the start of the call from elsewhere, which may settle the order of day and month.
    """
    values = {field: _first_value(record, field, FIELD_PARSERS[field]) for field in FIELD_ALIASES}
    direction = values["direction"]
    values["started_at"] = add_time_of_day(
        values["started_at"] or _settle_order(record, known_start), record.get("time")
    )
    if not values["kind"]:
        values["kind"] = _parse_kind(record.get("direction"))
    remote_field = REMOTE_SIDE[direction][1] if direction in REMOTE_SIDE else None
    if remote_field and not values[remote_field]:
        values[remote_field] = values["remote_number"]
    if (values["caller"] and values["callee"]) or values["remote_number"] in (values["caller"], values["callee"]):
        values["remote_number"] = None  # it is known which side has it
    if not values["party"] and direction in REMOTE_SIDE:
        values["party"] = _find_name(record, REMOTE_SIDE[direction])
    if not values["extension"]:
        local_side = _find_side(record, LOCAL_SIDE.get(direction, LOCAL_SIDE[Direction.OUTBOUND]))
        local_extension = parse_extension_value(local_side.get("extensionnumber"))
        values["extension"] = local_extension or find_local_extension(CallMetadata(**values))
    return CallMetadata(**values)


def _first_value(record: Mapping[str, Any], field: str, parse: Callable[[Any], Any]) -> Any:
    """The value of the first alias of a field that has a valid one."""
    for key in FIELD_ALIASES[field]:
        if (value := record.get(key)) is not None and (parsed := parse(value)) is not None:
            return parsed
    return None


def _parse_number(value: Any) -> str | None:
    if isinstance(value, Mapping):
        side = normalise_keys(value)
        return next(filter(None, (parse_number_value(side.get(key)) for key in NUMBER_KEYS)), None)
    return parse_number_value(value)


def _find_side(record: Mapping[str, Any], keys: Sequence[str]) -> Mapping[str, Any]:
    """The first of these keys whose value is an object, with normalised keys; {} if there is none."""
    sides = (record.get(key) for key in keys)
    return next((normalise_keys(side) for side in sides if isinstance(side, Mapping)), {})


def _find_name(record: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    side = _find_side(record, keys)
    names = (*(side.get(key) for key in NAME_KEYS), *(record.get(f"{key}name") for key in keys))
    return next(filter(None, map(parse_name_value, names)), None)


def _parse_direction(value: Any) -> Direction | None:
    return parse_direction(value) if isinstance(value, str) and len(value) <= MAX_TEXT_LENGTH else None


def _parse_kind(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) and value.lower() in CALL_KINDS else None


def _parse_phone_system(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) and PHONE_SYSTEM_NAME.fullmatch(value.lower()) else None


def parse_number_value(value: Any) -> str | None:
    """The number as written, without caller ID or URI around it; None for `anonymous`, `s`, a name or another type."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 < value < 10**MAX_DIGITS else None
    if not isinstance(value, str) or len(value) > MAX_VALUE_LENGTH:
        return None
    if wrapped := NAMED_CALLER_ID.fullmatch(value):
        value = wrapped[1]
    if address := TEL_OR_SIP_URI.fullmatch(value.strip()):
        value = address[1]
    return parse_phone_number(value)


def parse_extension_value(value: Any) -> str | None:
    """The number if it is short enough for an extension: some systems write the dialled number under these keys."""
    return parse_extension(parse_number_value(value))


def parse_timestamp_value(value: Any) -> datetime | date | None:
    """The time as written: aware for an epoch or a time with a zone, otherwise naive; a date if there is no time.

    Accepts epochs in seconds, milliseconds or microseconds, ISO 8601, RFC 2822, JavaScript's dates, digits without
    separators, AM and PM, and a day before or after the month. `01/02/2026` is None because it is ambiguous.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return from_epoch(value)
    text = to_24_hours(value.strip()) if isinstance(value, str) and len(value) <= MAX_TIMESTAMP_LENGTH else ""
    text = UTC_OFFSET.sub(lambda match: f" {match[1]}{match[2]:0>2}{match[3] or '00'}", text)
    if NUMERIC.fullmatch(text):
        timestamp = parse_timestamp(text) if text.isdecimal() and len(text) in DATE_DIGIT_COUNTS else None
        return timestamp or from_epoch(float(text))
    if MONTH_NAME.search(text.removesuffix("UTC").removesuffix("GMT")):
        from email.utils import parsedate_to_datetime

        with suppress(ValueError, OverflowError):
            parsed = parsedate_to_datetime(text)
            return parsed if parsed.year in PLAUSIBLE_YEARS else None
        return None
    parsed_timestamp = None if AMBIGUOUS_DATE.match(text) else parse_timestamp(text)
    return parsed_timestamp or choose(parse_readings(text))


def _settle_order(record: Mapping[str, Any], known_start: datetime | date | None) -> datetime | date | None:
    """The start whose day and month may be swapped, if another time of the call confirms one of the two."""
    texts = [to_24_hours(value) for key in FIELD_ALIASES["started_at"] if isinstance(value := record.get(key), str)]
    readings = next(filter(None, map(parse_readings, texts)), {})
    others: list[str | datetime | date] = [known_start] if known_start else []
    ids = (value for key in FIELD_ALIASES["call_id"] if isinstance(value := record.get(key), str))
    others += filter(None, map(parse_unique_id, ids))
    for key, value in record.items() if readings else ():
        if EVIDENCE_KEY.search(key):
            parsed = parse_timestamp_value(value)
            others += [to_24_hours(value)] if isinstance(value, str) else []
            others += [parsed] if parsed else []
    return choose(readings, others)


def add_time_of_day(day: datetime | date | None, time: Any) -> datetime | date | None:
    """The date combined with a time; unchanged if it already has a time, or the time is invalid."""
    if isinstance(day, datetime) or day is None or not isinstance(time, str):
        return day
    return parse_timestamp_value(f"{day.isoformat()} {time.strip()}") or day


def parse_text_value(value: Any) -> str | None:
    """An id or a name: a printable text that can be stored, or an integer."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**MAX_TEXT_LENGTH:
        return str(value)
    if not isinstance(value, str) or len(value) > MAX_TEXT_LENGTH:
        return None
    text = " ".join(value.encode(errors="replace").decode().split())
    return clean_text(text) if text.isprintable() else None


def parse_name_value(value: Any) -> str | None:
    """The name of a caller, a group or a company; None for a number or a placeholder."""
    return parse_name(parse_text_value(value))


FIELD_PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "caller": _parse_number,
    "callee": _parse_number,
    "remote_number": _parse_number,
    "extension": parse_extension_value,
    "direction": _parse_direction,
    "started_at": parse_timestamp_value,
    "call_id": parse_text_value,
    "party": parse_name_value,
    "phone_system": _parse_phone_system,
    "kind": _parse_kind,
}
