"""What is a phone number, and what is an extension."""

_PUNCTUATION = str.maketrans("", "", " .-()")
_KEYS = str.maketrans("", "", "*#")

LONGEST = 20
"""Digits: 15 of an international number, with what is dialled before it."""
LONGEST_EXTENSION = 6


def number(text: str | None) -> str | None:
    """The text if it is a number, as written: digits, a leading plus, `*` and `#`, brackets and dots in between.

    `s`, `unknown`, `anonymous`, `null` and all other words are none.
    """
    text = (text or "").strip()
    digits = digits_of(text)
    return text if digits.isdecimal() and digits.isascii() and len(digits) <= LONGEST else None


def digits_of(text: str) -> str:
    """Without punctuation, plus, `*` and `#`."""
    return text.translate(_PUNCTUATION).removeprefix("+").translate(_KEYS)


def is_extension(text: str | None) -> bool:
    """A few digits and nothing else: what is dialled within the house. An outside number is longer."""
    return text is not None and 0 < len(text) <= LONGEST_EXTENSION and text.isdecimal() and text.isascii()


def is_epoch(text: str) -> bool:
    """Ten digits that are seconds since 1970, from 2001 to 2033. They look like a phone number and are not."""
    return len(text) == 10 and text.isdecimal() and text.isascii() and "1" <= text[0] < "2"  # noqa: PLR2004
