"""File names of VICIdial and GoAutoDial: `YYYYMMDD-HHMMSS_CUSTOMER_CAMPAIGN_AGENT-all`, fields optional, in any order.

They contain the customer's number, but not which side called. `-in` and `-out` at the end mark the audio of one side;
they are not directions.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from callscribe.call_metadata import timestamps
from callscribe.call_metadata.metadata import CallMetadata
from callscribe.call_metadata.phone_numbers import digits_only, parse_phone_number
from callscribe.phone_systems.filename_pattern import (
    FilenamePattern,
    Groups,
    RecordingPath,
    no_extension,
    with_folder_fields,
)

MIN_CUSTOMER_DIGITS = 6
"""Digits of a number in the customer's field; the id of an agent or a list has fewer."""
MIN_UNAMBIGUOUS_DIGITS = 9
"""Digits of a customer's number in another field: ids of leads and recordings have fewer."""


def _find_customer(fields: Sequence[str], started_at: datetime | date | None) -> str | None:
    """The customer's number. An empty first field means that it is unknown; an epoch there is that of the call."""
    first, rest = fields[0], fields[1:]
    epoch = timestamps.parse_epoch(first)
    is_call_epoch = epoch and started_at and abs((epoch.date() - timestamps.to_date(started_at)).days) <= 1
    if parse_phone_number(first) and len(digits_only(first)) >= MIN_CUSTOMER_DIGITS and not is_call_epoch:
        return first
    numbers = [each for each in rest if parse_phone_number(each) and not timestamps.is_epoch(each)]
    long_numbers = [each for each in numbers if len(digits_only(each)) >= MIN_UNAMBIGUOUS_DIGITS]
    return long_numbers[0] if first and len(long_numbers) == 1 else None


def _add_customer(metadata: CallMetadata, groups: Groups, _path: RecordingPath) -> CallMetadata | None:
    prefix, fields, suffix = groups["prefix"], (groups["fields"] or "").split("_"), groups["suffix"]
    customer = _find_customer(fields, metadata.started_at)
    has_customer_field = customer or (fields[0] == "" and len(fields) > 1)
    if not suffix and (prefix or not has_customer_field):
        return None  # too generic: any other program may write such a name
    return replace(metadata, remote_number=customer, kind="leg" if suffix in {"in", "out"} else None)


def _add_customer_in_any_field(metadata: CallMetadata, groups: Groups, _path: RecordingPath) -> CallMetadata | None:
    """The customer's number is the only long one, in fields whose order the site has chosen."""
    fields = [field for name in ("before", "fields") for field in (groups[name] or "").split("_")]
    numbers = [field for field in fields if parse_phone_number(field) and not timestamps.is_epoch(field)]
    long_numbers = [number for number in numbers if len(digits_only(number)) >= MIN_UNAMBIGUOUS_DIGITS]
    customer = long_numbers[0] if len(long_numbers) == 1 else None
    if groups["epoch"] and not customer:
        return None  # ten digits may be a number
    return replace(metadata, remote_number=customer, kind="leg" if groups["suffix"] in {"in", "out"} else None)


def _resolve_short_year(metadata: CallMetadata, groups: Groups, path: RecordingPath) -> CallMetadata | None:
    """Resolve a year of one digit: its decade is known only from a date in the folders."""
    timestamp = groups["short_timestamp"] or ""
    if (
        timestamps.combine(f"202{timestamp[:5]}", timestamp[5:]) is None
        and timestamps.combine(f"200{timestamp[:5]}", timestamp[5:]) is None
    ):
        return None
    day = timestamps.date_from_folders(path.folders)
    if day and f"{day:%Y%m%d}"[3:] == timestamp[:5]:
        metadata = with_folder_fields(metadata, started_at=timestamps.combine(f"{day:%Y%m%d}", timestamp[5:]))
    kind = "leg" if groups["suffix"] in {"in", "out"} else None
    return replace(
        metadata, remote_number=_find_customer((groups["fields"] or "").split("_"), metadata.started_at), kind=kind
    )


PATTERNS = (
    # 20240711-123422_9425340132_2032_2636490-all FR_S_20051020-103108_3125551212-all 20240711-123422_9425340132
    FilenamePattern(
        system="vicidial",
        pattern=r"""
            (?P<prefix>[A-Za-z0-9]+_(?:[A-Za-z0-9]*_){0,2})? (?P<date>[0-9]{8})-(?P<time>[0-9]{6})
            _ (?P<fields>[^-]*) (?:-(?P<suffix>all|in|out))?""",
        extension_from=no_extension,
        refine=_add_customer,
    ),
    # TESTCAMP_51020103108_3125551212-all
    FilenamePattern(
        system="vicidial",
        pattern=r"(?:[A-Za-z0-9]*_){0,3} (?P<short_timestamp>[0-9]{11}) _ (?P<fields>[^-]*) - (?P<suffix>all|in|out)",
        extension_from=no_extension,
        refine=_resolve_short_year,
    ),
    # the time is not first, or alone: 9425340132_20240711-123422-all 1720701262_9425340132-all 20240711-123422-all
    FilenamePattern(
        system="vicidial",
        pattern=r"""
            (?:(?P<before>[^-]*)_)? (?:(?P<date>[0-9]{8})-?(?P<time>[0-9]{6}) | (?P<epoch>1[0-9]{9}))
            (?:_(?P<fields>[^-]*))? - (?P<suffix>all|in|out)""",
        extension_from=no_extension,
        refine=_add_customer_in_any_field,
    ),
)
