"""EventBridge schedule expressions, `cron(…)` and `rate(…)`: the next run, and a description in words.

cronsim does the calendar arithmetic. It reads Unix cron: five fields, no year, Sunday is 0, no `?`, and no ranges that
wrap around the end of the week. EventBridge expressions are translated to that dialect.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from cronsim import CronSim, CronSimError

_CRON = re.compile(r"cron\((.*)\)")
_RATE = re.compile(r"rate\(([1-9][0-9]*) (minute|hour|day)(s?)\)")
_FIELDS = ("minutes", "hours", "day of the month", "month", "weekday", "year")
_UNITS = (("day", 24 * 60), ("hour", 60), ("minute", 1))
# Expressions that can be described, in cronsim's dialect. Steps that do not divide the hour or day are irregular.
_STEP_PATTERNS = (
    (re.compile(r"(?:\*|(?:\*|0)/(\d+)) \* \* \* \*"), "minute", 60),
    (re.compile(r"0 (?:\*|(?:\*|0)/(\d+)) \* \* \*"), "hour", 24),
)
_TIME_OF_DAY = re.compile(r"(\d+) (\d+) \* \* (\S+)")
_DAY_PHRASES = {"*": "every day", "1,2,3,4,5": "Monday to Friday"} | {
    str(number): f"every {name}"
    for number, name in enumerate(("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"))
}
_DAY_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
# The years that EventBridge accepts.
_FIRST_YEAR, _LAST_YEAR = 1970, 2199


class Schedule(Protocol):
    """A schedule expression."""

    def next_run_after(self, timestamp: datetime) -> datetime | None:
        """Return the first run after `timestamp` (aware), in UTC; None if there are no more."""

    def describe(self) -> str:
        """Describe a common schedule in words, such as `every 5 minutes`; return the expression of any other."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A fixed interval. AWS counts from the creation of the rule; this counts from the given timestamp."""

    interval: timedelta

    def next_run_after(self, timestamp: datetime) -> datetime:
        """Return the time one interval later, in UTC."""
        return timestamp.astimezone(UTC) + self.interval

    def describe(self) -> str:
        """Return `every 5 minutes`, `every 2 hours`, `every day`."""
        minutes = self.interval // timedelta(minutes=1)
        name, length = next((name, length) for name, length in _UNITS if minutes % length == 0)
        return _format_interval(minutes // length, name)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression, in UTC. `fields` are in cronsim's dialect; `years` is None for every year."""

    expression: str
    fields: str
    years: frozenset[int] | None

    def next_run_after(self, timestamp: datetime) -> datetime | None:
        """Return the next matching minute."""
        search_start = timestamp.astimezone(UTC)
        while True:
            try:
                next_run = next(CronSim(self.fields, search_start))
            except StopIteration:
                return None
            if self.years is None or next_run.year in self.years:
                return next_run
            later_years = [year for year in self.years if year > next_run.year]
            if not later_years:
                return None
            # the last second before that year
            search_start = datetime(min(later_years), 1, 1, tzinfo=UTC) - timedelta(seconds=1)

    def describe(self) -> str:
        """Return `every 5 minutes`, `every 2 hours`, `at 02:00 UTC every day`."""
        if self.years is None:
            for pattern, unit, cycle in _STEP_PATTERNS:
                step_match = pattern.fullmatch(self.fields)
                if step_match and cycle % int(step_match[1] or 1) == 0:
                    return _format_interval(int(step_match[1] or 1), unit)
            time_match = _TIME_OF_DAY.fullmatch(self.fields)
            if time_match and time_match[3] in _DAY_PHRASES:
                return f"at {int(time_match[2]):02}:{int(time_match[1]):02} UTC {_DAY_PHRASES[time_match[3]]}"
        return self.expression


def _format_interval(count: int, unit: str) -> str:
    return f"every {unit}" if count == 1 else f"every {count} {unit}s"


def parse_schedule(expression: str) -> Schedule:
    """Parse an expression. Raises: ValueError, when EventBridge rejects it or cronsim does not support it."""
    if rate_match := _RATE.fullmatch(expression):
        number, unit, is_plural = int(rate_match[1]), rate_match[2], bool(rate_match[3])
        if is_plural != (number > 1):
            raise ValueError(f"{expression!r}: EventBridge requires 'rate(1 {unit})' and 'rate(2 {unit}s)'")
        try:
            return Rate(timedelta(**{f"{unit}s": number}))
        except OverflowError as error:
            raise ValueError(f"{expression!r} is not supported: the interval is too long") from error
    if cron_match := _CRON.fullmatch(expression):
        return _parse_cron(expression, cron_match[1].upper().split())
    raise ValueError(f"{expression!r} is neither cron(minutes hours day month weekday year) nor rate(number unit)")


def _parse_cron(expression: str, fields: list[str]) -> Cron:
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f"{expression!r} has {len(fields)} fields; EventBridge requires {len(_FIELDS)}: {', '.join(_FIELDS)}"
        )
    minutes, hours, day, month, weekday, year = fields
    if (day == "?") == (weekday == "?"):
        raise ValueError(f"{expression!r}: EventBridge requires '?' for either the day of the month or the weekday")
    try:
        weekdays = "*" if weekday == "?" else ",".join(map(_convert_weekday, weekday.split(",")))
        cron = Cron(
            expression, f"{minutes} {hours} {'*' if day == '?' else day} {month} {weekdays}", _parse_years(year)
        )
        # fails now if cronsim cannot parse it
        CronSim(cron.fields, datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError) as error:
        raise ValueError(f"{expression!r} is not supported: {error}") from error
    return cron


def _convert_weekday(term: str) -> str:
    """Translate one term of the weekday field: Sunday is 1 for EventBridge and 0 for cronsim."""
    if term == "*":
        return term
    if term == "L":
        # the last day of the week
        return "6"
    if nth := re.fullmatch(r"(\w+)#([1-5])", term):
        return f"{_day_number(nth[1])}#{nth[2]}"
    if last := re.fullmatch(r"(\w+)L", term):
        return f"{_day_number(last[1])}L"
    span, _, step = term.partition("/")
    first, _, end = ("SUN", "-", "SAT") if span == "*" else span.partition("-")
    start = _day_number(first)
    if not end and not step:
        return str(start)
    stop = _day_number(end) if end else len(_DAY_NAMES) - 1
    # FRI-MON wraps around the end of the week
    length = (stop - start) % len(_DAY_NAMES) + 1
    return ",".join(
        str((start + offset) % len(_DAY_NAMES)) for offset in range(0, length, _parse_positive(step or "1"))
    )


def _day_number(name: str) -> int:
    if name in _DAY_NAMES:
        return _DAY_NAMES.index(name)
    if name.isdecimal() and 1 <= int(name) <= len(_DAY_NAMES):
        return int(name) - 1
    raise ValueError(f"{name!r} is not a weekday: 1-7 or SUN-SAT")


def _parse_years(field: str) -> frozenset[int] | None:
    if field == "*":
        return None
    years: set[int] = set()
    for term in field.split(","):
        span, _, step = term.partition("/")
        first, _, last = (str(_FIRST_YEAR), "-", str(_LAST_YEAR)) if span == "*" else span.partition("-")
        start = _parse_positive(first)
        end = _parse_positive(last) if last else (_LAST_YEAR if step else start)
        if not _FIRST_YEAR <= start <= end <= _LAST_YEAR:
            raise ValueError(f"{term!r} is not a year from {_FIRST_YEAR} to {_LAST_YEAR}")
        years.update(range(start, end + 1, _parse_positive(step or "1")))
    return frozenset(years)


def _parse_positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{text!r} is not a positive number")
    return int(text)
