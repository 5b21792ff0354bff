"""What a value beside a recording, or in a tag, says: a number, a time, a text.

In a name a form says what stands where. Here a key does, and the value may be a JSON number, an address or a whole
caller id; and anybody's script wrote it, so a date may be American.
"""

import re
from contextlib import suppress
from datetime import date, datetime
from typing import Any

from callscribe import words
from callscribe.moments import YEARS, of_epoch, written
from callscribe.numbers import LONGEST, extension, number

WRAPPINGS = re.compile(r".*<([^<>]*)>\s*", re.DOTALL)
"""A caller id as SIP and Asterisk write it, with a name: `"Ann" <202>`."""

ADDRESS = re.compile(r"(?:tel|sips?):([^@;?]*).*", re.IGNORECASE | re.DOTALL)

LONGEST_VALUE = 200
"""Characters: nothing that says who called is longer."""
LONGEST_MOMENT = 64
LONGEST_TEXT = 255
"""Characters of an id or a name; what is longer is neither."""

DIGITS = re.compile(r"[0-9]+(\.[0-9]+)?")
DATES = frozenset((8, 12, 14))
"""Digits of a date that is written without anything between; others count from 1970."""

MONTH = re.compile("[A-Za-z]{3}")
UNCLEAR = re.compile("(?:[0-9]{2}|[0-9]{6})(?![0-9])")
"""So begins a date with its day first, or its month, or a year of two digits: only of names it is known which."""


def number_in(value: Any) -> str | None:
    """The number as written, without the address or name around it; None for `anonymous`, `s`, a name, or no text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 < value < 10**LONGEST else None
    if not isinstance(value, str) or len(value) > LONGEST_VALUE:
        return None
    if wrapped := WRAPPINGS.fullmatch(value):
        value = wrapped[1]
    if address := ADDRESS.fullmatch(value.strip()):
        value = address[1]
    return number(value)


def extension_in(value: Any) -> str | None:
    """The number if it is short enough for an extension: under its keys stands what was dialled, too."""
    return extension(number_in(value))


def moment_in(value: Any) -> datetime | date | None:
    """The time as written: aware where an epoch or a zone says which, else naive; a mere date where that is all.

    Epochs in seconds, ms or µs, ISO 8601, RFC 2822, and digits alone. `01/02/2026` is left alone: nobody knows which.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return of_epoch(value)
    text = value.strip() if isinstance(value, str) and len(value) <= LONGEST_MOMENT else ""
    if DIGITS.fullmatch(text):
        dated = written(text) if text.isdecimal() and len(text) in DATES else None
        return dated or of_epoch(float(text))
    if MONTH.search(text.removesuffix("UTC").removesuffix("GMT")):
        from email.utils import parsedate_to_datetime

        with suppress(ValueError, OverflowError):
            found = parsedate_to_datetime(text)
            return found if found.year in YEARS else None
        return None
    return None if UNCLEAR.match(text) else written(text)


def joined(day: datetime | date | None, time: Any) -> datetime | date | None:
    """The day at that time, where the day was told without one."""
    if isinstance(day, datetime) or day is None or not isinstance(time, str):
        return day
    return moment_in(f"{day.isoformat()} {time.strip()}") or day


def text_in(value: Any) -> str | None:
    """An id or a name: text that can be stored, or a whole number."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**LONGEST_TEXT:
        return str(value)
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        return None
    text = " ".join(value.encode(errors="replace").decode().split())
    return words.told(text) if text.isprintable() else None


def name_in(value: Any) -> str | None:
    """The name of somebody."""
    return words.person(text_in(value))
