"""Recorders that stand beside any phone system: MiaRec, Telesis. And names that tell something, whoever wrote them."""

from dataclasses import replace

from callscribe import moments
from callscribe.metadata import CallMetadata, Direction
from callscribe.numbers import number
from callscribe.phone_systems.form import UUID, Form, Groups, of_nobody
from callscribe.phone_systems.name import Name


def _in_a_folder_of_that_day(found: CallMetadata, groups: Groups, name: Name) -> CallMetadata | None:
    same = moments.day_of(name.folders[-1:]) == moments.day(groups["date"] or "")
    return found if same else None


def _with_a_direction(found: CallMetadata, groups: Groups, _name: Name) -> CallMetadata | None:
    """A single number is the other side's; of two the caller's is first."""
    one, other = number(groups["one"]), number(groups["other"])
    if found.direction is None or one is None or (groups["other"] and other is None):
        return None
    if other is None and found.direction is Direction.OUTBOUND:
        one, other = None, one
    return replace(found, caller=one, callee=other)


MIAREC = (
    # 20110203/20110203104522_2: the second call of that second
    Form(
        system="miarec",
        pattern=r"(?P<date>[0-9]{8})(?P<time>[0-9]{6}) (?:_[0-9]{1,3})?",
        extension=of_nobody,
        also=_in_a_folder_of_that_day,
    ),
    # 20110203/2011-02-03-104522
    Form(
        system="miarec",
        pattern=r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})-(?P<time>[0-9]{6}) (?:_[0-9]{1,3})?",
        extension=of_nobody,
        also=_in_a_folder_of_that_day,
    ),
)

TELESIS = (
    # 3843658_100118_145801_AO_001OPERATOR_94837583_001_4B4F46C2_C0A80541: the last is an IP address
    Form(
        system="telesis",
        pattern=r"""
            [^_]+ _+ (?P<date>[0-9]{6})_(?P<time>[0-9]{6}) _A[IO]_ .* _[0-9A-Fa-f]{1,8} _[0-9A-Fa-f]{8}""",
        extension=of_nobody,
    ),
)

DATE = r"(?P<date>[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}-[0-9]{2}-[0-9]{4})"
CLOCK = r"(?P<time>[0-9]{6}|[0-9]{2}[:_.-][0-9]{2}[:_.-][0-9]{2})"

ANYBODY = (
    # with nothing else: 20230517142530 20230517142530_2
    Form(system=None, pattern=r"(?P<date>[0-9]{8})(?P<time>[0-9]{6}) (?:_[0-9]{1,3})?", extension=of_nobody),
    # the same: 2023-05-17 14-25-30
    Form(system=None, pattern=rf"{DATE} [-_T\ ] {CLOCK}", extension=of_nobody),
    Form(system=None, pattern=rf"(?P<call_id>{UUID})", extension=of_nobody),
    # with a direction: myrecordings_20250626_191131_out_+66945540166_+66928700150
    Form(
        system=None,
        pattern=rf"""
            (?:[A-Za-z][A-Za-z0-9]*[_-])? {DATE} [-_T\ ] {CLOCK}
            [_-] (?P<direction>[A-Za-z]+) [_-] (?P<one>[^_]+) (?:_(?P<other>[^_]+))?""",
        also=_with_a_direction,
    ),
)
