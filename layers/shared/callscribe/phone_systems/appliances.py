"""File names of phone systems sold as an appliance or a licence: 3CX, Grandstream UCM, Yeastar. The caller is first."""

from callscribe.phone_systems.filename_pattern import FilenamePattern

THREECX = (
    # [Doe, John]_102-15551234567_20240305101500(77): a name may contain anything, so the match is anchored at the right
    # [Doe, John]_102-15551234567_2024030510150077: scripts that copy the files drop the parentheses
    FilenamePattern(
        system="3cx",
        pattern=r"""
            \[ (?P<party>.*) \] _? (?P<caller>[^-_\]]*) - (?P<callee>[^-_\]]*)
            _ (?P<date>[0-9]{8})(?P<time>[0-9]{6}) (?:[_\ -]?\(? (?P<call_id>[0-9]{1,12}) \)?)?""",
        reject_invalid_date=False,
    ),
    # without the brackets: 102-15551234567_20240305101500(77) 102-15551234567_2024030510150077
    FilenamePattern(
        system="3cx",
        pattern=r"""
            (?P<caller>[^-_\[\]]*) - (?P<callee>[^-_\[\]]*)
            _ (?P<date>[0-9]{8})(?P<time>[0-9]{6}) [_\ -]?\(? (?P<call_id>[0-9]{1,12}) \)?""",
    ),
)

GRANDSTREAM = (
    # auto-1414771234-1000-1004
    FilenamePattern(
        system="grandstream", pattern=r"auto - (?P<epoch>[0-9]{10}) - (?P<caller>[^-]*) - (?P<callee>[^-]*) (?:-.*)?"
    ),
)

YEASTAR = (
    # 20251104180000-1762254000_106001-+66819970136-104-Inbound: the time is when the call was answered
    FilenamePattern(
        system="yeastar",
        pattern=r"""
            (?P<date>[0-9]{8})(?P<time>[0-9]{6}) - (?P<unique_id>[^-]+) - (?P<caller>[^-]*) - (?P<callee>[^-]*)
            - (?P<direction>Inbound|Outbound|Internal|INBOUND|OUTBOUND|INTERNAL|inbound|outbound|internal)""",
        reject_invalid_date=False,
    ),
)
