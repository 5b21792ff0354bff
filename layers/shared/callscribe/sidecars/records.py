"""A JSON file beside a recording: what it says of the call and, where it has one, the transcript."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from callscribe.errors import RetryableError, SidecarError
from callscribe.metadata import CallMetadata
from callscribe.sidecars.fields import metadata_in, plainly
from callscribe.sidecars.texts import prose
from callscribe.sidecars.values import moment_in, name_in, number_in, text_in
from callscribe.transcript import Transcript, transcript_in

MOST_OBJECTS = 250_000
"""Brackets that open, so that what is read takes no hundreds of megabytes. A word of a transcript is one object."""

WRAPPERS = ("metadata", "callmetadata", "call", "calldata", "cdr", "record", "recording", "data")
"""Under these a record may lie one level deeper."""

TRANSCRIPTS = ("transcription", "transcript")

type Record = Mapping[str, Any]
"""A JSON object under plain keys."""


def read_json(body: bytes) -> tuple[CallMetadata, Transcript | None]:
    """The call and its transcript, as far as they are in it. Raises SidecarError."""
    document = _parsed(body)
    if isinstance(document, list) and document and all(isinstance(each, Mapping) for each in document):
        if transcript := _spoken(document):  # segments alone
            return CallMetadata(), transcript
        document = document[0] if len(document) == 1 else {}
    if not isinstance(document, Mapping):
        raise unreadable("It is JSON, but neither an object nor a list of them")
    record = _unwrapped(plainly(document))
    shape = next((shape for shape in SHAPES if any(marks <= record.keys() for marks in shape.marks)), None)
    metadata = shape.read(record) if shape else metadata_in(record)
    if shape and not metadata.phone_system:
        metadata = replace(metadata, phone_system=shape.system)
    return metadata, _transcript(record)


def unreadable(why: str) -> SidecarError:
    """`why` names nothing of what is in the file: it may hold what was said, and phone numbers."""
    return SidecarError(
        f"A file beside the recording cannot be read: {why}. Correct the file, or remove it; the recording goes on "
        "without it."
    )


def _parsed(body: bytes) -> Any:
    if body.count(b"{") + body.count(b"[") > MOST_OBJECTS:
        raise unreadable(f"it has more than {MOST_OBJECTS:,} objects and lists")
    try:
        return json.loads(body.decode(json.detect_encoding(body)))
    except (ValueError, RecursionError):
        raise unreadable("it is not JSON, or it was cut") from None  # the error holds what it choked on


def _unwrapped(outer: Record) -> Record:
    record = dict(outer)
    for key in WRAPPERS:
        if isinstance(inner := outer.get(key), Mapping):
            record = plainly(inner) | record
    return record


def _transcript(record: Record) -> Transcript | None:
    for key in TRANSCRIPTS:
        if transcript := _spoken(record.get(key)):
            return transcript
    return _spoken(record) if isinstance(record.get("segments"), list | Mapping) else None


def _spoken(value: Any) -> Transcript | None:
    """A text, its lines, segments, or an object that holds them; None if it is blank, or none of these."""
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        value = "\n".join(value)
    if isinstance(value, str):
        return prose(value)
    try:
        found = transcript_in({"segments": value} if isinstance(value, list) else value)
    except RetryableError:
        return None
    return found if found.segments else None


# what some systems write -------------------------------------------------------------------------------------------


def _radio(record: Record) -> CallMetadata:
    """A talkgroup is called; who calls is known where one radio alone was heard."""
    heard = {number_in(each.get("src")) for each in _objects(record.get("srclist"))}
    return CallMetadata(
        caller=heard.pop() if len(heard) == 1 else None,
        callee=number_in(record.get("talkgroup")),
        started_at=moment_in(record.get("starttime")),
        kind="radio",
        party=name_in(record.get("talkgrouptag")),
    )


def _android(record: Record) -> CallMetadata:
    """`direction` is in, out, conference or empty; each other side is one of `calls`."""
    others = [*map(plainly, _objects(record["calls"]))]
    other = others[0] if len(others) == 1 else {}
    told = metadata_in({"direction": record.get("direction"), "remotenumber": other.get("phonenumber")})
    return replace(
        told,
        extension=None,
        started_at=moment_in(record.get("timestamp")) or moment_in(record["timestampunixms"]),
        party=name_in(other.get("contactname"))
        or name_in(other.get("callername"))
        or name_in(record.get("calllogname")),
    )


def _conversation(record: Record) -> CallMetadata:
    """The customer's leg, where the numbers of the call are not told for the whole."""
    legs: dict[str, Any] = {}
    for person in map(plainly, _objects(record.get("participants"))):
        if str(person.get("purpose")).lower() in ("customer", "external"):
            for key in ("calls", "sessions"):
                legs |= next(map(plainly, _objects(person.get(key))), {})
            legs = {key: person.get(key) or legs.get(key) for key in ("ani", "dnis", "direction")}
            break
    return metadata_in(legs | {key: value for key, value in record.items() if value is not None})


def _with(key: str) -> Callable[[Record], CallMetadata]:
    """An id that only there is that of the call."""

    def read(record: Record) -> CallMetadata:
        found = metadata_in(record)
        return replace(found, call_id=found.call_id or text_in(record.get(key)))

    return read


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a list; none if it is no list."""
    return (each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else iter(())


@dataclass(frozen=True, slots=True)
class Shape:
    """What `system` writes: known by any of these sets of keys."""

    system: str
    marks: Sequence[frozenset[str]]
    read: Callable[[Record], CallMetadata]


def _marks(*sets: str) -> Sequence[frozenset[str]]:
    return tuple(frozenset(each.split()) for each in sets)


SHAPES = (
    Shape("trunk-recorder", _marks("talkgroup starttime", "talkgroup freq"), _radio),
    Shape("bcr", _marks("timestampunixms calls"), _android),
    Shape("ringcentral", _marks("sessionid action result", "sessionid direction uri"), _with("id")),
    Shape("genesys-cloud", _marks("conversationid mediatype", "conversationid recordingid"), _conversation),
    Shape("genesys-cloud", _marks("conversationid participants"), _conversation),
    Shape("twilio", _marks("callsid accountsid", "sid accountsid from"), _with("sid")),
    Shape("amazon-connect", _marks("contactid initiationmethod"), metadata_in),
)
