"""File names of FreeSWITCH and FusionPBX. FusionPBX uses only the call id; everything else is in its database."""

from callscribe.call_metadata import timestamps
from callscribe.call_metadata.metadata import CallMetadata
from callscribe.phone_systems.filename_pattern import (
    UUID,
    FilenamePattern,
    Groups,
    RecordingPath,
    no_extension,
    require_number,
    with_folder_fields,
)

DATE = r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}-[0-9]{2}-[0-9]{4})"
TIME = r"[0-9]{2}[:_-][0-9]{2}[:_-][0-9]{2}"
DATE_TIME = rf"(?P<date>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})-(?P<time>{TIME})"


def _require_archive_folder(metadata: CallMetadata, _groups: Groups, path: RecordingPath) -> CallMetadata | None:
    """Require the folders `DOMAIN/archive/2023/May/17/`: no other system writes months as words."""
    if not (path.has_folder("archive") or (path.folders[-2:-1] and path.folders[-2].isalpha())):
        return None
    day = timestamps.date_from_folders(path.folders)
    return with_folder_fields(metadata, started_at=day) if day else None


def _require_freeswitch_folder(metadata: CallMetadata, _groups: Groups, path: RecordingPath) -> CallMetadata | None:
    return metadata if path.has_folder("freeswitch") else None


PATTERNS = (
    # archive/2023/May/17/6f2c0a0e-7c1b-4a57-9d53-0c2d4f1b9a11
    FilenamePattern(
        system="fusionpbx", pattern=rf"(?P<call_id>{UUID}) (?:_[0-9]{{1,3}})?", refine=_require_archive_folder
    ),
    # 1001_5551234567_17-05-2023_14:25:30
    FilenamePattern(
        system="fusionpbx",
        pattern=rf"(?P<caller>[^_]*) _ (?P<callee>[^_]*) _ (?P<date>{DATE}) [_T\ -] (?P<time>{TIME}|[0-9]{{6}})",
        refine=require_number,
    ),
    # 1001.2023-05-17-14-25-30 1001.5551234567.2023-05-17-14-25-30
    FilenamePattern(
        system="freeswitch",
        pattern=rf"(?P<caller>[^.]+) \. (?:(?P<callee>[^.]+)\.)? {DATE_TIME}",
        refine=require_number,
    ),
    # 2023-05-17-14-25-30_5551234567_1001: the callee comes first
    FilenamePattern(
        system="freeswitch", pattern=rf"{DATE_TIME} _ (?P<callee>[^_]*) _ (?P<caller>[^_]*)", refine=require_number
    ),
    # 3000-pbx.example.com_2023-05-17-14-25-30
    FilenamePattern(
        system="freeswitch",
        pattern=rf"(?P<callee>[0-9]+) - [A-Za-z0-9.-]+ _ {DATE_TIME}",
        kind="conference",
        extension_from=no_extension,
    ),
    FilenamePattern(system="freeswitch", pattern=rf"(?P<call_id>{UUID})", refine=_require_freeswitch_folder),
)
