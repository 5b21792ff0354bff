"""File names of plain Asterisk: each site chooses its own; most end with the unique id."""

from datetime import timedelta

from callscribe.call_metadata import timestamps
from callscribe.call_metadata.metadata import CallMetadata
from callscribe.call_metadata.phone_numbers import parse_phone_number
from callscribe.phone_systems.filename_pattern import (
    UNIQUE_ID,
    FilenamePattern,
    Groups,
    RecordingPath,
    no_extension,
    with_folder_fields,
)

CONFERENCE = "conference"


def _add_date_from_folder(metadata: CallMetadata, groups: Groups, path: RecordingPath) -> CallMetadata:
    """Take the date from the folders; the name contains only the time."""
    day = timestamps.date_from_folders(path.folders)
    if day is None:
        return metadata
    started_at = timestamps.combine(day.isoformat(), groups["time"] or "")
    offset = timestamps.utc_offset(started_at, timestamps.parse_unique_id(groups["unique_id"] or ""))
    return with_folder_fields(metadata, started_at=started_at, utc_offset=offset)


def _add_caller_from_folder(metadata: CallMetadata, _groups: Groups, path: RecordingPath) -> CallMetadata | None:
    """Take the caller from `2015-11-30/8001/2015-11-30-10-20-30-710123`: one folder per day, with one per caller."""
    caller = parse_phone_number(path.folders[-1]) if path.folders else None
    folder_date = timestamps.date_from_folders(path.folders[-2:-1])
    if caller is None or folder_date is None:
        return None
    return with_folder_fields(metadata, caller=caller)


def _require_call_epoch(metadata: CallMetadata, groups: Groups, _path: RecordingPath) -> CallMetadata | None:
    """Reject ten digits that are not the time at which the recording of this call began."""
    called_at = timestamps.parse_unique_id(metadata.call_id or "")
    recorded_at = timestamps.parse_epoch(groups["epoch"] or "")
    is_epoch = called_at and recorded_at and timedelta(0) <= recorded_at - called_at <= timestamps.MAX_ANSWER_DELAY
    has_date_or_counter = groups["date"] or "." in (metadata.call_id or "")
    return metadata if is_epoch and has_date_or_counter else None


PATTERNS = (
    # conf-rec-8000-1452868212.349 meetme-conf-rec-6300-1411501234.0-1000
    FilenamePattern(
        system="asterisk",
        pattern=rf"(?:meetme-)? conf-rec - (?P<callee>[^-]+) - (?P<unique_id>{UNIQUE_ID}) (?:-.*)?",
        kind=CONFERENCE,
        extension_from=no_extension,
    ),
    # confbridge-8000-1452868212 confbridge-8000-1684333570.76 confbridge-8000-20230517-142610-1684333570.76
    FilenamePattern(
        system="asterisk",
        pattern=rf"""
            (?:confbridge|conference|meetme) - (?P<callee>[^-]+) (?:-(?P=callee))?
            (?:-[0-9]{{10}} | (?:-(?P<date>[0-9]{{8}})-(?P<time>[0-9]{{6}}))?-(?P<unique_id>{UNIQUE_ID}))""",
        kind=CONFERENCE,
        extension_from=no_extension,
    ),
    # 2026/09/16/110221-IN-IVR-8454280190-101-1789570937.13199
    FilenamePattern(
        system="asterisk",
        pattern=rf"""
            (?P<time>[0-9]{{6}}) - (?P<direction>IN|OUT|INTERNAL) (?:-[A-Z]+)*
            - (?P<caller>[^-]*) - (?P<callee>[^-]*) - (?P<unique_id>{UNIQUE_ID})""",
        refine=_add_date_from_folder,
    ),
    # 2015-11-30/8001/2015-11-30-10-20-30-710123
    FilenamePattern(
        system="asterisk",
        pattern=r"""
            (?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}) - (?P<time>[0-9]{2}-[0-9]{2}-[0-9]{2}) - (?P<callee>[^-]+)""",
        refine=_add_caller_from_folder,
    ),
    # MixMonitor with DATE-UNIQUEID-EPOCH: 20230517-1684333530.12-1684333532 20230517-142530-1684333530.12-1684333532
    FilenamePattern(
        system="asterisk",
        pattern=rf"""
            (?:[A-Za-z]+[_-])?
            (?:(?P<date>[0-9]{{8}}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})
                (?:[_-]?(?P<time>[0-9]{{6}}|[0-9]{{2}}-[0-9]{{2}}-[0-9]{{2}}))? [_-])?
            (?P<unique_id>{UNIQUE_ID}) [_-] (?P<epoch>[0-9]{{10}})""",
        refine=_require_call_epoch,
    ),
    # 20230517-1684333530.12
    FilenamePattern(system="asterisk", pattern=rf"(?P<date>[0-9]{{8}}) - (?P<unique_id>{UNIQUE_ID})"),
    # whatever-20230517-142530-1684333530.12: the order of numbers before the date is not known
    FilenamePattern(
        system="asterisk",
        pattern=r"(?:.*[_-])? (?P<date>[0-9]{8})[_-](?P<time>[0-9]{6}) [_-] (?P<unique_id>[0-9]{10}\.[0-9]+)",
    ),
    # 20230517-142530-whatever-1684333530.12
    FilenamePattern(
        system="asterisk",
        pattern=r"(?P<date>[0-9]{8})[_-](?P<time>[0-9]{6}) [_-] .* [_-] (?P<unique_id>[0-9]{10}\.[0-9]+)",
    ),
    # 1684333530.12 whatever-1684333530.12
    FilenamePattern(system="asterisk", pattern=r"(?:.*[_-])? (?P<unique_id>1[0-9]{9}\.[0-9]+)"),
)
