"""What a value beside a recording, or in a tag, says: a number, a time, a text.

In a name a form says what stands where. Here a key does, and the value may be a JSON number, an address or a whole
caller id; and anybody's script wrote it, so a date may be American.
"""

import re
from contextlib import suppress
from datetime import date, datetime
from typing import Any

from callscribe.call_metadata import vocabulary
from callscribe.call_metadata.phone_numbers import MAX_DIGITS, parse_extension, parse_phone_number
from callscribe.call_metadata.timestamps import PLAUSIBLE_YEARS, from_epoch, parse_timestamp

NAMED_CALLER_ID = re.compile(r".*<([^<>]*)>\s*", re.DOTALL)
"""A caller id as SIP and Asterisk write it, with a name: `"Ann" <202>`."""

TEL_OR_SIP_URI = re.compile(r"(?:tel|sips?):([^@;?]*).*", re.IGNORECASE | re.DOTALL)

MAX_VALUE_LENGTH = 200
"""Characters: nothing that says who called is longer."""
MAX_TIMESTAMP_LENGTH = 64
MAX_TEXT_LENGTH = 255
"""Characters of an id or a name; what is longer is neither."""

NUMERIC = re.compile(r"[0-9]+(\.[0-9]+)?")
DATE_DIGIT_COUNTS = frozenset((8, 12, 14))
"""Digits of a date that is written without anything between; others count from 1970."""

MONTH_NAME = re.compile("[A-Za-z]{3}")
AMBIGUOUS_DATE = re.compile("(?:[0-9]{2}|[0-9]{6})(?![0-9])")
"""So begins a date with its day first, or its month, or a year of two digits: only of names it is known which."""


def parse_number_value(value: Any) -> str | None:
    """The number as written, without the address or name around it; None for `anonymous`, `s`, a name, or no text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 < value < 10**MAX_DIGITS else None
    if not isinstance(value, str) or len(value) > MAX_VALUE_LENGTH:
        return None
    if wrapped := NAMED_CALLER_ID.fullmatch(value):
        value = wrapped[1]
    if address := TEL_OR_SIP_URI.fullmatch(value.strip()):
        value = address[1]
    return parse_phone_number(value)


def parse_extension_value(value: Any) -> str | None:
    """The number if it is short enough for an extension: under its keys stands what was dialled, too."""
    return parse_extension(parse_number_value(value))


def parse_timestamp_value(value: Any) -> datetime | date | None:
    """The time as written: aware where an epoch or a zone says which, else naive; a mere date where that is all.

    Epochs in seconds, ms or µs, ISO 8601, RFC 2822, and digits alone. `01/02/2026` is left alone: nobody knows which.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return from_epoch(value)
    text = value.strip() if isinstance(value, str) and len(value) <= MAX_TIMESTAMP_LENGTH else ""
    if NUMERIC.fullmatch(text):
        timestamp = parse_timestamp(text) if text.isdecimal() and len(text) in DATE_DIGIT_COUNTS else None
        return timestamp or from_epoch(float(text))
    if MONTH_NAME.search(text.removesuffix("UTC").removesuffix("GMT")):
        from email.utils import parsedate_to_datetime

        with suppress(ValueError, OverflowError):
            parsed = parsedate_to_datetime(text)
            return parsed if parsed.year in PLAUSIBLE_YEARS else None
        return None
    return None if AMBIGUOUS_DATE.match(text) else parse_timestamp(text)


def add_time_of_day(day: datetime | date | None, time: Any) -> datetime | date | None:
    """The day at that time, where the day was told without one."""
    if isinstance(day, datetime) or day is None or not isinstance(time, str):
        return day
    return parse_timestamp_value(f"{day.isoformat()} {time.strip()}") or day


def parse_text_value(value: Any) -> str | None:
    """An id or a name: text that can be stored, or a whole number."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**MAX_TEXT_LENGTH:
        return str(value)
    if not isinstance(value, str) or len(value) > MAX_TEXT_LENGTH:
        return None
    text = " ".join(value.encode(errors="replace").decode().split())
    return vocabulary.clean_text(text) if text.isprintable() else None


def parse_name_value(value: Any) -> str | None:
    """The name of somebody."""
    return vocabulary.person_name(parse_text_value(value))
