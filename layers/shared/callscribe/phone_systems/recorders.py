"""File names of recorders that work with any phone system (MiaRec, Telesis), and generic names with a timestamp."""

from dataclasses import replace

from callscribe.call_metadata import timestamps
from callscribe.call_metadata.metadata import CallMetadata, Direction
from callscribe.call_metadata.phone_numbers import parse_phone_number
from callscribe.phone_systems.filename_pattern import UUID, FilenamePattern, Groups, RecordingPath, no_extension


def _require_date_folder(metadata: CallMetadata, groups: Groups, path: RecordingPath) -> CallMetadata | None:
    is_same_date = timestamps.date_from_folders(path.folders[-1:]) == timestamps.parse_date(groups["date"] or "")
    return metadata if is_same_date else None


def _require_direction(metadata: CallMetadata, groups: Groups, _path: RecordingPath) -> CallMetadata | None:
    """Assign the numbers by direction: one number is the remote party's; of two, the caller's comes first."""
    caller, callee = parse_phone_number(groups["first_number"]), parse_phone_number(groups["second_number"])
    if metadata.direction is None or caller is None or (groups["second_number"] and callee is None):
        return None
    if callee is None and metadata.direction is Direction.OUTBOUND:
        caller, callee = None, caller
    return replace(metadata, caller=caller, callee=callee)


MIAREC = (
    # 20110203/20110203104522_2: the second call of that second
    FilenamePattern(
        system="miarec",
        pattern=r"(?P<date>[0-9]{8})(?P<time>[0-9]{6}) (?:_[0-9]{1,3})?",
        extension_from=no_extension,
        refine=_require_date_folder,
    ),
    # 20110203/2011-02-03-104522
    FilenamePattern(
        system="miarec",
        pattern=r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})-(?P<time>[0-9]{6}) (?:_[0-9]{1,3})?",
        extension_from=no_extension,
        refine=_require_date_folder,
    ),
)

TELESIS = (
    # 3843658_100118_145801_AO_001OPERATOR_94837583_001_4B4F46C2_C0A80541: the last is an IP address
    FilenamePattern(
        system="telesis",
        pattern=r"""
            [^_]+ _+ (?P<date>[0-9]{6})_(?P<time>[0-9]{6}) _A[IO]_ .* _[0-9A-Fa-f]{1,8} _[0-9A-Fa-f]{8}""",
        extension_from=no_extension,
    ),
)

DATE = r"(?P<date>[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}-[0-9]{2}-[0-9]{4})"
TIME = r"(?P<time>[0-9]{6}|[0-9]{2}[:_.-][0-9]{2}[:_.-][0-9]{2})"

GENERIC = (
    # only a timestamp: 20230517142530 20230517142530_2
    FilenamePattern(
        system=None, pattern=r"(?P<date>[0-9]{8})(?P<time>[0-9]{6}) (?:_[0-9]{1,3})?", extension_from=no_extension
    ),
    # only a timestamp: 2023-05-17 14-25-30
    FilenamePattern(system=None, pattern=rf"{DATE} [-_T\ ] {TIME}", extension_from=no_extension),
    FilenamePattern(system=None, pattern=rf"(?P<call_id>{UUID})", extension_from=no_extension),
    # with a direction: myrecordings_20250626_191131_out_+66945540166_+66928700150
    FilenamePattern(
        system=None,
        pattern=rf"""
            (?:[A-Za-z][A-Za-z0-9]*[_-])? {DATE} [-_T\ ] {TIME}
            [_-] (?P<direction>[A-Za-z]+) [_-] (?P<first_number>[^_]+) (?:_(?P<second_number>[^_]+))?""",
        refine=_require_direction,
    ),
)
