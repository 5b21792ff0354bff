"""What the keys are called under which phone systems, and people, write down who called whom and when."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from callscribe.metadata import CallMetadata, Direction
from callscribe.numbers import extension_of
from callscribe.sidecars.values import LONGEST_TEXT, extension_in, joined, moment_in, name_in, number_in, text_in
from callscribe.words import direction_of, plain

SPELLINGS: Mapping[str, Sequence[str]] = {
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

OWN = {Direction.INBOUND: ("to", "callee"), Direction.OUTBOUND: ("from", "caller")}
OTHER = {Direction.INBOUND: ("from", "caller"), Direction.OUTBOUND: ("to", "callee")}
"""The sides of a call, by its direction."""

KINDS = frozenset(("conference", "page", "radio", "leg", "meeting"))

SYSTEM = re.compile(r"[a-z0-9][a-z0-9 ._-]{0,39}")


def plainly(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record under keys as SPELLINGS has them; of two that become the same, the first."""
    return {plain(key): value for key, value in reversed([*record.items()])}


def metadata_in(record: Mapping[str, Any]) -> CallMetadata:
    """What a record says under the keys of SPELLINGS. It has them plain, and what is told is not yet read anywhere."""
    found = {field: _first(record, field, READERS[field]) for field in SPELLINGS}
    direction = found["direction"]
    found["started_at"] = joined(found["started_at"], record.get("time"))
    if not found["kind"]:
        found["kind"] = _kind(record.get("direction"))
    outside = OTHER[direction][1] if direction in OTHER else None
    if outside and not found[outside]:
        found[outside] = found["remote_number"]
    if (found["caller"] and found["callee"]) or found["remote_number"] in (found["caller"], found["callee"]):
        found["remote_number"] = None  # it is known whose it is
    if not found["party"] and direction in OTHER:
        found["party"] = _name(record, OTHER[direction])
    if not found["extension"]:
        own = _side(record, OWN.get(direction, OWN[Direction.OUTBOUND])).get("extensionnumber")
        found["extension"] = extension_in(own) or extension_of(CallMetadata(**found))
    return CallMetadata(**found)


def _first(record: Mapping[str, Any], field: str, read: Callable[[Any], Any]) -> Any:
    """Of the keys that a field has, what the first one says that says something."""
    for key in SPELLINGS[field]:
        if (value := record.get(key)) is not None and (found := read(value)) is not None:
            return found
    return None


def _number(value: Any) -> str | None:
    if isinstance(value, Mapping):
        side = plainly(value)
        return next(filter(None, (number_in(side.get(key)) for key in NUMBER_KEYS)), None)
    return number_in(value)


def _side(record: Mapping[str, Any], keys: Sequence[str]) -> Mapping[str, Any]:
    """One side of the call, where it is told as an object."""
    sides = (record.get(key) for key in keys)
    return next((plainly(side) for side in sides if isinstance(side, Mapping)), {})


def _name(record: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    side = _side(record, keys)
    names = (*(side.get(key) for key in NAME_KEYS), *(record.get(f"{key}name") for key in keys))
    return next(filter(None, map(name_in, names)), None)


def _direction(value: Any) -> Direction | None:
    return direction_of(value) if isinstance(value, str) and len(value) <= LONGEST_TEXT else None


def _kind(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) and value.lower() in KINDS else None


def _system(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) and SYSTEM.fullmatch(value.lower()) else None


READERS: Mapping[str, Callable[[Any], Any]] = {
    "caller": _number,
    "callee": _number,
    "remote_number": _number,
    "extension": extension_in,
    "direction": _direction,
    "started_at": moment_in,
    "call_id": text_in,
    "party": name_in,
    "phone_system": _system,
    "kind": _kind,
}
