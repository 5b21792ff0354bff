"""Parse the path of a recording, and match its file name against a pattern.

Patterns are compiled on first use: after a cold start a function parses no names, or few. Each group is separated from
the next by a character that it cannot contain, or by fixed text, so matching takes time linear in the name's length.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from functools import lru_cache

from callscribe.call_metadata import timestamps
from callscribe.call_metadata.metadata import CallMetadata, Provenance, parse_direction
from callscribe.call_metadata.phone_numbers import (
    find_local_extension,
    parse_extension,
    parse_name,
    parse_phone_number,
)

UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
UNIQUE_ID = r"(?:[A-Za-z][A-Za-z0-9.]*-)?[0-9]{10}(?:\.[0-9]+)?"
"""Asterisk's UNIQUEID: the epoch of the call and a counter, after the system name if one is configured."""

Groups = Mapping[str, str | None]

MAX_STEM_LENGTH = 1024
"""Characters. Longer names are not parsed: an S3 key has at most 1,024 bytes, a name in a file system 255."""

_MAX_EXTENSION_LENGTH = 5
"""Characters, as in wav49."""

_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class RecordingPath:
    """The path of a recording. `/monitor/2023/05/out-1-2.wav` has folders monitor, 2023 and 05, and stem `out-1-2`."""

    path: str
    folders: tuple[str, ...]
    stem: str

    def has_folder(self, folder: str) -> bool:
        """Whether the path contains this folder, in any letter case. `folder` is in lower case."""
        return any(each.casefold() == folder for each in self.folders)


def parse_path(path: str) -> RecordingPath:
    """Split an S3 key, a URL or a local path, also one of Windows. The bucket or host is not a folder.

    Percent-encoding is decoded in each part of the path separately, so `%2F` does not split a part.
    """
    scheme, url, rest = path.partition("://")
    if url and scheme.isalnum():
        path = rest.partition("/")[2]
    path = path.replace("\\", "/")
    parts = [_unquote(part) for part in path.split("/")]
    name = parts.pop()
    return RecordingPath("/".join([*parts, name]), tuple(part for part in parts if part), _strip_extension(name))


def _strip_extension(name: str) -> str:
    """The name without its extension, which is short, alphanumeric and not only digits: `1684333530.12` has none."""
    stem, dot, extension = name.rpartition(".")
    if dot and extension.isalnum() and not extension.isdecimal() and len(extension) <= _MAX_EXTENSION_LENGTH:
        return stem
    return name


def _unquote(part: str) -> str:
    """Decode the part if all of its escapes are valid UTF-8; otherwise its per cent signs are literal."""
    if "%" not in part:
        return part
    prefix, *escapes = part.split("%")
    if not all(len(each) > 1 and set(each[:2]) <= _HEX_DIGITS for each in escapes):
        return part
    raw = b"".join([bytes.fromhex(each[:2]) + each[2:].encode(errors="surrogateescape") for each in escapes])
    try:
        return prefix + raw.decode(errors="strict")
    except UnicodeDecodeError:
        return part


def extension_from_caller(metadata: CallMetadata) -> str | None:
    """For calls to a queue, a room or a group, which is not an extension."""
    return parse_extension(metadata.caller)


def extension_from_callee(metadata: CallMetadata) -> str | None:
    return parse_extension(metadata.callee)


def no_extension(_metadata: CallMetadata) -> None:
    """For names in which short numbers are not extensions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilenamePattern:
    """A pattern for the file names of one phone system, and how its groups become call metadata.

    `pattern` is a verbose regular expression that matches the whole stem. Its groups are fields of CallMetadata, or
    `date`, `time` and `zone`: the start; `epoch`: the start in seconds or milliseconds; `unique_id`: the call id, which
    may begin with the epoch of the call. Other groups are for `refine`, which changes the metadata, or returns None to
    reject the name. `reject_invalid_date` rejects a name whose date is not a date.
    """

    system: str | None
    pattern: str
    zone: tzinfo | None = None
    kind: str | None = None
    reject_invalid_date: bool = True
    extension_from: Callable[[CallMetadata], str | None] = find_local_extension
    refine: Callable[[CallMetadata, Groups, RecordingPath], CallMetadata | None] | None = None

    def extract_metadata(self, path: RecordingPath) -> CallMetadata | None:
        """The metadata with its provenance, or None if the name does not match."""
        match = _compile(self.pattern).fullmatch(path.stem)
        if match is None:
            return None
        groups: Groups = match.groupdict()
        metadata = metadata_from_groups(groups, self.zone)
        if self.reject_invalid_date and groups.get("date") and metadata.started_at is None:
            return None
        metadata = replace(metadata, phone_system=self.system, kind=self.kind)
        refined = metadata if self.refine is None else self.refine(metadata, groups, path)
        if refined is None:
            return None
        if refined.extension is None:
            refined = replace(refined, extension=self.extension_from(refined))
        return replace(
            refined, provenance=dict.fromkeys(refined.non_empty(), Provenance.NAME) | dict(refined.provenance)
        )


def metadata_from_groups(groups: Groups, zone: tzinfo | None = None) -> CallMetadata:
    """The metadata in the groups of a match. A text that is not a valid number, date or direction is ignored.

    The group `extension` may be longer than other extensions, because the pattern says what it is.
    """
    started_at = parse_started_at(groups, zone)
    unique_id = groups.get("unique_id")
    return CallMetadata(
        direction=parse_direction(groups.get("direction") or ""),
        caller=parse_phone_number(groups.get("caller")),
        callee=parse_phone_number(groups.get("callee")),
        extension=parse_phone_number(groups.get("extension")),
        remote_number=parse_phone_number(groups.get("remote_number")),
        started_at=started_at,
        utc_offset=timestamps.utc_offset(started_at, timestamps.parse_unique_id(unique_id or "")),
        call_id=unique_id or groups.get("call_id") or None,
        party=parse_name(groups.get("party")),
    )


def parse_started_at(groups: Groups, zone: tzinfo | None) -> datetime | date | None:
    """The start of the call from the groups `date`, `time` and `zone`, or from `epoch`."""
    date_text, time_text = groups.get("date"), groups.get("time")
    if date_text and time_text:
        return timestamps.combine(date_text, time_text, timestamps.parse_zone(groups.get("zone") or "") or zone)
    epoch = timestamps.parse_epoch(groups.get("epoch") or "")
    if not date_text:
        return epoch
    day = timestamps.parse_date(date_text)
    return epoch if day and epoch and timestamps.can_be_local_time_of(day, epoch) else day


def require_number(metadata: CallMetadata, _groups: Groups, _path: RecordingPath) -> CallMetadata | None:
    """Reject a name without a phone number: any words may surround a date."""
    return metadata if metadata.caller or metadata.callee or metadata.remote_number else None


def with_folder_fields(metadata: CallMetadata, **fields: object) -> CallMetadata:
    """The metadata with these fields, which come from folders. None keeps a field as it is."""
    folder_fields = {name: value for name, value in fields.items() if value is not None}
    provenance_by_field = {**metadata.provenance, **dict.fromkeys(folder_fields, Provenance.FOLDER)}
    return replace(metadata, **folder_fields, provenance=provenance_by_field)  # type: ignore[arg-type]


@lru_cache(maxsize=256)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.VERBOSE | re.ASCII | re.DOTALL)
