"""EventBridge's schedule expressions, `cron(…)` and `rate(…)`: when they fire next, and the common ones in words.

The calendar arithmetic is cronsim's. Its dialect is Unix's: five fields, no year, Sunday is 0, no `?`, and
ranges do not go over the end of the week. Here the one is written in the other.
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
# The common forms, in cronsim's dialect. A step that does not divide the hour or the day is not even.
_STEPS = (
    (re.compile(r"(?:\*|(?:\*|0)/(\d+)) \* \* \* \*"), "minute", 60),
    (re.compile(r"0 (?:\*|(?:\*|0)/(\d+)) \* \* \*"), "hour", 24),
)
_AT = re.compile(r"(\d+) (\d+) \* \* (\S+)")
_ON = {"*": "every day", "1,2,3,4,5": "Monday to Friday"} | {
    str(number): f"every {name}"
    for number, name in enumerate(("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"))
}
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
# The years that EventBridge knows.
_FIRST_YEAR, _LAST_YEAR = 1970, 2199


class Schedule(Protocol):
    """When something fires."""

    def next_after(self, moment: datetime) -> datetime | None:
        """Give the first time later than `moment` (aware), in UTC. None: it never fires again."""

    def words(self) -> str:
        """Give a common one in words, `every 5 minutes`, and any other as its expression."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Every so often. AWS counts from the rule's creation; here it is from the moment that is asked about."""

    interval: timedelta

    def next_after(self, moment: datetime) -> datetime:
        """One interval later."""
        return moment.astimezone(UTC) + self.interval

    def words(self) -> str:
        """`every 5 minutes`, `every 2 hours`, `every day`."""
        minutes = self.interval // timedelta(minutes=1)
        name, length = next((name, length) for name, length in _UNITS if minutes % length == 0)
        return _every(minutes // length, name)


@dataclass(frozen=True, slots=True)
class Cron:
    """On the minutes that match `fields`, in cronsim's dialect, in the given years; in UTC, as rules are."""

    expression: str
    fields: str
    years: frozenset[int] | None

    def next_after(self, moment: datetime) -> datetime | None:
        """The next minute that matches."""
        now = moment.astimezone(UTC)
        while True:
            try:
                found = next(CronSim(self.fields, now))
            except StopIteration:
                return None
            if self.years is None or found.year in self.years:
                return found
            later = [year for year in self.years if year > found.year]
            if not later:
                return None
            # The last second before that year.
            now = datetime(min(later), 1, 1, tzinfo=UTC) - timedelta(seconds=1)

    def words(self) -> str:
        """`every 5 minutes`, `every 2 hours`, `at 02:00 UTC every day`."""
        if self.years is None:
            for pattern, unit, whole in _STEPS:
                found = pattern.fullmatch(self.fields)
                if found and whole % int(found[1] or 1) == 0:
                    return _every(int(found[1] or 1), unit)
            at = _AT.fullmatch(self.fields)
            if at and at[3] in _ON:
                return f"at {int(at[2]):02}:{int(at[1]):02} UTC {_ON[at[3]]}"
        return self.expression


def _every(number: int, unit: str) -> str:
    return f"every {unit}" if number == 1 else f"every {number} {unit}s"


def parse(expression: str) -> Schedule:
    """Read an expression. Raises `ValueError` for one that EventBridge refuses or cronsim cannot do."""
    if rate := _RATE.fullmatch(expression):
        number, unit, plural = int(rate[1]), rate[2], bool(rate[3])
        if plural != (number > 1):
            raise ValueError(f"{expression!r}: EventBridge wants 'rate(1 {unit})' but 'rate(2 {unit}s)'")
        return Rate(timedelta(**{f"{unit}s": number}))
    if cron := _CRON.fullmatch(expression):
        return _cron(expression, cron[1].upper().split())
    raise ValueError(f"{expression!r} is neither cron(minutes hours day month weekday year) nor rate(number unit)")


def _cron(expression: str, fields: list[str]) -> Cron:
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f"{expression!r} has {len(fields)} fields; EventBridge wants {len(_FIELDS)}: {', '.join(_FIELDS)}"
        )
    minutes, hours, day, month, weekday, year = fields
    if (day == "?") == (weekday == "?"):
        raise ValueError(f"{expression!r}: EventBridge wants '?' for either the day of the month or the weekday")
    try:
        weekdays = "*" if weekday == "?" else ",".join(map(_weekday, weekday.split(",")))
        cron = Cron(expression, f"{minutes} {hours} {'*' if day == '?' else day} {month} {weekdays}", _years(year))
        # Says at once if cronsim cannot read it.
        CronSim(cron.fields, datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError) as error:
        raise ValueError(f"{expression!r} cannot be done here: {error}") from error
    return cron


def _weekday(term: str) -> str:
    """Write one term of the weekday field, where SUN is 1, in cronsim's, where it is 0."""
    if term == "*":
        return term
    if term == "L":
        # The last day of the week.
        return "6"
    if nth := re.fullmatch(r"(\w+)#([1-5])", term):
        return f"{_day(nth[1])}#{nth[2]}"
    if last := re.fullmatch(r"(\w+)L", term):
        return f"{_day(last[1])}L"
    span, _, step = term.partition("/")
    first, _, end = ("SUN", "-", "SAT") if span == "*" else span.partition("-")
    start = _day(first)
    if not end and not step:
        return str(start)
    stop = _day(end) if end else len(_DAYS) - 1
    # FRI-MON goes over the end of the week.
    length = (stop - start) % len(_DAYS) + 1
    return ",".join(str((start + offset) % len(_DAYS)) for offset in range(0, length, _positive(step or "1")))


def _day(name: str) -> int:
    if name in _DAYS:
        return _DAYS.index(name)
    if name.isdecimal() and 1 <= int(name) <= len(_DAYS):
        return int(name) - 1
    raise ValueError(f"{name!r} is no weekday: 1-7 or SUN-SAT")


def _years(field: str) -> frozenset[int] | None:
    if field == "*":
        return None
    years: set[int] = set()
    for term in field.split(","):
        span, _, step = term.partition("/")
        first, _, last = (str(_FIRST_YEAR), "-", str(_LAST_YEAR)) if span == "*" else span.partition("-")
        start = _positive(first)
        end = _positive(last) if last else (_LAST_YEAR if step else start)
        if not _FIRST_YEAR <= start <= end <= _LAST_YEAR:
            raise ValueError(f"{term!r} is no year from {_FIRST_YEAR} to {_LAST_YEAR}")
        years.update(range(start, end + 1, _positive(step or "1")))
    return frozenset(years)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{text!r} is no positive number")
    return int(text)
