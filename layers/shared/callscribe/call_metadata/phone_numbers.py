"""What is a phone number and what an extension: in a name, beside a recording, in a search."""

import re

from callscribe.call_metadata.metadata import CallMetadata, Direction, normalise_key

MAX_DIGITS = 20
"""Digits: 15 of an international number, with what is dialled before it. More make an id."""

PHONE_NUMBER = re.compile(
    r"""
    (?! .{41} | (?:19|20)[0-9]{2} ([-./]) [01][0-9] \1 [0-3][0-9] (?![0-9]) )
    \(? (?: \+ | [*#]* ) [ ]? \(? [0-9][0-9 ().\-/*#]*""",
    re.VERBOSE,
)
"""Digits, with a plus before and what people put between them, in 40 characters. A date is none, nor is `-2`: Android
says so of who hides."""

WITHHELD_NUMBERS = frozenset({"+266696687", "+7378742833", "+2562533", "+8566696", "+86282452253"})
"""ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE, typed on a phone's keys: Twilio says so of who hides."""

EXTENSION = re.compile("[0-9]{1,6}")
"""What is dialled within the house. An outside number is longer."""

ANONYMOUS = frozenset(
    "null none unknown undefined anonymous private restricted unavailable withheld blocked".split()  # noqa: SIM905 — legible
)
"""Words that stand for a missing name, as `normalise_key` returns them."""

MEANINGFUL_CHARACTER = re.compile(r"[A-Za-z0-9]|[^\0-\x7f]")
NAME_CHARACTER = re.compile(r"[A-Za-z]|[^\0-\x7f]")
"""A name has a letter, or what stands for one elsewhere: `-2`, a date or a phone number is nobody's."""

NOT_DIGITS = re.compile("[^0-9]+")


def parse_phone_number(text: str | None) -> str | None:
    """The text if it is a number, as written: `s`, `unknown`, `anonymous`, `null` and all other words are none."""
    text = (text or "").strip()
    return (
        text
        if PHONE_NUMBER.fullmatch(text) and text not in WITHHELD_NUMBERS and len(digits_only(text)) <= MAX_DIGITS
        else None
    )


def digits_only(text: str) -> str:
    """Nothing but its digits; empty for `anonymous`."""
    return NOT_DIGITS.sub("", text)


def parse_extension(text: str | None) -> str | None:
    """The text if it is an extension: a few digits and nothing else."""
    return text if text and EXTENSION.fullmatch(text) else None


def find_local_extension(call: CallMetadata) -> str | None:
    """That on our side of the call; where both sides are ours, or it is not known, the caller's first."""
    caller, callee = parse_extension(call.caller), parse_extension(call.callee)
    if call.direction is Direction.INBOUND:
        return callee
    return caller if call.direction is Direction.OUTBOUND else caller or callee


def clean_text(text: str) -> str | None:
    """The text without the space around it; None if it says that there is nothing to tell."""
    text = text.strip()
    return text if MEANINGFUL_CHARACTER.search(text) and normalise_key(text) not in ANONYMOUS else None


def parse_name(text: str | None) -> str | None:
    """The text if it names somebody."""
    cleaned = clean_text(text or "")
    return cleaned if cleaned and NAME_CHARACTER.search(cleaned) else None
