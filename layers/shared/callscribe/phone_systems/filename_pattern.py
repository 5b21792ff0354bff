"""One form of names: a pattern for the whole of a name, and what its named groups mean.

Patterns are compiled when first needed: a function that starts cold reads no names, or few. Each group is told from its
neighbours by a character that it cannot hold, or by a fixed form beside it, so time grows with the name's length alone.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache

from callscribe.call_metadata import timestamps
from callscribe.call_metadata.metadata import CallMetadata, Provenance, parse_direction
from callscribe.call_metadata.phone_numbers import (
    find_local_extension,
    parse_extension,
    parse_phone_number,
    person_name,
)

UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
UNIQUE_ID = r"(?:[A-Za-z][A-Za-z0-9.]*-)?[0-9]{10}(?:\.[0-9]+)?"
"""Of Asterisk: the epoch of the call and a counter, behind the system's name if it has been given one."""

Groups = Mapping[str, str | None]

MAX_STEM_LENGTH = 1024
"""Characters of a name beyond which nobody is meant to read it: S3 allows no longer key, a file system 255 bytes."""

_MAX_EXTENSION_LENGTH = 5
"""Characters: wav49."""

_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class RecordingPath:
    """`/monitor/2023/05/17/out-1-2.wav` has the folders monitor, 2023, 05 and 17 and the stem `out-1-2`."""

    path: str
    folders: tuple[str, ...]
    stem: str

    def has_folder(self, folder: str) -> bool:
        """Whether one of its folders is of that name, in any case."""
        return any(each.casefold() == folder for each in self.folders)


def parse_path(path: str) -> RecordingPath:
    """A bucket's name is no folder. An escape such as `%2B` becomes what it stands for, within its part of the path."""
    scheme, url, rest = path.partition("://")
    if url and scheme.isalnum():
        path = rest.partition("/")[2]
    path = path.replace("\\", "/")
    parts = [_unquote(part) for part in path.split("/")]
    name = parts.pop()
    return RecordingPath("/".join([*parts, name]), tuple(part for part in parts if part), _strip_extension(name))


def _strip_extension(name: str) -> str:
    """Without the ending. `1684333530.12` has none: an ending is short, of letters and digits, and not digits alone."""
    stem, dot, extension = name.rpartition(".")
    if dot and extension.isalnum() and not extension.isdecimal() and len(extension) <= _MAX_EXTENSION_LENGTH:
        return stem
    return name


def _unquote(part: str) -> str:
    """Only where every escape is a whole one of UTF-8: a per cent sign can be meant."""
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
    """What was called is a queue, a room or a group, and no extension."""
    return parse_extension(metadata.caller)


def extension_from_callee(metadata: CallMetadata) -> str | None:
    return parse_extension(metadata.callee)


def no_extension(_metadata: CallMetadata) -> None:
    """What looks like an extension is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilenamePattern:
    """`pattern` is verbose and for the whole stem of the name. Its groups are fields of CallMetadata, or these:

    `date`, `time`, `zone`: of the start · `epoch`: the start, in seconds or milliseconds · `unique_id`: the call id, which
    may begin with the epoch of the call · others are for `also`, which has the last word: None says that the name is
    not of this form after all. `strict` says the same of a name whose date is none.
    """

    system: str | None
    pattern: str
    zone: tzinfo | None = None
    kind: str | None = None
    reject_invalid_date: bool = True
    extension_from: Callable[[CallMetadata], str | None] = find_local_extension
    refine: Callable[[CallMetadata, Groups, RecordingPath], CallMetadata | None] | None = None

    def extract_metadata(self, path: RecordingPath) -> CallMetadata | None:
        """What the name tells, if it is of this form."""
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
    """What groups of these names tell. A text that is no number, no date and no direction tells nothing.

    Where the form says that a number is an extension, it may be of any length.
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
        utc_offset=_utc_offset(started_at, unique_id),
        call_id=unique_id or groups.get("call_id") or None,
        party=person_name(groups.get("party")),
    )


def parse_started_at(groups: Groups, zone: tzinfo | None) -> datetime | date | None:
    """From `date` with `time` and `zone`, or from `epoch`."""
    date_text, time_text = groups.get("date"), groups.get("time")
    if date_text and time_text:
        return timestamps.combine(date_text, time_text, timestamps.parse_zone(groups.get("zone") or "") or zone)
    if date_text:
        return timestamps.parse_date(date_text)
    return timestamps.parse_epoch(groups.get("epoch") or "")


def require_number(metadata: CallMetadata, _groups: Groups, _path: RecordingPath) -> CallMetadata | None:
    """Words around a date can be anything."""
    return metadata if metadata.caller or metadata.callee or metadata.remote_number else None


def with_folder_fields(metadata: CallMetadata, **fields: object) -> CallMetadata:
    """With these fields, which the folders tell; what they do not tell is left out."""
    folder_fields = {name: value for name, value in fields.items() if value is not None}
    provenance_by_field = {**metadata.provenance, **dict.fromkeys(folder_fields, Provenance.FOLDER)}
    return replace(metadata, **folder_fields, provenance=provenance_by_field)  # type: ignore[arg-type]


def _utc_offset(started_at: datetime | date | None, unique_id: str | None) -> timedelta | None:
    epoch = re.search(r"(?:^|-)([0-9]{10})(?![0-9])", unique_id or "")
    return timestamps.utc_offset(started_at, epoch[1]) if epoch else None


@lru_cache(maxsize=256)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.VERBOSE | re.ASCII | re.DOTALL)
