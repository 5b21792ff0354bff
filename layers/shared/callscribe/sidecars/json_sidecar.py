"""Parse a JSON sidecar: the call metadata and, if it has one, the transcript."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from callscribe.call_metadata.metadata import CallMetadata, normalise_key
from callscribe.errors import RetryableError, SidecarError
from callscribe.sidecars import freeswitch_cdr
from callscribe.sidecars.field_parsers import (
    metadata_from_record,
    normalise_keys,
    parse_name_value,
    parse_number_value,
    parse_text_value,
    parse_timestamp_value,
)
from callscribe.sidecars.placeholders import is_placeholder
from callscribe.sidecars.plain_text import parse_plain_text
from callscribe.transcripts.response_parser import parse_transcript
from callscribe.transcripts.transcript import Transcript

MAX_OBJECTS = 250_000
"""Objects and lists of a file, to limit the memory that it takes. Each word of a transcript is one object."""

WRAPPER_KEYS = ("metadata", "callmetadata", "call", "calldata", "cdr", "record", "recording", "data")
"""The record may be nested under one of these keys."""

TRANSCRIPT_KEYS = ("transcription", "transcript")

STATUS_KEYS = ("transcriptionstatus", "transcriptstatus")
"""Keys of the transcript's status in a record, whose own `status` is that of the call."""

UNFINISHED = frozenset(
    "pending inprogress processing queued running started notstarted submitted scheduled waiting failed error "  # noqa: SIM905 — legible
    "canceled cancelled expired timeout disabled unavailable notavailable skipped none".split()
)
"""Statuses of a transcript that is not there or not complete, as `normalise_key` returns them."""

type Record = Mapping[str, Any]
"""A JSON object with normalised keys."""


def parse_json_sidecar(
    body: bytes, known_start: datetime | date | None = None
) -> tuple[CallMetadata, Transcript | None, bool]:
    """The call metadata; the transcript, or None; whether there is no transcript where it would be.

    `known_start`: as for `metadata_from_record`.

    Raises: SidecarError, if it is not JSON, too large, or neither an object nor a list of objects.
    """
    document = _load_json(body)
    if isinstance(document, list) and document and all(isinstance(each, Mapping) for each in document):
        if transcript := _parse_transcript_value(document):  # a list of segments
            return CallMetadata(), transcript, False
        document = document[0] if len(document) == 1 else {}
    if not isinstance(document, Mapping):
        raise sidecar_error("it is JSON, but neither an object nor a list of objects")
    return read_record(_unwrap(normalise_keys(document)), known_start)


def read_record(
    record: Record, known_start: datetime | date | None = None
) -> tuple[CallMetadata, Transcript | None, bool]:
    """The contents of a record with normalised keys, as `parse_json_sidecar` returns them."""
    schema = next((each for each in KNOWN_SCHEMAS if any(keys <= record.keys() for keys in each.key_sets)), None)
    metadata = schema.read(record) if schema else metadata_from_record(record, known_start)
    if schema and not metadata.phone_system:
        metadata = replace(metadata, phone_system=schema.system)
    transcript = _find_transcript(record)
    return metadata, transcript, transcript is None and not record.keys().isdisjoint((*TRANSCRIPT_KEYS, *STATUS_KEYS))


def sidecar_error(reason: str) -> SidecarError:
    """The error for an unreadable sidecar. `reason` quotes nothing of the file: it may contain speech and numbers."""
    return SidecarError(
        f"A sidecar cannot be read: {reason}. Correct or remove the file. The recording is processed without it."
    )


def _load_json(body: bytes) -> Any:
    if body.count(b"{") + body.count(b"[") > MAX_OBJECTS:
        raise sidecar_error(f"it has more than {MAX_OBJECTS:,} objects and lists")
    try:
        return json.loads(body.decode(json.detect_encoding(body)))
    except (ValueError, RecursionError):
        raise sidecar_error("it is not JSON, or it is truncated") from None  # the cause quotes the file


def _unwrap(outer: Record) -> Record:
    record = dict(outer)
    for key in WRAPPER_KEYS:
        if isinstance(inner := outer.get(key), Mapping):
            record = normalise_keys(inner) | record
    return record


def _find_transcript(record: Record) -> Transcript | None:
    if any(_is_unfinished(record.get(key)) for key in STATUS_KEYS):
        return None
    for key in TRANSCRIPT_KEYS:
        if transcript := _parse_transcript_value(record.get(key)):
            return transcript
    return _parse_transcript_value(record) if isinstance(record.get("segments"), list | Mapping) else None


def parse_transcript_text(text: str) -> Transcript | None:
    """The transcript in a text, which may be JSON; None if there is none, or only a placeholder."""
    if text.lstrip()[:1] in ("{", "[") and text.count("{") + text.count("[") <= MAX_OBJECTS:
        with suppress(ValueError, RecursionError):
            value = json.loads(text)
            record = _unwrap(normalise_keys(value)) if isinstance(value, Mapping) else {}
            return _find_transcript(record) or _parse_transcript_value(value)
    return parse_plain_text(text)


def _parse_transcript_value(value: Any) -> Transcript | None:
    """The transcript in a text, a list of lines, a list of segments or an object that contains one of them.

    None if it is blank, a placeholder or none of these. Only times prove that a text is not a placeholder.
    """
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        value = "\n".join(value)
    if isinstance(value, str):
        return parse_transcript_text(value)
    if isinstance(value, Mapping) and _is_unfinished(normalise_keys(value).get("status")):
        return None
    try:
        transcript = parse_transcript({"segments": value} if isinstance(value, list) else value)
    except RetryableError:
        return None
    has_times = any(segment.end and segment.end > (segment.start or 0.0) for segment in transcript.segments)
    return transcript if has_times or not is_placeholder(transcript.text) else None


def _is_unfinished(status: Any) -> bool:
    return isinstance(status, str) and normalise_key(status) in UNFINISHED


# schemas of some systems --------------------------------------------------------------------------------------------


def _read_trunk_recorder(record: Record) -> CallMetadata:
    """The callee is a talkgroup. The caller is known if only one radio transmitted."""
    radio_ids = {parse_number_value(each.get("src")) for each in _iter_objects(record.get("srclist"))}
    return CallMetadata(
        caller=radio_ids.pop() if len(radio_ids) == 1 else None,
        callee=parse_number_value(record.get("talkgroup")),
        started_at=parse_timestamp_value(record.get("starttime")),
        kind="radio",
        party=parse_name_value(record.get("talkgrouptag")),
    )


def _read_bcr(record: Record) -> CallMetadata:
    """`direction` is in, out, conference or empty; `calls` contains each other party."""
    other_parties = [*map(normalise_keys, _iter_objects(record["calls"]))]
    other_party = other_parties[0] if len(other_parties) == 1 else {}
    metadata = metadata_from_record(
        {"direction": record.get("direction"), "remotenumber": other_party.get("phonenumber")}
    )
    return replace(
        metadata,
        extension=None,
        started_at=parse_timestamp_value(record.get("timestamp")) or parse_timestamp_value(record["timestampunixms"]),
        party=parse_name_value(other_party.get("contactname"))
        or parse_name_value(other_party.get("callername"))
        or parse_name_value(record.get("calllogname")),
    )


def _read_genesys_conversation(record: Record) -> CallMetadata:
    """Use the numbers of the customer's leg if the conversation itself has none."""
    legs: dict[str, Any] = {}
    for participant in map(normalise_keys, _iter_objects(record.get("participants"))):
        if str(participant.get("purpose")).lower() in ("customer", "external"):
            for key in ("calls", "sessions"):
                legs |= next(map(normalise_keys, _iter_objects(participant.get(key))), {})
            legs = {key: participant.get(key) or legs.get(key) for key in ("ani", "dnis", "direction")}
            break
    return metadata_from_record(legs | {key: value for key, value in record.items() if value is not None})


def _reader_with_call_id(key: str) -> Callable[[Record], CallMetadata]:
    """A reader that takes the call id from this key if no alias of the field has it."""

    def read_record(record: Record) -> CallMetadata:
        metadata = metadata_from_record(record)
        return replace(metadata, call_id=metadata.call_id or parse_text_value(record.get(key)))

    return read_record


def _iter_objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects in a list; empty if it is not a list."""
    return (each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else iter(())


@dataclass(frozen=True, slots=True)
class SchemaReader:
    """How to read the JSON of a phone system. It is recognised by any of these sets of keys."""

    system: str
    key_sets: Sequence[frozenset[str]]
    read: Callable[[Record], CallMetadata]


def _key_sets(*sets: str) -> Sequence[frozenset[str]]:
    return tuple(frozenset(each.split()) for each in sets)


KNOWN_SCHEMAS = (
    SchemaReader("freeswitch", freeswitch_cdr.KEY_SETS, freeswitch_cdr.read_freeswitch_cdr),
    SchemaReader("trunk-recorder", _key_sets("talkgroup starttime", "talkgroup freq"), _read_trunk_recorder),
    SchemaReader("bcr", _key_sets("timestampunixms calls"), _read_bcr),
    SchemaReader(
        "ringcentral", _key_sets("sessionid action result", "sessionid direction uri"), _reader_with_call_id("id")
    ),
    SchemaReader(
        "genesys-cloud", _key_sets("conversationid mediatype", "conversationid recordingid"), _read_genesys_conversation
    ),
    SchemaReader("genesys-cloud", _key_sets("conversationid participants"), _read_genesys_conversation),
    SchemaReader("twilio", _key_sets("callsid accountsid", "sid accountsid from"), _reader_with_call_id("sid")),
    SchemaReader("amazon-connect", _key_sets("contactid initiationmethod"), metadata_from_record),
)
