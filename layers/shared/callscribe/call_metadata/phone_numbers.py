"""Recognise phone numbers, extensions and names of callers in file names, sidecars and searches."""

import re

from callscribe.call_metadata.metadata import CallMetadata, Direction, normalise_key

MAX_DIGITS = 20
"""An international number has 15 digits, and a prefix may be dialled before it. More digits are an id."""

PHONE_NUMBER = re.compile(
    r"""
    (?! .{41} | (?:19|20)[0-9]{2} ([-./]) [01][0-9] \1 [0-3][0-9] (?![0-9]) | 1[0-9]{9}\.[0-9]+ $ )
    \(? (?: \+ | [*#]* ) [ ]? \(? [0-9][0-9 ().\-/*#]*""",
    re.VERBOSE,
)
"""Digits and common separators, with an optional plus, in up to 40 characters. Excludes dates, the unique ids of
Asterisk (`1684333530.12`), and `-2`, which Android writes for a withheld number."""

MASK = re.compile(r"[Xx]{2,12}|\*{2,12}")
MASKED_NUMBER = re.compile(rf"(?=.*[0-9].*[0-9])\+?[0-9]{{0,12}}(?:{MASK.pattern})[0-9]{{0,12}}")
"""A number of which some digits are hidden: `0821XXXX8663`, `0821****8663`. It shows at least two digits."""

WITHHELD_NUMBERS = frozenset({"+266696687", "+7378742833", "+2562533", "+8566696", "+86282452253"})
"""ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE on a phone keypad: how Twilio writes a withheld number."""

EXTENSION = re.compile("[0-9]{1,6}")
"""An internal number. Outside numbers are longer."""

ANONYMOUS = frozenset(
    "null none unknown undefined anonymous private restricted unavailable withheld blocked".split()  # noqa: SIM905 — legible
)
"""Placeholders for a missing name, as `normalise_key` returns them."""

MEANINGFUL_CHARACTER = re.compile(r"[A-Za-z0-9]|[^\0-\x7f]")
NAME_CHARACTER = re.compile(r"[A-Za-z]|[^\0-\x7f]")
"""A name contains a letter or a non-ASCII character; `-2`, a date or a phone number is not a name."""

NOT_DIGITS = re.compile("[^0-9]+")


def parse_phone_number(text: str | None) -> str | None:
    """The text, stripped, if it is a phone number; None for `s`, `unknown`, `anonymous`, `null` and any other word.

    Some digits may be masked.
    """
    text = (text or "").strip()
    if MASKED_NUMBER.fullmatch(text):
        return text
    if text in WITHHELD_NUMBERS or not PHONE_NUMBER.fullmatch(text) or len(digits_only(text)) > MAX_DIGITS:
        return None
    return text


def digits_only(text: str) -> str:
    """The digits of a number; empty for `anonymous`."""
    return NOT_DIGITS.sub("", text)


def parse_extension(text: str | None) -> str | None:
    """The text if it is an extension: one to six digits and nothing else."""
    return text if text and EXTENSION.fullmatch(text) else None


def find_local_extension(call: CallMetadata) -> str | None:
    """The extension on the local side; the caller's first if both sides are local or the direction is unknown."""
    caller, callee = parse_extension(call.caller), parse_extension(call.callee)
    if call.direction is Direction.INBOUND:
        return callee
    return caller if call.direction is Direction.OUTBOUND else caller or callee


def clean_text(text: str) -> str | None:
    """The text, stripped; None if it is a placeholder such as `unknown` or has no letter or digit."""
    text = text.strip()
    return text if MEANINGFUL_CHARACTER.search(text) and normalise_key(text) not in ANONYMOUS else None


def parse_name(text: str | None) -> str | None:
    """The text, stripped, if it is a name; None for a placeholder, a phone number or a date."""
    cleaned = clean_text(text or "")
    return cleaned if cleaned and NAME_CHARACTER.search(cleaned) else None
