"""File names of cloud phone systems. Most contain an id and a time in UTC; numbers are in a sidecar or in an API."""

from dataclasses import replace
from datetime import UTC

from callscribe.call_metadata import timestamps
from callscribe.call_metadata.metadata import CallMetadata, Direction
from callscribe.call_metadata.phone_numbers import parse_extension, parse_phone_number
from callscribe.phone_systems.filename_pattern import (
    UUID,
    FilenamePattern,
    Groups,
    RecordingPath,
    no_extension,
    require_number,
    with_folder_fields,
)


def _add_date_from_prefix(metadata: CallMetadata, groups: Groups, _path: RecordingPath) -> CallMetadata:
    """Take a date from the text that a customer put before Twilio's recording id."""
    for part in (groups["prefix"] or "").split("_"):
        day = timestamps.parse_date(part)
        if day:
            return replace(metadata, started_at=day)
    return metadata


def _add_genesys_folder_fields(metadata: CallMetadata, _groups: Groups, path: RecordingPath) -> CallMetadata | None:
    """Take hour and call id from `year=2023/month=5/day=17/hour=14/conversation_id=…`.

    Several recordings can belong to one conversation.
    """
    partitions = {key: value for key, separator, value in (each.partition("=") for each in path.folders) if separator}
    if not partitions.get("conversation_id"):
        return None
    day = "-".join([partitions.get("year", ""), partitions.get("month", ""), partitions.get("day", "")])
    hour = (
        timestamps.combine(day, partitions["hour"].zfill(2) + "00", UTC)
        if "hour" in partitions
        else timestamps.parse_date(day)
    )
    return with_folder_fields(
        metadata, phone_system=metadata.phone_system, started_at=hour, call_id=partitions["conversation_id"]
    )


def _assign_ringcentral_sides(metadata: CallMetadata, groups: Groups, _path: RecordingPath) -> CallMetadata:
    local_number, remote_number = parse_phone_number(groups["local"]), parse_phone_number(groups["remote"])
    caller, callee = (
        (local_number, remote_number) if metadata.direction is Direction.OUTBOUND else (remote_number, local_number)
    )
    return replace(metadata, caller=caller, callee=callee, extension=parse_extension(local_number))


def _reject_timestamp_id(metadata: CallMetadata, _groups: Groups, _path: RecordingPath) -> CallMetadata | None:
    """Reject a call id that is a timestamp or an epoch."""
    digits = metadata.call_id or ""
    time = timestamps.combine(digits[:8], digits[8:]) if len(digits) == 14 else None  # noqa: PLR2004
    return None if time or timestamps.is_epoch(digits) else metadata


def _accept_session_id(metadata: CallMetadata, groups: Groups, path: RecordingPath) -> CallMetadata | None:
    """Name Puzzel only if a folder does; otherwise the sides of a stereo recording would be guessed."""
    session = _reject_timestamp_id(metadata, groups, path)
    is_puzzel = any("puzzel" in folder.casefold() for folder in path.folders)
    return session if session is None or is_puzzel else replace(session, phone_system=None)


AMAZON_CONNECT = (
    # CallRecordings/2021/03/04/c04b9f56-069a-4baa-8cbf-cbd10b3b5da3_20210304T19:42_UTC
    FilenamePattern(
        system="amazon-connect",
        pattern=rf"(?P<call_id>{UUID}) _ (?P<date>[0-9]{{8}})T(?P<time>[0-9]{{2}}[:_-]?[0-9]{{2}}) _UTC",
        zone=UTC,
    ),
    # Analysis/Voice/Redacted/…/CONTACTID_call_recording_redacted_2021-03-04T19:42:00Z
    FilenamePattern(
        system="amazon-connect",
        pattern=rf"""
            (?P<call_id>{UUID}) _ [a-z_]*
            _ (?P<date>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})T(?P<time>[0-9]{{2}}[:_-][0-9]{{2}}[:_-][0-9]{{2}})Z""",
        zone=UTC,
    ),
)

TWILIO = (
    # RE1234567890123456789012345678901a
    FilenamePattern(
        system="twilio",
        pattern=r"(?:(?P<prefix>.*)[_-])? (?P<call_id>RE[0-9a-f]{32}) (?:[_-].*)?",
        extension_from=no_extension,
        refine=_add_date_from_prefix,
    ),
)

GENESYS_CLOUD = (
    FilenamePattern(
        system="genesys-cloud", pattern=rf"{UUID} .*", extension_from=no_extension, refine=_add_genesys_folder_fields
    ),
)

RINGCENTRAL = (
    # 20251104-133555_302_(252)792-0186_Outgoing_Auto_2243071124051
    FilenamePattern(
        system="ringcentral",
        pattern=r"""
            (?P<date>[0-9]{8})-(?P<time>[0-9]{6}) _ (?:(?P<local>[0-9]{1,6})_)? (?P<remote>[^_]*)
            _ (?P<direction>Incoming|Outgoing|Inbound|Outbound) _ [A-Za-z]+ _ (?P<call_id>[0-9]+)""",
        reject_invalid_date=False,
        extension_from=no_extension,
        refine=_assign_ringcentral_sides,
    ),
    # recording_2243071124051
    FilenamePattern(system="ringcentral", pattern=r"recording_(?P<call_id>[0-9]{9,16})", refine=_reject_timestamp_id),
)

ZOOM_PHONE = (
    # 20231205-0059-104-+442071234567
    FilenamePattern(
        system="zoom-phone",
        pattern=r"(?P<date>[0-9]{8})-(?P<time>[0-9]{4}) - (?P<caller>[^-]*) - (?P<callee>[^-]*)",
        zone=UTC,
        refine=require_number,
    ),
)

TEAMS = (
    # Weekly meeting-20250804_175642UTC-Meeting Recording: only some versions include the zone
    FilenamePattern(
        system="teams",
        pattern=r"""
            .* - (?P<date>[0-9]{8})_(?P<time>[0-9]{6})(?P<zone>UTC)?
            - (?:Meeting|Call)\ (?:Recording|Transcript) (?:[\ _-]?\(?[0-9]+\)?)?""",
        kind="meeting",
        extension_from=no_extension,
    ),
)

EIGHT_BY_EIGHT = (
    # users/117209/1667337742543-1666686434952-117209-+16695555518_E
    FilenamePattern(
        system="8x8",
        pattern=r"(?P<epoch>[0-9]{13})-(?P<call_id>[0-9]+) - (?P<extension>[^-]*) - (?P<remote_number>[^_-]*) _ [A-Z]",
    ),
)

PUZZEL = (
    # 4712345678_1: a session id, although it looks like a phone number
    FilenamePattern(
        system="puzzel",
        pattern=r"(?P<call_id>[0-9]{8,13})_[0-9]{1,2}",
        extension_from=no_extension,
        refine=_accept_session_id,
    ),
)
