"""File names of FreePBX, Issabel and Elastix: `TYPE-DESTINATION-FROM-YYYYMMDD-HHMMSS-UNIQUEID`, for every type.

The time is the server's local time, and the unique id begins with the epoch of the call. Up to FreePBX 2.8 and in
Elastix, the type is a letter directly before the number: `q600`, `g600`, `OUT101`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from callscribe.call_metadata.metadata import CallMetadata, Direction
from callscribe.call_metadata.phone_numbers import find_local_extension, parse_phone_number
from callscribe.phone_systems.filename_pattern import (
    UNIQUE_ID,
    FilenamePattern,
    Groups,
    RecordingPath,
    extension_from_callee,
    extension_from_caller,
    no_extension,
)

DATE_TIME = r"(?P<date>[0-9]{8})-(?P<time>[0-9]{6})"
LEG_SUFFIX = r"(?:-(?P<leg>in|out))?"
"""At the end of a name, `-in` or `-out` marks the audio of one side; it is not a direction."""
DATE_TIME_AND_UID = rf"{DATE_TIME}-(?P<unique_id>{UNIQUE_ID}){LEG_SUFFIX}"
LEG = "leg"
CONFERENCE = "conference"
CONFERENCE_ROOM = re.compile(r"(?:conf(?:erence|bridge)?|meetme|startmeetme)[-_]?[0-9]*", re.IGNORECASE)
"""A room in place of a number, as the destinations of FreePBX name it."""


@dataclass(frozen=True, slots=True)
class CallType:
    """The meaning of the first word of a name. `direction` is None where the word does not determine it."""

    direction: Direction | None = None
    extension_from: Callable[[CallMetadata], str | None] = find_local_extension
    kind: str | None = None


CALL_TYPES: Mapping[str, CallType] = {
    "in": CallType(Direction.INBOUND),
    "external": CallType(Direction.INBOUND),
    "out": CallType(Direction.OUTBOUND),
    "internal": CallType(Direction.INTERNAL),
    "exten": CallType(),
    "force": CallType(),
    "generic": CallType(extension_from=extension_from_caller),
    "q": CallType(extension_from=extension_from_caller),
    "rg": CallType(extension_from=extension_from_caller),
    "parked": CallType(extension_from=extension_from_callee),
    "conf": CallType(extension_from=extension_from_caller, kind=CONFERENCE),
    "page": CallType(extension_from=extension_from_caller, kind="page"),
}

TYPE_LETTERS: Mapping[str, CallType] = {
    **dict.fromkeys(("o", "out"), CallType(Direction.OUTBOUND)),
    "in": CallType(Direction.INBOUND),
    **dict.fromkeys(("q", "g", "r"), CallType(extension_from=extension_from_caller)),
}
"""The type letters. The number after them is the one that was called, but the caller of an outbound call."""


def _refine_by_type(metadata: CallMetadata, groups: Groups, _path: RecordingPath) -> CallMetadata | None:
    """Split the parties at the last dash: the destination may be empty, and rarely contains a dash itself."""
    call_type = CALL_TYPES.get((groups["type"] or "").lower())
    if call_type is None or "-" not in (groups["parties"] or ""):
        return None
    callee, _, caller = (groups["parties"] or "").rpartition("-")
    metadata = replace(metadata, caller=parse_phone_number(caller), callee=parse_phone_number(callee))
    metadata = _apply_call_type(metadata, call_type, groups)
    if metadata.kind == CONFERENCE and metadata.caller == metadata.callee:  # the room itself is recorded
        return replace(metadata, caller=None, extension=None)
    is_in_room = CONFERENCE_ROOM.fullmatch(callee) or CONFERENCE_ROOM.fullmatch(caller)
    return replace(metadata, kind=CONFERENCE) if is_in_room and metadata.kind is None else metadata


def _refine_by_letter(metadata: CallMetadata, groups: Groups, _path: RecordingPath) -> CallMetadata:
    call_type = TYPE_LETTERS[(groups["type_letter"] or "").lower()]
    main_number, other_number = parse_phone_number(groups["number"]), parse_phone_number(groups["other_number"])
    is_outbound = call_type.direction is Direction.OUTBOUND
    caller, callee = (main_number, other_number) if is_outbound else (other_number, main_number)
    return _apply_call_type(replace(metadata, caller=caller, callee=callee), call_type, groups)


def _apply_call_type(metadata: CallMetadata, call_type: CallType, groups: Groups) -> CallMetadata:
    kind = LEG if groups["leg"] else call_type.kind
    metadata = replace(metadata, direction=call_type.direction, kind=kind)
    return replace(metadata, extension=call_type.extension_from(metadata))


def _mark_leg(metadata: CallMetadata, groups: Groups, _path: RecordingPath) -> CallMetadata:
    return replace(metadata, kind=LEG) if groups["leg"] else metadata


PATTERNS = (
    # in-0902290100-394060101-20230927-100858-1695784138.33311
    FilenamePattern(
        system="freepbx",
        pattern=rf"(?P<type>[A-Za-z]+) - (?P<parties>.*) - {DATE_TIME} (?:-(?P<unique_id>{UNIQUE_ID}))? {LEG_SUFFIX}",
        reject_invalid_date=False,
        extension_from=no_extension,
        refine=_refine_by_type,
    ),
    # 8000-8000-always-20230517-142610-1684333570.76 8000-101-always-20230517-142610-1684333570.76
    FilenamePattern(
        system="freepbx",
        pattern=rf"(?P<callee>[0-9*\#]+) - (?:(?P=callee)|(?P<caller>[0-9*\#+]+)) - [a-z]+ - {DATE_TIME_AND_UID}",
        reject_invalid_date=False,
        kind=CONFERENCE,
        extension_from=extension_from_caller,
    ),
)

ELASTIX = (
    # q600-20160115-093012-1452868212.345 OUT101-5551234567-20160115-093012-1452868212.346
    FilenamePattern(
        system="elastix",
        pattern=r"(?P<type_letter>[qQgGrR]|[oO](?:UT)?|IN) "
        rf"(?P<number>[0-9*\#+]+) (?:-(?P<other_number>[^-]*))? - {DATE_TIME_AND_UID}",
        reject_invalid_date=False,
        extension_from=no_extension,
        refine=_refine_by_letter,
    ),
    # 20160115-093012-1452868212.348
    FilenamePattern(system="elastix", pattern=DATE_TIME_AND_UID, refine=_mark_leg),
)
