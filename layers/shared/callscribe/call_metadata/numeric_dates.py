"""Parse dates whose order of day and month depends on the country, and times with AM and PM, as sidecars have them."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta

from callscribe.call_metadata.timestamps import PLAUSIBLE_YEARS, parse_zone, to_date

_HALF_DAY_TIME = re.compile(
    r"(?<![0-9:])([0-9]{1,2})(:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)\s*([AP])\.?M\b\.?", re.IGNORECASE
)
_DATE_AND_TIME = re.compile(
    r"""
    (?P<first>[0-9]{1,4}) (?P<separator>[-/.]) (?P<second>[0-9]{1,2}) (?P=separator) (?P<third>[0-9]{4}|[0-9]{1,2})
    (?: (?:[ ,]\s*|T) (?P<hour>[0-9]{1,2}) : (?P<minute>[0-9]{2}) (?: : (?P<second_of_minute>[0-9]{2}) (?:\.[0-9]+)? )?
        \s* (?P<zone>Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})? )?""",
    re.VERBOSE,
)
_YEAR_DIGITS = 4
_NOON = 12

YEAR_FIRST, DAY_FIRST, MONTH_FIRST = "year", "day", "month"

type Readings = Mapping[str, datetime | date]
"""What a date may mean, by what it begins with. Naive without a zone."""

NEARBY = timedelta(days=2)
"""Dates that belong to one call differ by no more: the zones of two clocks, and a call over midnight."""


def to_24_hours(text: str) -> str:
    """The text with its times on a clock of 24 hours: `2:30 PM` becomes `14:30`. Invalid times stay as they are."""

    def replace(match: re.Match[str]) -> str:
        hour = int(match[1])
        if not 1 <= hour <= _NOON:
            return match[0]
        return f"{hour % _NOON + (_NOON if match[3].upper() == 'P' else 0):02}{match[2]}"

    return _HALF_DAY_TIME.sub(replace, text)


def parse_readings(text: str) -> Readings:
    """The readings of a numeric date, with its time if it has one: `25/12/2026 14:30` has one, `04/05/2026` has two.

    A year of two digits has none.
    """
    match = _DATE_AND_TIME.fullmatch(text.strip())
    if match is None:
        return {}
    first, second, third = match["first"], match["second"], match["third"]
    orders = {}
    if len(first) == _YEAR_DIGITS:
        orders = {YEAR_FIRST: (first, second, third)}
    elif len(third) == _YEAR_DIGITS:
        orders = {DAY_FIRST: (third, second, first), MONTH_FIRST: (third, first, second)}
    readings = {order: _combine(match, *map(int, parts)) for order, parts in orders.items()}
    return {order: reading for order, reading in readings.items() if reading is not None}


def choose(readings: Readings, others: Iterable[str | datetime | date] = ()) -> datetime | date | None:
    """The only reading, or the one that other values of the same call confirm; None if it is ambiguous.

    `others`: texts, which may be dates in the same notation, and known times of the call.
    """
    if len(set(readings.values())) == 1:
        return next(iter(readings.values()))
    days, orders = [], set()
    for other in others:
        other_readings = parse_readings(other) if isinstance(other, str) else {YEAR_FIRST: other}
        if len(other_readings) == 1:
            order, reading = next(iter(other_readings.items()))
            orders.add(order)
            days.append(to_date(reading))
    by_day = {order for order, each in readings.items() if any(abs(to_date(each) - day) <= NEARBY for day in days)}
    chosen = by_day or orders & readings.keys()
    return readings[chosen.pop()] if len(chosen) == 1 else None


def _combine(match: re.Match[str], year: int, month: int, day: int) -> datetime | date | None:
    zone_text = (match["zone"] or "").replace("GMT", "UTC")
    zone = parse_zone(zone_text)
    if year not in PLAUSIBLE_YEARS or (zone_text and zone is None):
        return None
    try:
        parsed_date = date(year, month, day)
        if match["hour"] is None:
            return parsed_date
        time_of_day = time(int(match["hour"]), int(match["minute"]), int(match["second_of_minute"] or 0))
    except ValueError:
        return None
    return datetime.combine(parsed_date, time_of_day, zone)
