"""What the keys are called under which phone systems, and people, write down who called whom and when."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from callscribe.call_metadata.metadata import CallMetadata, Direction
from callscribe.call_metadata.phone_numbers import find_local_extension
from callscribe.call_metadata.vocabulary import normalise_key, parse_direction
from callscribe.sidecars.value_parsers import (
    MAX_TEXT_LENGTH,
    add_time_of_day,
    parse_extension_value,
    parse_name_value,
    parse_number_value,
    parse_text_value,
    parse_timestamp_value,
)

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
"""Of each field the keys, in small letters and without anything between them, the most telling first."""

NUMBER_KEYS = ("phonenumber", "number", "address", "extensionnumber", "e164")
"""Where the number stands, where a side of the call is told as an object."""
NAME_KEYS = ("name", "displayname", "contactname")

LOCAL_SIDE = {Direction.INBOUND: ("to", "callee"), Direction.OUTBOUND: ("from", "caller")}
REMOTE_SIDE = {Direction.INBOUND: ("from", "caller"), Direction.OUTBOUND: ("to", "callee")}
"""The sides of a call, by its direction."""

CALL_KINDS = frozenset(("conference", "page", "radio", "leg", "meeting"))

PHONE_SYSTEM_NAME = re.compile(r"[a-z0-9][a-z0-9 ._-]{0,39}")


def normalise_keys(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record under keys as SPELLINGS has them; of two that become the same, the first."""
    return {normalise_key(key): value for key, value in reversed([*record.items()])}


def metadata_from_record(record: Mapping[str, Any]) -> CallMetadata:
    """What a record says under the keys of SPELLINGS. It has them plain, and what is told is not yet read anywhere."""
    values = {field: _first_value(record, field, FIELD_PARSERS[field]) for field in FIELD_ALIASES}
    direction = values["direction"]
    values["started_at"] = add_time_of_day(values["started_at"], record.get("time"))
    if not values["kind"]:
        values["kind"] = _parse_kind(record.get("direction"))
    remote_field = REMOTE_SIDE[direction][1] if direction in REMOTE_SIDE else None
    if remote_field and not values[remote_field]:
        values[remote_field] = values["remote_number"]
    if (values["caller"] and values["callee"]) or values["remote_number"] in (values["caller"], values["callee"]):
        values["remote_number"] = None  # it is known whose it is
    if not values["party"] and direction in REMOTE_SIDE:
        values["party"] = _find_name(record, REMOTE_SIDE[direction])
    if not values["extension"]:
        local_extension = _find_side(record, LOCAL_SIDE.get(direction, LOCAL_SIDE[Direction.OUTBOUND])).get(
            "extensionnumber"
        )
        values["extension"] = parse_extension_value(local_extension) or find_local_extension(CallMetadata(**values))
    return CallMetadata(**values)


def _first_value(record: Mapping[str, Any], field: str, parse: Callable[[Any], Any]) -> Any:
    """Of the keys that a field has, what the first one says that says something."""
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
    """One side of the call, where it is told as an object."""
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
