"""FreeSWITCH, and FusionPBX, which names a recording by the call's id alone: the rest is in its database."""

from callscribe import moments
from callscribe.metadata import CallMetadata
from callscribe.phone_systems.form import UUID, Form, Groups, in_folder, of_nobody, with_a_number
from callscribe.phone_systems.name import Name

DAY = r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}-[0-9]{2}-[0-9]{4})"
CLOCK = r"[0-9]{2}[:_-][0-9]{2}[:_-][0-9]{2}"
STAMP = rf"(?P<date>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})-(?P<time>{CLOCK})"


def _archived(found: CallMetadata, _groups: Groups, name: Name) -> CallMetadata | None:
    """`DOMAIN/archive/2023/May/17/`: no other system writes months as words."""
    if not (name.under("archive") or (name.folders[-2:-1] and name.folders[-2].isalpha())):
        return None
    day = moments.day_of(name.folders)
    return in_folder(found, started_at=day) if day else None


def _below_freeswitch(found: CallMetadata, _groups: Groups, name: Name) -> CallMetadata | None:
    return found if name.under("freeswitch") else None


FORMS = (
    # archive/2023/May/17/6f2c0a0e-7c1b-4a57-9d53-0c2d4f1b9a11
    Form(system="fusionpbx", pattern=rf"(?P<call_id>{UUID}) (?:_[0-9]{{1,3}})?", also=_archived),
    # 1001_5551234567_17-05-2023_14:25:30
    Form(
        system="fusionpbx",
        pattern=rf"(?P<caller>[^_]*) _ (?P<callee>[^_]*) _ (?P<date>{DAY}) [_T\ -] (?P<time>{CLOCK}|[0-9]{{6}})",
        also=with_a_number,
    ),
    # 1001.2023-05-17-14-25-30 1001.5551234567.2023-05-17-14-25-30
    Form(
        system="freeswitch",
        pattern=rf"(?P<caller>[^.]+) \. (?:(?P<callee>[^.]+)\.)? {STAMP}",
        also=with_a_number,
    ),
    # 2023-05-17-14-25-30_5551234567_1001: what was called comes first
    Form(system="freeswitch", pattern=rf"{STAMP} _ (?P<callee>[^_]*) _ (?P<caller>[^_]*)", also=with_a_number),
    # 3000-pbx.example.com_2023-05-17-14-25-30
    Form(
        system="freeswitch",
        pattern=rf"(?P<callee>[0-9]+) - [A-Za-z0-9.-]+ _ {STAMP}",
        kind="conference",
        extension=of_nobody,
    ),
    Form(system="freeswitch", pattern=rf"(?P<call_id>{UUID})", also=_below_freeswitch),
)
