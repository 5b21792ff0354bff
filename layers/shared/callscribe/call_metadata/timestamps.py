"""Parse dates, times, epochs and UTC offsets as phone systems write them. An invalid text is None, never a guess."""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

PLAUSIBLE_YEARS = range(1980, 2100)
"""A year outside this range comes from a clock that was never set, or the digits are not a date."""

EPOCH_UNITS = ((10**8, 10**10, 1), (10**11, 10**13, 1_000), (10**14, 10**16, 1_000_000))
"""Minimum, limit and units per second: between 1973 and 2286, the size of an epoch determines its unit."""

UTC_OFFSETS = frozenset(
    [timedelta(hours=hours) for hours in range(-12, 15)]
    + [timedelta(hours=hours) for hours in (-9.5, -3.5, -2.5, 3.5, 4.5, 5.5, 5.75, 6.5, 8.75, 9.5, 10.5, 12.75, 13.75)]
)
"""The UTC offsets that are in use, with and without daylight saving time (IANA time zone database)."""
QUARTER_HOUR = timedelta(minutes=15)
"""UTC offsets are multiples of it."""
MAX_CLOCK_ERROR, MAX_NAMING_DELAY = timedelta(seconds=10), timedelta(seconds=120)
"""Limits of the time by which the local time in a file name is before, and after, the epoch of the call."""
MAX_ANSWER_DELAY = timedelta(hours=4)
"""Limit of the same time if the file is named when the call is answered, or when its recording begins."""

_UNIQUE_ID = re.compile(r"(?:[A-Za-z][A-Za-z0-9.]*-)?([0-9]{10})(?:[._][0-9]+)?")
_NAMED_UTC = re.compile(r"\s*(?:UTC|GMT)$")
_SPACE_BEFORE_ZONE = re.compile(r"\s+(?=(?:[+-][0-9]{2}:?[0-9]{2}|Z)$)")
_ISO_8601 = re.compile(r"[0-9]{4}([-/]?)[0-9]{2}\1[0-9]{2}[T _][0-9]{2}:.*")
_TIMESTAMP = r"""
    (?P<date>[0-9]{8} | [0-9]{6} | [0-9]{4}[-._/][0-9]{2}[-._/][0-9]{2} | [0-9]{2}[-._/][0-9]{2}[-._/][0-9]{4})
    (?: [-_T\ ]? (?P<time>[0-9]{2}(?P<separator>[-:._]?)[0-9]{2}(?:(?P=separator)[0-9]{2})?(?:\.[0-9]{1,6})?)
        (?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})? )?"""
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905 — legible
_TO_DASHES = str.maketrans("./_: ", "-----")
_YEAR_DIGITS, _DATE_DIGITS, _SHORT_DATE_DIGITS = 4, 8, 6
_PART_COUNT = 3


def parse_date(text: str) -> date | None:
    """Parse `20230517`, `2023-05-17`, `17-05-2023`, `2023-May-17` or `230517`, with any separator."""
    parts = text.translate(_TO_DASHES).split("-")
    if len(parts) == 1:
        if len(text) == _DATE_DIGITS:
            parts = [text[:4], text[4:6], text[6:]]
        elif len(text) == _SHORT_DATE_DIGITS:
            parts = ["20" + text[:2], text[2:4], text[4:]]
    if len(parts) != _PART_COUNT:
        return None
    if len(parts[0]) != _YEAR_DIGITS:
        parts.reverse()
    try:
        year, month, day_of_month = _parse_digits(parts[0]), _parse_month(parts[1]), _parse_digits(parts[2])
        return date(year, month, day_of_month) if year in PLAUSIBLE_YEARS and len(parts[0]) == _YEAR_DIGITS else None
    except ValueError:
        return None


def parse_time(text: str) -> time | None:
    """Parse `142530`, `142530.088`, `14:25:30`, `14-25-30`, `14.25.30`, `1425` or `14:25`."""
    if text[2:3] == ".":
        text = text.replace(".", ":", 2)
    text, _, fraction = text.partition(".")
    parts = text.translate(_TO_DASHES).split("-")
    if len(parts) == 1:
        parts = [text[start : start + 2] for start in range(0, len(text), 2)]
    try:
        hour, minute, second = [
            _parse_digits(part) for part in (parts if len(parts) == _PART_COUNT else [*parts, "00"])
        ]
        return time(hour, minute, second, _parse_digits(fraction[:6].ljust(6, "0")))
    except ValueError:
        return None


def combine(date_text: str, time_text: str, zone: tzinfo | None = None) -> datetime | None:
    """Parse a date and a time; None if either is invalid. Naive if `zone` is None."""
    parsed_date, parsed_time = parse_date(date_text), parse_time(time_text)
    return None if parsed_date is None or parsed_time is None else datetime.combine(parsed_date, parsed_time, zone)


def to_date(timestamp: datetime | date) -> date:
    """The date, as written."""
    return timestamp.date() if isinstance(timestamp, datetime) else timestamp


def parse_zone(text: str) -> tzinfo | None:
    """Parse `Z`, `UTC`, `-0400` or `+02:00`."""
    if text in {"Z", "UTC"}:
        return UTC
    digits = text[1:].replace(":", "")
    if text[:1] not in {"+", "-"} or len(digits) != _YEAR_DIGITS:
        return None
    try:
        offset = timedelta(hours=_parse_digits(digits[:2]), minutes=_parse_digits(digits[2:]))
        return timezone(offset if text[0] == "+" else -offset)
    except ValueError:
        return None


def parse_timestamp(text: str) -> datetime | date | None:
    """Parse a text in any known format: `20230517-142530`, `2023-05-17T14:25:30Z`, `20230517`, an epoch."""
    if epoch := parse_epoch(text):
        return epoch
    text = _SPACE_BEFORE_ZONE.sub("", _NAMED_UTC.sub("Z", text.strip()))
    if _ISO_8601.fullmatch(text):
        with suppress(ValueError):  # fromisoformat also accepts nanoseconds and zones without minutes
            parsed = datetime.fromisoformat(text.replace("/", "-"))
            return parsed if parsed.year in PLAUSIBLE_YEARS else None
    match = re.fullmatch(_TIMESTAMP, text, re.VERBOSE)
    if match is None:
        return None
    if not match["time"]:
        return parse_date(match["date"])
    time_text = match["time"]
    if match["separator"]:
        time_text = time_text[:2] + ":" + time_text[3:5] + (":" + time_text[6:] if time_text[6:] else "")
    parsed_zone = parse_zone(match["zone"] or "")
    return None if match["zone"] and parsed_zone is None else combine(match["date"], time_text, parsed_zone)


def parse_epoch(text: str) -> datetime | None:
    """Parse seconds (10 digits) or milliseconds (13 digits) since 1970, in UTC; None for any other length."""
    return from_epoch(int(text)) if text.isdecimal() and text.isascii() and len(text) in {10, 13} else None


def from_epoch(value: float) -> datetime | None:
    """The time in UTC of seconds, milliseconds or microseconds since 1970; None if implausible."""
    for minimum, limit, units_per_second in EPOCH_UNITS:
        if minimum <= value < limit:
            timestamp = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
                microseconds=round(value * (1_000_000 // units_per_second))
            )
            return timestamp if timestamp.year in PLAUSIBLE_YEARS else None
    return None


def parse_unique_id(text: str) -> datetime | None:
    """The start of the call in UTC, with which an id begins: `1684333530.12`, `pbx-1684333530.12`, `1762254000_106001`.

    None if the id does not begin with an epoch.
    """
    match = _UNIQUE_ID.fullmatch(text)
    return parse_epoch(match[1]) if match and is_epoch(match[1]) else None


def is_epoch(text: str) -> bool:
    """Whether ten digits are an epoch from 2001 to 2033. Larger values are more likely a phone number."""
    return len(text) == 10 and text[0] == "1" and parse_epoch(text) is not None  # noqa: PLR2004


def utc_offset(local: datetime | date | None, started_at: datetime | None) -> timedelta | None:
    """The server's UTC offset, from the local time and the epoch in one file name; None if it cannot be derived.

    The file is usually named shortly after the call has started, so the difference is rounded to a quarter of an hour.
    It is an offset only if it is in use: 7 h 15 min is +07:00 and a call that was answered late.
    """
    if started_at is None or not isinstance(local, datetime) or local.tzinfo is not None:
        return None
    difference = local - started_at.replace(tzinfo=None)
    rounded = round(difference / QUARTER_HOUR) * QUARTER_HOUR
    is_prompt = -MAX_CLOCK_ERROR <= difference - rounded < MAX_NAMING_DELAY
    return rounded if is_prompt and rounded in UTC_OFFSETS else None


def can_be_local_time_of(local: datetime | date, started_at: datetime) -> bool:
    """Whether a local time or date, anywhere in the world, may be that of a call which started at this time in UTC."""
    earliest = started_at.replace(tzinfo=None) + min(UTC_OFFSETS) - MAX_CLOCK_ERROR
    latest = started_at.replace(tzinfo=None) + max(UTC_OFFSETS) + MAX_ANSWER_DELAY
    if isinstance(local, datetime):
        return local.tzinfo is None and earliest <= local <= latest
    return earliest.date() <= local <= latest.date()


def date_from_folders(folders: Sequence[str]) -> date | None:
    """The date in the innermost folders: `2023/05/17`, `2023/5/7`, `2023/May/17`, `2023-05-17` or `20230517`."""
    for end in range(len(folders), 0, -1):
        folder = folders[end - 1]
        parsed = parse_date(folder) if len(folder) >= _DATE_DIGITS else None
        if parsed is None and end >= _PART_COUNT and len(folders[end - 3]) == _YEAR_DIGITS:
            parsed = parse_date("-".join(folders[end - 3 : end]))
        if parsed is not None:
            return parsed
    return None


def _parse_month(text: str) -> int:
    """The number of a month from its digits or its name.

    Raises: ValueError.
    """
    return _MONTHS.index(text[:3].lower()) + 1 if text.isalpha() else _parse_digits(text)


def _parse_digits(text: str) -> int:
    """The integer of a text of ASCII digits; `int` also accepts `+5`, ` 5` and `1_0`.

    Raises: ValueError.
    """
    if not (text.isdecimal() and text.isascii()):
        raise ValueError(text)
    return int(text)
