"""Telephony as a service. Most tell an id and a time in UTC; the numbers are in a file beside it or in an API."""

from dataclasses import replace
from datetime import UTC

from callscribe import moments
from callscribe.metadata import CallMetadata, Direction
from callscribe.numbers import extension, number
from callscribe.phone_systems.form import UUID, Form, Groups, in_folder, of_nobody, with_a_number
from callscribe.phone_systems.name import Name


def _day_before_the_id(found: CallMetadata, groups: Groups, _name: Name) -> CallMetadata:
    """What a customer put before Twilio's own id may hold a day."""
    for part in (groups["lead"] or "").split("_"):
        day = moments.day(part)
        if day:
            return replace(found, started_at=day)
    return found


def _genesys_folders(found: CallMetadata, _groups: Groups, name: Name) -> CallMetadata | None:
    """`year=2023/month=5/day=17/hour=14/conversation_id=…`: several recordings can belong to one conversation."""
    told = {key: value for key, is_told, value in (each.partition("=") for each in name.folders) if is_told}
    if not told.get("conversation_id"):
        return None
    day = "-".join([told.get("year", ""), told.get("month", ""), told.get("day", "")])
    hour = moments.moment(day, told["hour"].zfill(2) + "00", UTC) if "hour" in told else moments.day(day)
    return in_folder(found, phone_system=found.phone_system, started_at=hour, call_id=told["conversation_id"])


def _ringcentral_sides(found: CallMetadata, groups: Groups, _name: Name) -> CallMetadata:
    ours, other = number(groups["ours"]), number(groups["other"])
    caller, callee = (ours, other) if found.direction is Direction.OUTBOUND else (other, ours)
    return replace(found, caller=caller, callee=callee, extension=extension(ours))


def _no_time(found: CallMetadata, _groups: Groups, _name: Name) -> CallMetadata | None:
    """Digits that are a time or an epoch are no id."""
    digits = found.call_id or ""
    time = moments.moment(digits[:8], digits[8:]) if len(digits) == 14 else None  # noqa: PLR2004
    return None if time or moments.is_epoch(digits) else found


def _session(found: CallMetadata, groups: Groups, name: Name) -> CallMetadata | None:
    """Only a folder's name tells whose it is: without it the sides of a stereo recording would be guessed."""
    session = _no_time(found, groups, name)
    puzzel = any("puzzel" in folder.casefold() for folder in name.folders)
    return session if session is None or puzzel else replace(session, phone_system=None)


AMAZON_CONNECT = (
    # CallRecordings/2021/03/04/c04b9f56-069a-4baa-8cbf-cbd10b3b5da3_20210304T19:42_UTC
    Form(
        system="amazon-connect",
        pattern=rf"(?P<call_id>{UUID}) _ (?P<date>[0-9]{{8}})T(?P<time>[0-9]{{2}}[:_-]?[0-9]{{2}}) _UTC",
        zone=UTC,
    ),
    # Analysis/Voice/Redacted/…/CONTACTID_call_recording_redacted_2021-03-04T19:42:00Z
    Form(
        system="amazon-connect",
        pattern=rf"""
            (?P<call_id>{UUID}) _ [a-z_]*
            _ (?P<date>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})T(?P<time>[0-9]{{2}}[:_-][0-9]{{2}}[:_-][0-9]{{2}})Z""",
        zone=UTC,
    ),
)

TWILIO = (
    # RE1234567890123456789012345678901a
    Form(
        system="twilio",
        pattern=r"(?:(?P<lead>.*)[_-])? (?P<call_id>RE[0-9a-f]{32}) (?:[_-].*)?",
        extension=of_nobody,
        also=_day_before_the_id,
    ),
)

GENESYS_CLOUD = (Form(system="genesys-cloud", pattern=rf"{UUID} .*", extension=of_nobody, also=_genesys_folders),)

RINGCENTRAL = (
    # 20251104-133555_302_(252)792-0186_Outgoing_Auto_2243071124051
    Form(
        system="ringcentral",
        pattern=r"""
            (?P<date>[0-9]{8})-(?P<time>[0-9]{6}) _ (?:(?P<ours>[0-9]{1,6})_)? (?P<other>[^_]*)
            _ (?P<direction>Incoming|Outgoing|Inbound|Outbound) _ [A-Za-z]+ _ (?P<call_id>[0-9]+)""",
        strict=False,
        extension=of_nobody,
        also=_ringcentral_sides,
    ),
    # recording_2243071124051
    Form(system="ringcentral", pattern=r"recording_(?P<call_id>[0-9]{9,16})", also=_no_time),
)

ZOOM_PHONE = (
    # 20231205-0059-104-+442071234567
    Form(
        system="zoom-phone",
        pattern=r"(?P<date>[0-9]{8})-(?P<time>[0-9]{4}) - (?P<caller>[^-]*) - (?P<callee>[^-]*)",
        zone=UTC,
        also=with_a_number,
    ),
)

TEAMS = (
    # Weekly meeting-20250804_175642UTC-Meeting Recording: only some versions name the zone
    Form(
        system="teams",
        pattern=r"""
            .* - (?P<date>[0-9]{8})_(?P<time>[0-9]{6})(?P<zone>UTC)?
            - (?:Meeting|Call)\ (?:Recording|Transcript) (?:[\ _-]?\(?[0-9]+\)?)?""",
        kind="meeting",
        extension=of_nobody,
    ),
)

EIGHT_BY_EIGHT = (
    # users/117209/1667337742543-1666686434952-117209-+16695555518_E
    Form(
        system="8x8",
        pattern=r"(?P<epoch>[0-9]{13})-(?P<call_id>[0-9]+) - (?P<extension>[^-]*) - (?P<remote_number>[^_-]*) _ [A-Z]",
    ),
)

PUZZEL = (
    # 4712345678_1: a session, although it looks like a number
    Form(system="puzzel", pattern=r"(?P<call_id>[0-9]{8,13})_[0-9]{1,2}", extension=of_nobody, also=_session),
)
