"""What a recording is found by: its numbers, its call id, the beginning of its file's name."""

from dataclasses import dataclass

from callscribe.metadata import CallMetadata
from callscribe.numbers import digits_of, number
from callscribe.recording import ID, LONGEST_KEY, Recording

NUMBERS = 3
"""Different numbers that one call has at most: who called, who was called, and the extension that took it."""

TAIL = 4
"""Last digits by which numbers are indexed: of a longer number, fewer find nothing."""

SURE = 7
"""So many last digits tell a number apart, whatever is dialled before it: +1 202 555 0143 is 2025550143."""


def tail_of(digits: str) -> str:
    """What numbers are indexed by: the last four digits, or all of an extension that has fewer."""
    return digits[-TAIL:]


def numbers_of(metadata: CallMetadata) -> tuple[str, ...]:
    """The digits of each number of a call, once each: of caller, callee, the outside number, the extension."""
    known = (metadata.caller, metadata.callee, metadata.remote_number, metadata.extension)
    digits = dict.fromkeys(digits_of(each) for each in known if each)
    return tuple(each for each in digits if each)[:NUMBERS]


def matches(digits: str, asked: str) -> bool:
    """Whether a number of these digits is the one that is asked for, both without anything but digits.

    By its last digits, four or more; fewer are an extension, which is the same or not. Two numbers that end alike are
    the same where one of them was written with more before it: a country's code, a zero.
    """
    if tail_of(digits) != tail_of(asked):
        return False
    if digits.endswith(asked):
        return True
    one, other = digits.lstrip("0"), asked.lstrip("0")
    return min(len(one), len(other)) >= SURE and (one.endswith(other) or other.endswith(one))


def name_of(key: str) -> str:
    """A file's name as it is compared, in small letters: as long as DynamoDB allows for a sort key."""
    name = key.rpartition("/")[2].casefold()
    return name.encode()[:LONGEST_KEY].decode(errors="ignore")


def call_of(call_id: str | None) -> str:
    """A call id as it is compared; empty where there is none, or none that an index could hold."""
    text = (call_id or "").strip().casefold()
    return text if len(text.encode()) <= LONGEST_KEY else ""


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for. Each part may be empty; a recording is found by any of them."""

    id: str = ""
    """Of one recording, which is then the only one."""
    number: str = ""
    """Digits."""
    call: str = ""
    name: str = ""
    """What the file's name begins with."""

    @classmethod
    def anywhere(cls, text: str) -> "Sought":
        """What a person typed, who does not say what it is: a number only where it looks like one."""
        text = text.strip()
        return cls(
            id=text.lower() if ID.fullmatch(text.lower()) else "",
            number=digits_of(number(text) or ""),
            call=call_of(text),
            name=name_of(text),
        )

    def ways(self, recording: Recording) -> list[str]:
        """By which indexes this finds the recording, in the order of WAYS."""
        numbers = numbers_of(recording.metadata) if self.number else ()
        found = {way: matches(digits, self.number) for way, digits in zip(BY_NUMBER, numbers, strict=False)}
        found[BY_CALL] = bool(self.call) and call_of(recording.metadata.call_id) == self.call
        found[BY_NAME] = bool(self.name) and name_of(recording.key).startswith(self.name)
        return [way for way in WAYS if found.get(way)]


BY_CALL, BY_NAME = "by-call", "by-name"
BY_NUMBER = tuple(f"by-number-{number}" for number in range(1, NUMBERS + 1))
WAYS = (BY_CALL, *BY_NUMBER, BY_NAME)
"""The indexes. What several find is shown as the first one finds it, and so once."""
