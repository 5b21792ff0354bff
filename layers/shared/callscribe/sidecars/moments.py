"""When a call began, in the many ways in which it is written beside a recording."""

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

EPOCHS = ((10**8, 10**10, 1), (10**11, 10**13, 1_000), (10**14, 10**16, 1_000_000))
"""From, below, and parts of a second: between 1973 and 2286, an epoch tells by its size what it counts."""

DIGITS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Dates that are written without anything between, by their length."""

YEARS = range(1980, 2100)
"""What lies outside is the clock of a machine that was never set, or no time."""

LONGEST = 64
"""Characters."""

ZONE_APART = re.compile(r"\s+(?=(?:[+-][0-9]{2}:?[0-9]{2}|Z)$)")
SLASHES = re.compile(r"^([0-9]{4})/([0-9]{2})/([0-9]{2})")
MONTH = re.compile("[A-Za-z]{3}")
ZONE_NAMED = re.compile(r"\s*(?:UTC|GMT)$")


def moment_in(value: Any) -> datetime | date | None:
    """The time as written: aware where an epoch or a zone says which, else naive; a mere date where that is all.

    Epochs in seconds, ms or µs, ISO 8601, RFC 2822, and digits alone. `01/02/2026` is left alone: nobody knows which.
    """
    if isinstance(value, bool):
        return None
    found: datetime | date | None = None
    with suppress(ValueError, OverflowError):
        if isinstance(value, int | float):
            found = _of_epoch(value)
        elif isinstance(value, str) and len(value) <= LONGEST:
            found = _of_text(value.strip())
    return found if found and found.year in YEARS else None


def joined(day: datetime | date | None, time: Any) -> datetime | date | None:
    """The day at that time, where the day was told without one."""
    if isinstance(day, datetime) or day is None or not isinstance(time, str):
        return day
    return moment_in(f"{day.isoformat()} {time.strip()}") or day


def _of_text(text: str) -> datetime | date | None:
    if text.isascii() and text.isdigit() and len(text) in DIGITS and int(text[:4]) in YEARS:
        found = datetime.strptime(text, DIGITS[len(text)])  # noqa: DTZ007 — local, of a zone that is not known
        return found.date() if len(text) == len("20260811") else found
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII):
        return _of_epoch(float(text))
    if MONTH.search(ZONE_NAMED.sub("", text)):
        from email.utils import parsedate_to_datetime

        return parsedate_to_datetime(text)
    iso = SLASHES.sub(r"\1-\2-\3", ZONE_NAMED.sub("Z", ZONE_APART.sub("", text)))
    return date.fromisoformat(iso) if len(iso) == len("2026-08-11") else datetime.fromisoformat(iso)


def _of_epoch(value: float) -> datetime | None:
    for least, below, parts in EPOCHS:
        if least <= value < below:
            seconds = timedelta(microseconds=round(value * (1_000_000 // parts)))
            return datetime(1970, 1, 1, tzinfo=UTC) + seconds
    return None
