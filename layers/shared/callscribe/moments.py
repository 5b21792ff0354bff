"""Dates, times, epochs and offsets, as they are written. What is not a date is None: nothing is invented."""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

YEARS = range(1980, 2100)
"""What lies outside is the clock of a machine that was never set, or no time: the digits mean something else."""

EPOCHS = ((10**8, 10**10, 1), (10**11, 10**13, 1_000), (10**14, 10**16, 1_000_000))
"""From, below, and parts of a second: between 1973 and 2286, an epoch tells by its size what it counts."""

QUARTER = timedelta(minutes=15)
"""What UTC offsets are multiples of."""
WESTERNMOST, EASTERNMOST = timedelta(hours=-12), timedelta(hours=14)
SLACK = timedelta(seconds=120)
"""How much later than the call's epoch its file may be named."""

_ZONE_NAMED = re.compile(r"\s*(?:UTC|GMT)$")
_ZONE_APART = re.compile(r"\s+(?=(?:[+-][0-9]{2}:?[0-9]{2}|Z)$)")
_ISO = re.compile(r"[0-9]{4}([-/]?)[0-9]{2}\1[0-9]{2}[T _][0-9]{2}:.*")
_WRITTEN = r"""
    (?P<day>[0-9]{8} | [0-9]{6} | [0-9]{4}[-._/][0-9]{2}[-._/][0-9]{2} | [0-9]{2}[-._/][0-9]{2}[-._/][0-9]{4})
    (?: [-_T\ ]? (?P<clock>[0-9]{2}(?P<between>[-:._]?)[0-9]{2}(?:(?P=between)[0-9]{2})?(?:\.[0-9]{1,6})?)
        (?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})? )?"""
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905 — legible
_DASHES = str.maketrans("./_: ", "-----")
_YEAR, _DAY, _SHORT_DAY = 4, 8, 6
_PARTS = 3


def day(text: str) -> date | None:
    """`20230517`, `2023-05-17`, `17-05-2023`, `2023-May-17`, `230517`, whatever stands between."""
    parts = text.translate(_DASHES).split("-")
    if len(parts) == 1:
        if len(text) == _DAY:
            parts = [text[:4], text[4:6], text[6:]]
        elif len(text) == _SHORT_DAY:
            parts = ["20" + text[:2], text[2:4], text[4:]]
    if len(parts) != _PARTS:
        return None
    if len(parts[0]) != _YEAR:
        parts.reverse()
    try:
        year, month, monthday = _whole(parts[0]), _month(parts[1]), _whole(parts[2])
        return date(year, month, monthday) if year in YEARS and len(parts[0]) == _YEAR else None
    except ValueError:
        return None


def clock(text: str) -> time | None:
    """`142530`, `142530.088`, `14:25:30`, `14-25-30`, `14.25.30`, `1425`, `14:25`."""
    if text[2:3] == ".":
        text = text.replace(".", ":", 2)
    text, _, fraction = text.partition(".")
    parts = text.translate(_DASHES).split("-")
    if len(parts) == 1:
        parts = [text[at : at + 2] for at in range(0, len(text), 2)]
    try:
        hour, minute, second = [_whole(part) for part in (parts if len(parts) == _PARTS else [*parts, "00"])]
        return time(hour, minute, second, _whole(fraction[:6].ljust(6, "0")))
    except ValueError:
        return None


def moment(date_text: str, time_text: str, zone: tzinfo | None = None) -> datetime | None:
    """Both together, as written; None if either is none."""
    on, at = day(date_text), clock(time_text)
    return None if on is None or at is None else datetime.combine(on, at, zone)


def day_part(at: datetime | date) -> date:
    """Of a moment or a day, as written."""
    return at.date() if isinstance(at, datetime) else at


def zone(text: str) -> tzinfo | None:
    """`Z`, `UTC`, `-0400`, `+02:00`."""
    if text in {"Z", "UTC"}:
        return UTC
    digits = text[1:].replace(":", "")
    if text[:1] not in {"+", "-"} or len(digits) != _YEAR:
        return None
    try:
        east = timedelta(hours=_whole(digits[:2]), minutes=_whole(digits[2:]))
        return timezone(east if text[0] == "+" else -east)
    except ValueError:
        return None


def written(text: str) -> datetime | date | None:
    """Whatever form the whole of it has: `20230517-142530`, `2023-05-17T14:25:30Z`, `20230517`, an epoch."""
    if epoch := from_epoch(text):
        return epoch
    text = _ZONE_APART.sub("", _ZONE_NAMED.sub("Z", text.strip()))
    if _ISO.fullmatch(text):
        with suppress(ValueError):  # it allows more than others write: nanoseconds, a zone of hours alone
            found = datetime.fromisoformat(text.replace("/", "-"))
            return found if found.year in YEARS else None
    match = re.fullmatch(_WRITTEN, text, re.VERBOSE)
    if match is None:
        return None
    if not match["clock"]:
        return day(match["day"])
    at = match["clock"]
    at = at if at[2:3].isdecimal() else at[:2] + ":" + at[3:5] + (":" + at[6:] if at[6:] else "")
    east = zone(match["zone"] or "")
    return None if match["zone"] and east is None else moment(match["day"], at, east)


def from_epoch(text: str) -> datetime | None:
    """In UTC, from seconds (10 digits) or milliseconds (13 digits). Of other lengths, digits are something else."""
    return of_epoch(int(text)) if text.isdecimal() and text.isascii() and len(text) in {10, 13} else None


def of_epoch(value: float) -> datetime | None:
    """In UTC, from seconds, ms or µs since 1970."""
    for least, below, parts in EPOCHS:
        if least <= value < below:
            found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(value * (1_000_000 // parts)))
            return found if found.year in YEARS else None
    return None


def is_epoch(text: str) -> bool:
    """Ten digits that are seconds, from 2001 to 2033: they look like a phone number. Later ones rather are one."""
    return len(text) == 10 and text[0] == "1" and from_epoch(text) is not None  # noqa: PLR2004


def offset(local: datetime | date | None, epoch: str) -> timedelta | None:
    """The server's offset from UTC, from its local time and the epoch in one name; None if they do not fit together.

    A file is named a little after the call's epoch, so the difference is not whole quarters of an hour.
    """
    began = from_epoch(epoch)
    if began is None or not isinstance(local, datetime) or local.tzinfo is not None:
        return None
    difference = local - began.replace(tzinfo=None)
    rounded = round(difference / QUARTER) * QUARTER
    fits = WESTERNMOST <= rounded <= EASTERNMOST and abs(difference - rounded) < SLACK
    return rounded if fits else None


def day_of(folders: Sequence[str]) -> date | None:
    """The day that the innermost folders tell: `2023/05/17`, `2023/5/7`, `2023/May/17`, `2023-05-17`, `20230517`."""
    for last in range(len(folders), 0, -1):
        single = folders[last - 1]
        found = day(single) if len(single) >= _DAY else None
        if found is None and last >= _PARTS and len(folders[last - 3]) == _YEAR:
            found = day("-".join(folders[last - 3 : last]))
        if found is not None:
            return found
    return None


def _month(text: str) -> int:
    """Raises ValueError."""
    return _MONTHS.index(text[:3].lower()) + 1 if text.isalpha() else _whole(text)


def _whole(text: str) -> int:
    """Of digits alone: `int` would take `+5`, ` 5` and `1_0` too. Raises ValueError."""
    if not (text.isdecimal() and text.isascii()):
        raise ValueError(text)
    return int(text)
