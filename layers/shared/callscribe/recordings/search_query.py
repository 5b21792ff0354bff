"""What a recording is found by: its numbers, its call id, the beginning of its file's name."""

from dataclasses import dataclass

from callscribe.call_metadata.metadata import CallMetadata
from callscribe.call_metadata.phone_numbers import digits_only, parse_phone_number
from callscribe.recordings.recording import ID_PATTERN, MAX_KEY_BYTES, Recording

MAX_NUMBERS = 3
"""Different numbers that one call has at most: who called, who was called, and the extension that took it."""

SUFFIX_DIGITS = 4
"""Last digits by which numbers are indexed: of a longer number, fewer find nothing."""

MIN_UNAMBIGUOUS_DIGITS = 7
"""So many last digits tell a number apart, whatever is dialled before it: +1 202 555 0143 is 2025550143."""


def number_suffix(digits: str) -> str:
    """What numbers are indexed by: the last four digits, or all of an extension that has fewer."""
    return digits[-SUFFIX_DIGITS:]


def extract_numbers(metadata: CallMetadata) -> tuple[str, ...]:
    """The digits of each number of a call, once each: of caller, callee, the outside number, the extension."""
    numbers = (metadata.caller, metadata.callee, metadata.remote_number, metadata.extension)
    digits = dict.fromkeys(digits_only(number) for number in numbers if number)
    return tuple(number for number in digits if number)[:MAX_NUMBERS]


def is_same_number(digits: str, query_digits: str) -> bool:
    """Whether a number of these digits is the one that is asked for, both without anything but digits.

    By its last digits, four or more; fewer are an extension, which is the same or not. Two numbers that end alike are
    the same where one of them was written with more before it: a country's code, a zero.
    """
    if number_suffix(digits) != number_suffix(query_digits):
        return False
    if digits.endswith(query_digits):
        return True
    one, other = digits.lstrip("0"), query_digits.lstrip("0")
    return min(len(one), len(other)) >= MIN_UNAMBIGUOUS_DIGITS and (one.endswith(other) or other.endswith(one))


def normalise_file_name(key: str) -> str:
    """A file's name as it is compared, in small letters: as long as DynamoDB allows for a sort key."""
    name = key.rpartition("/")[2].casefold()
    return name.encode()[:MAX_KEY_BYTES].decode(errors="ignore")


def normalise_call_id(call_id: str | None) -> str:
    """A call id as it is compared; empty where there is none, or none that an index could hold."""
    text = (call_id or "").strip().casefold()
    return text if len(text.encode()) <= MAX_KEY_BYTES else ""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What is looked for. Each part may be empty; a recording is found by any of them."""

    id: str = ""
    """Of one recording, which is then the only one."""
    number: str = ""
    """Digits."""
    call_id: str = ""
    file_name: str = ""
    """What the file's name begins with."""

    @classmethod
    def parse(cls, text: str) -> "SearchQuery":
        """What a person typed, who does not say what it is: a number only where it looks like one."""
        text = text.strip()
        return cls(
            id=text.lower() if ID_PATTERN.fullmatch(text.lower()) else "",
            number=digits_only(parse_phone_number(text) or ""),
            call_id=normalise_call_id(text),
            file_name=normalise_file_name(text),
        )

    def matching_indexes(self, recording: Recording) -> list[str]:
        """By which indexes this finds the recording, in the order of WAYS."""
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
"""The indexes. What several find is shown as the first one finds it, and so once."""
