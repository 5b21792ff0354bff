"""VICIdial and GoAutoDial: `YYYYMMDD-HHMMSS_CUSTOMER_CAMPAIGN_AGENT-all`, each field optional and in any order.

The customer is told, but never which side called. `-in` and `-out` at the end are one side's audio, no directions.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from callscribe import moments
from callscribe.metadata import CallMetadata
from callscribe.numbers import digits_of, number
from callscribe.phone_systems.form import Form, Groups, in_folder, of_nobody
from callscribe.phone_systems.name import Name

SHORTEST_CUSTOMER = 6
"""Digits of a number in the customer's own place; an agent or a list has fewer."""
SURELY_A_CUSTOMER = 9
"""Digits of one elsewhere: ids of leads and recordings have fewer."""


def _customer(fields: Sequence[str], started_at: datetime | date | None) -> str | None:
    """An empty first field says that the customer is not known. An epoch there is that of the call."""
    first, rest = fields[0], fields[1:]
    epoch = moments.from_epoch(first)
    of_the_call = epoch and started_at and abs((epoch.date() - moments.day_part(started_at)).days) <= 1
    if number(first) and len(digits_of(first)) >= SHORTEST_CUSTOMER and not of_the_call:
        return first
    numbers = [each for each in rest if number(each) and not moments.is_epoch(each)]
    long = [each for each in numbers if len(digits_of(each)) >= SURELY_A_CUSTOMER]
    return long[0] if first and len(long) == 1 else None


def _with_customer(found: CallMetadata, groups: Groups, _name: Name) -> CallMetadata | None:
    before, fields, end = groups["before"], (groups["after"] or "").split("_"), groups["end"]
    customer = _customer(fields, found.started_at)
    own = customer or (fields[0] == "" and len(fields) > 1)
    if not end and (before or not own):
        return None  # anybody may call a file so
    return replace(found, remote_number=customer, kind="leg" if end in {"in", "out"} else None)


def _tiny(found: CallMetadata, groups: Groups, name: Name) -> CallMetadata | None:
    """A year of one digit: the decade is known only if a folder's day tells it."""
    stamp = groups["tiny"] or ""
    if moments.moment(f"202{stamp[:5]}", stamp[5:]) is None and moments.moment(f"200{stamp[:5]}", stamp[5:]) is None:
        return None
    day = moments.day_of(name.folders)
    if day and f"{day:%Y%m%d}"[3:] == stamp[:5]:
        found = in_folder(found, started_at=moments.moment(f"{day:%Y%m%d}", stamp[5:]))
    kind = "leg" if groups["end"] in {"in", "out"} else None
    return replace(found, remote_number=_customer((groups["after"] or "").split("_"), found.started_at), kind=kind)


FORMS = (
    # 20240711-123422_9425340132_2032_2636490-all FR_S_20051020-103108_3125551212-all
    Form(
        system="vicidial",
        pattern=r"""
            (?P<before>[A-Za-z0-9]+_(?:[A-Za-z0-9]*_){0,2})? (?P<date>[0-9]{8})-(?P<time>[0-9]{6})
            _ (?P<after>[^-]*) (?:-(?P<end>all|in|out))?""",
        extension=of_nobody,
        also=_with_customer,
    ),
    # TESTCAMP_51020103108_3125551212-all
    Form(
        system="vicidial",
        pattern=r"(?:[A-Za-z0-9]*_){0,3} (?P<tiny>[0-9]{11}) _ (?P<after>[^-]*) - (?P<end>all|in|out)",
        extension=of_nobody,
        also=_tiny,
    ),
)
