"""Search for a recording: by a phone number, the call id, or the beginning of the file name."""

from dataclasses import dataclass

from callscribe.call_metadata.metadata import CallMetadata
from callscribe.call_metadata.phone_numbers import MASK, digits_only, parse_phone_number
from callscribe.recordings.recording import ID_PATTERN, MAX_KEY_BYTES, Recording

MAX_NUMBERS = 3
"""How many different numbers of a call are indexed: caller, callee, extension. There is rarely a fourth one."""

SUFFIX_DIGITS = 4
"""How many last digits of a number are indexed; fewer do not find a longer number."""

MIN_UNAMBIGUOUS_DIGITS = 7
"""This many last digits identify a number, whatever prefix is dialled: +1 202 555 0143 is 2025550143."""


def number_suffix(digits: str) -> str:
    """The indexed part of a number: its last four digits, or all of a shorter extension."""
    return digits[-SUFFIX_DIGITS:]


def extract_numbers(metadata: CallMetadata) -> tuple[str, ...]:
    """The distinct numbers of a call, as digits: caller, callee, remote number, extension.

    Of a number with masked digits, only those after the mask: the others do not follow each other.
    """
    numbers = (metadata.caller, metadata.callee, metadata.remote_number, metadata.extension)
    digits = dict.fromkeys(digits_only(MASK.split(number)[-1]) for number in numbers if number)
    return tuple(number for number in digits if number)[:MAX_NUMBERS]


def is_same_number(digits: str, query_digits: str) -> bool:
    """Whether a number matches the queried one; both are digits only.

    Its last digits match, four or more; an extension of fewer digits must be equal. Two numbers with the same ending
    also match if one was written with a longer prefix: a country code, a zero.
    """
    if number_suffix(digits) != number_suffix(query_digits):
        return False
    if digits.endswith(query_digits):
        return True
    one, other = digits.lstrip("0"), query_digits.lstrip("0")
    return min(len(one), len(other)) >= MIN_UNAMBIGUOUS_DIGITS and (one.endswith(other) or other.endswith(one))


def normalise_file_name(key: str) -> str:
    """A file name for comparison: case-folded, and cut to what DynamoDB allows for a sort key."""
    name = key.rpartition("/")[2].casefold()
    return name.encode()[:MAX_KEY_BYTES].decode(errors="ignore")


def normalise_call_id(call_id: str | None) -> str:
    """A call id for comparison: case-folded; empty if there is none, or it is too long for an index."""
    text = (call_id or "").strip().casefold()
    return text if len(text.encode()) <= MAX_KEY_BYTES else ""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A search. Any of its terms finds a recording; a term may be empty."""

    id: str = ""
    """The id of a recording, which is then the only result."""
    number: str = ""
    """Digits."""
    call_id: str = ""
    file_name: str = ""
    """The beginning of the file name."""

    @classmethod
    def parse(cls, text: str) -> "SearchQuery":
        """Parse what a user typed, which may be any of the terms: a number only if it looks like one."""
        text = text.strip()
        return cls(
            id=text.lower() if ID_PATTERN.fullmatch(text.lower()) else "",
            number=digits_only(parse_phone_number(text) or ""),
            call_id=normalise_call_id(text),
            file_name=normalise_file_name(text),
        )

    def matching_indexes(self, recording: Recording) -> list[str]:
        """The indexes in which this query finds the recording, in the order of `SEARCH_INDEXES`."""
        numbers = extract_numbers(recording.metadata) if self.number else ()
        is_matched = {
            index_name: is_same_number(digits, self.number)
            for index_name, digits in zip(BY_NUMBER, numbers, strict=False)
        }
        is_matched[BY_CALL] = bool(self.call_id) and normalise_call_id(recording.metadata.call_id) == self.call_id
        is_matched[BY_NAME] = bool(self.file_name) and normalise_file_name(recording.key).startswith(self.file_name)
        return [index_name for index_name in SEARCH_INDEXES if is_matched.get(index_name)]


BY_CALL, BY_NAME = "by-call", "by-name"
BY_NUMBER = tuple(f"by-number-{number}" for number in range(1, MAX_NUMBERS + 1))
SEARCH_INDEXES = (BY_CALL, *BY_NUMBER, BY_NAME)
"""A recording found in several indexes is shown at its position in the first of them, and so only once."""
