"""One form of names: a pattern for the whole of a name, and what its named groups mean.

Patterns are compiled when first needed: a function that starts cold reads no names, or few. Each group is told from its
neighbours by a character that it cannot hold, or by a fixed form beside it, so time grows with the name's length alone.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache

from callscribe import moments
from callscribe.metadata import CallMetadata, Origin
from callscribe.numbers import extension, extension_of, number
from callscribe.phone_systems.name import Name
from callscribe.words import direction_of, person

UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
UNIQUE_ID = r"(?:[A-Za-z][A-Za-z0-9.]*-)?[0-9]{10}(?:\.[0-9]+)?"
"""Of Asterisk: the epoch of the call and a counter, behind the system's name if it has been given one."""

Groups = Mapping[str, str | None]


def of_caller(found: CallMetadata) -> str | None:
    """What was called is a queue, a room or a group, and no extension."""
    return extension(found.caller)


def of_callee(found: CallMetadata) -> str | None:
    return extension(found.callee)


def of_nobody(_found: CallMetadata) -> None:
    """What looks like an extension is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """`pattern` is verbose and for the whole stem of the name. Its groups are fields of CallMetadata, or these:

    `date`, `time`, `zone`: of the start · `epoch`: the start, in seconds or milliseconds · `uid`: the call id, which
    may begin with the epoch of the call · others are for `also`, which has the last word: None says that the name is
    not of this form after all. `strict` says the same of a name whose date is none.
    """

    system: str | None
    pattern: str
    zone: tzinfo | None = None
    kind: str | None = None
    strict: bool = True
    extension: Callable[[CallMetadata], str | None] = extension_of
    also: Callable[[CallMetadata, Groups, Name], CallMetadata | None] | None = None

    def read(self, name: Name) -> CallMetadata | None:
        """What the name tells, if it is of this form."""
        match = _compiled(self.pattern).fullmatch(name.stem)
        if match is None:
            return None
        groups: Groups = match.groupdict()
        told = from_groups(groups, self.zone)
        if self.strict and groups.get("date") and told.started_at is None:
            return None
        told = replace(told, phone_system=self.system, kind=self.kind)
        found = told if self.also is None else self.also(told, groups, name)
        if found is None:
            return None
        if found.extension is None:
            found = replace(found, extension=self.extension(found))
        return replace(found, origins=dict.fromkeys(found.known(), Origin.NAME) | dict(found.origins))


def from_groups(groups: Groups, zone: tzinfo | None = None) -> CallMetadata:
    """What groups of these names tell. A text that is no number, no date and no direction tells nothing.

    Where the form says that a number is an extension, it may be of any length.
    """
    started_at = started(groups, zone)
    uid = groups.get("uid")
    return CallMetadata(
        direction=direction_of(groups.get("direction") or ""),
        caller=number(groups.get("caller")),
        callee=number(groups.get("callee")),
        extension=number(groups.get("extension")),
        remote_number=number(groups.get("remote_number")),
        started_at=started_at,
        utc_offset=_offset(started_at, uid),
        call_id=uid or groups.get("call_id") or None,
        party=person(groups.get("party")),
    )


def started(groups: Groups, zone: tzinfo | None) -> datetime | date | None:
    """From `date` with `time` and `zone`, or from `epoch`."""
    on, at = groups.get("date"), groups.get("time")
    if on and at:
        return moments.moment(on, at, moments.zone(groups.get("zone") or "") or zone)
    if on:
        return moments.day(on)
    return moments.from_epoch(groups.get("epoch") or "")


def with_a_number(found: CallMetadata, _groups: Groups, _name: Name) -> CallMetadata | None:
    """Words around a date can be anything."""
    return found if found.caller or found.callee or found.remote_number else None


def in_folder(found: CallMetadata, **fields: object) -> CallMetadata:
    """With these fields, which the folders tell; what they do not tell is left out."""
    told = {name: value for name, value in fields.items() if value is not None}
    origins = {**found.origins, **dict.fromkeys(told, Origin.FOLDER)}
    return replace(found, **told, origins=origins)  # type: ignore[arg-type]


def _offset(started_at: datetime | date | None, uid: str | None) -> timedelta | None:
    epoch = re.search(r"(?:^|-)([0-9]{10})(?![0-9])", uid or "")
    return moments.offset(started_at, epoch[1]) if epoch else None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.VERBOSE | re.ASCII | re.DOTALL)
