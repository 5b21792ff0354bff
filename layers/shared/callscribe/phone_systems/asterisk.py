"""Asterisk without a distribution around it: everybody names recordings as they like, most with the unique id last."""

from callscribe import moments
from callscribe.metadata import CallMetadata
from callscribe.numbers import number
from callscribe.phone_systems.form import UNIQUE_ID, Form, Groups, in_folder, of_nobody
from callscribe.phone_systems.name import Name

CONFERENCE = "conference"


def _day_of_the_folder(found: CallMetadata, groups: Groups, name: Name) -> CallMetadata:
    """The name tells the time only."""
    day = moments.day_of(name.folders)
    if day is None:
        return found
    at = moments.moment(day.isoformat(), groups["at"] or "")
    offset = moments.offset(at, (groups["uid"] or "").partition(".")[0])
    return in_folder(found, started_at=at, utc_offset=offset)


def _caller_of_the_folder(found: CallMetadata, _groups: Groups, name: Name) -> CallMetadata | None:
    """`2015-11-30/8001/2015-11-30-10-20-30-710123`: a folder for each caller, in one for each day."""
    caller = number(name.folders[-1]) if name.folders else None
    same_day = moments.day_of(name.folders[-2:-1])
    if caller is None or same_day is None:
        return None
    return in_folder(found, caller=caller)


FORMS = (
    # conf-rec-8000-1452868212.349 meetme-conf-rec-6300-1411501234.0-1000
    Form(
        system="asterisk",
        pattern=rf"(?:meetme-)? conf-rec - (?P<callee>[^-]+) - (?P<uid>{UNIQUE_ID}) (?:-.*)?",
        kind=CONFERENCE,
        extension=of_nobody,
    ),
    # confbridge-8000-1452868212
    Form(
        system="asterisk",
        pattern=r"confbridge - (?P<callee>[^-]+) - [0-9]{10}",
        kind=CONFERENCE,
        extension=of_nobody,
    ),
    # 2026/09/16/110221-IN-IVR-8454280190-101-1789570937.13199
    Form(
        system="asterisk",
        pattern=rf"""
            (?P<at>[0-9]{{6}}) - (?P<direction>IN|OUT|INTERNAL) (?:-[A-Z]+)*
            - (?P<caller>[^-]*) - (?P<callee>[^-]*) - (?P<uid>{UNIQUE_ID})""",
        also=_day_of_the_folder,
    ),
    # 2015-11-30/8001/2015-11-30-10-20-30-710123
    Form(
        system="asterisk",
        pattern=r"""
            (?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}) - (?P<time>[0-9]{2}-[0-9]{2}-[0-9]{2}) - (?P<callee>[^-]+)""",
        also=_caller_of_the_folder,
    ),
    # 20230517-1684333530.12
    Form(system="asterisk", pattern=rf"(?P<date>[0-9]{{8}}) - (?P<uid>{UNIQUE_ID})"),
    # whatever-20230517-142530-1684333530.12: the order of numbers in between is anybody's guess
    Form(
        system="asterisk",
        pattern=r"(?:.*[_-])? (?P<date>[0-9]{8})[_-](?P<time>[0-9]{6}) [_-] (?P<uid>[0-9]{10}\.[0-9]+)",
    ),
    # 20230517-142530-whatever-1684333530.12
    Form(
        system="asterisk",
        pattern=r"(?P<date>[0-9]{8})[_-](?P<time>[0-9]{6}) [_-] .* [_-] (?P<uid>[0-9]{10}\.[0-9]+)",
    ),
    # 1684333530.12 whatever-1684333530.12
    Form(system="asterisk", pattern=r"(?:.*[_-])? (?P<uid>1[0-9]{9}\.[0-9]+)"),
)
