"""FreePBX, Issabel and Elastix: `TYPE-DESTINATION-FROM-YYYYMMDD-HHMMSS-UNIQUEID`, the destination first in every type.

The time is the server's, and the unique id begins with the call's epoch. Up to FreePBX 2.8 and in Elastix a letter says
the type, glued to the one number: `q600`, `g600`, `OUT101`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from callscribe.metadata import CallMetadata, Direction
from callscribe.numbers import extension_of, number
from callscribe.phone_systems.form import UNIQUE_ID, Form, Groups, of_callee, of_caller, of_nobody
from callscribe.phone_systems.name import Name

MOMENT = r"(?P<date>[0-9]{8})-(?P<time>[0-9]{6})"
END = r"(?:-(?P<leg>in|out))?"
"""One side's audio alone ends with `-in` or `-out`: that is no direction."""
WHEN = rf"{MOMENT}-(?P<uid>{UNIQUE_ID}){END}"
LEG = "leg"


@dataclass(frozen=True, slots=True)
class Type:
    """What the first word says. A word that leaves the direction open has none."""

    direction: Direction | None = None
    extension: Callable[[CallMetadata], str | None] = extension_of
    kind: str | None = None


TYPES: Mapping[str, Type] = {
    "in": Type(Direction.INBOUND),
    "external": Type(Direction.INBOUND),
    "out": Type(Direction.OUTBOUND),
    "internal": Type(Direction.INTERNAL),
    "exten": Type(),
    "force": Type(),
    "generic": Type(extension=of_caller),
    "q": Type(extension=of_caller),
    "rg": Type(extension=of_caller),
    "parked": Type(extension=of_callee),
    "conf": Type(extension=of_caller, kind="conference"),
    "page": Type(extension=of_caller, kind="page"),
}

LETTERS: Mapping[str, Type] = {
    **dict.fromkeys(("o", "out"), Type(Direction.OUTBOUND)),
    "in": Type(Direction.INBOUND),
    **dict.fromkeys(("q", "g", "r"), Type(extension=of_caller)),
}
"""Queue and group: the number is called. Of a call to the outside it is the caller."""


def _typed(found: CallMetadata, groups: Groups, _name: Name) -> CallMetadata | None:
    """The destination may be empty, and rarely holds a dash itself; then the other one is what is behind the last."""
    kind_of_call = TYPES.get((groups["type"] or "").lower())
    if kind_of_call is None or "-" not in (groups["parties"] or ""):
        return None
    callee, _, caller = (groups["parties"] or "").rpartition("-")
    return _of_type(replace(found, caller=number(caller), callee=number(callee)), kind_of_call, groups)


def _lettered(found: CallMetadata, groups: Groups, _name: Name) -> CallMetadata:
    kind_of_call = LETTERS[(groups["letter"] or "").lower()]
    one, other = number(groups["one"]), number(groups["other"])
    outbound = kind_of_call.direction is Direction.OUTBOUND
    caller, callee = (one, other) if outbound else (other, one)
    return _of_type(replace(found, caller=caller, callee=callee), kind_of_call, groups)


def _of_type(found: CallMetadata, kind_of_call: Type, groups: Groups) -> CallMetadata:
    kind = LEG if groups["leg"] else kind_of_call.kind
    found = replace(found, direction=kind_of_call.direction, kind=kind)
    return replace(found, extension=kind_of_call.extension(found))


def _leg(found: CallMetadata, groups: Groups, _name: Name) -> CallMetadata:
    return replace(found, kind=LEG) if groups["leg"] else found


FORMS = (
    # in-0902290100-394060101-20230927-100858-1695784138.33311
    Form(
        system="freepbx",
        pattern=rf"(?P<type>[A-Za-z]+) - (?P<parties>.*) - {MOMENT} (?:-(?P<uid>{UNIQUE_ID}))? {END}",
        strict=False,
        extension=of_nobody,
        also=_typed,
    ),
    # 8000-8000-always-20230517-142610-1684333570.76
    Form(
        system="freepbx",
        pattern=rf"(?P<callee>[0-9*#]+) - (?P=callee) - [a-z]+ - {WHEN}",
        strict=False,
        kind="conference",
        extension=of_nobody,
    ),
)

ELASTIX = (
    # q600-20160115-093012-1452868212.345 OUT101-5551234567-20160115-093012-1452868212.346
    Form(
        system="elastix",
        pattern=rf"(?P<letter>[qQgGrR]|[oO](?:UT)?|IN) (?P<one>[0-9*\#+]+) (?:-(?P<other>[^-]*))? - {WHEN}",
        strict=False,
        extension=of_nobody,
        also=_lettered,
    ),
    # 20160115-093012-1452868212.348
    Form(system="elastix", pattern=WHEN, also=_leg),
)
