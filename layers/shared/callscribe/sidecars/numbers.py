"""What counts as a phone number in what lies beside a recording, and which of two is an extension of one's own."""

import re
from typing import Any

from callscribe.metadata import Direction

NUMBER = re.compile(r"(?!.{41}|[0-9]{4}-[0-9]{2}-[0-9]{2})[+*#]{0,2} ?\(?[0-9][0-9 ().\-/*#]*")
"""Digits, with a plus before and what people put between them; no date. `-2` is none: Android says so of who hides."""

WRAPPINGS = re.compile(r".*<([^<>]*)>\s*", re.DOTALL)
"""A caller id as SIP and Asterisk write it, with a name: `"Ann" <202>`."""

ADDRESS = re.compile(r"(?:tel|sips?):([^@;?]*).*", re.IGNORECASE | re.DOTALL)

HIDDEN = frozenset({"+266696687", "+7378742833", "+2562533", "+8566696", "+86282452253"})
"""ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE, typed on a phone's keys: Twilio says so of who hides."""

EXTENSION = re.compile(r"[0-9]{2,6}")
"""What is short is an extension."""

LONGEST_DIGITS = 18
"""Of a number; more make an id."""

LONGEST_VALUE = 200
"""Characters: nothing that says who called is longer."""


def number_in(value: Any) -> str | None:
    """The number as written, without the address or name around it; None for `anonymous`, `s`, a name, or no text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if isinstance(value, int):
        return str(value) if 0 < value < 10**LONGEST_DIGITS else None
    if len(value) > LONGEST_VALUE:
        return None
    if wrapped := WRAPPINGS.fullmatch(value):
        value = wrapped[1]
    if address := ADDRESS.fullmatch(value.strip()):
        value = address[1]
    value = value.strip()
    return value if NUMBER.fullmatch(value) and value not in HIDDEN else None


def extension_in(value: Any) -> str | None:
    """The number if it is short enough for an extension."""
    found = number_in(value)
    return found if found and EXTENSION.fullmatch(found) else None


def extension_of(caller: str | None, callee: str | None, direction: Direction | None) -> str | None:
    """Which of both is an extension of one's own: by the direction, else the caller's if both look like one."""
    sides = {Direction.INBOUND: (callee,), Direction.OUTBOUND: (caller,)}
    ours = sides.get(direction, (caller, callee)) if direction else (caller, callee)
    return next(filter(None, map(extension_in, ours)), None)
