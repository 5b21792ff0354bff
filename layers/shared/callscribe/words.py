"""Words of which many mean one thing: keys of a record, directions of a call, and what says that somebody is nobody."""

import re

from callscribe.metadata import Direction

SEPARATORS = re.compile(r"[\W_]+")

_DIRECTIONS = {
    Direction.INBOUND: "in i inbound incoming received inboundcall incomingcall",
    Direction.OUTBOUND: "out o outbound outgoing dialed dialled outboundapi outbounddial outboundcall outgoingcall",
    Direction.INTERNAL: "internal int local intercom internalcall",
}
DIRECTIONS = {word: direction for direction, words in _DIRECTIONS.items() for word in words.split()}
"""By the words for them, as `plain` has them."""

NOBODY = frozenset(
    "null none unknown undefined anonymous private restricted unavailable withheld blocked".split()  # noqa: SIM905 — legible
)

SAYING = re.compile(r"[A-Za-z0-9]|[^\0-\x7f]")
NAMING = re.compile(r"[A-Za-z]|[^\0-\x7f]")
"""A name has a letter, or what stands for one elsewhere: `-2`, a date or a phone number is nobody's."""


def plain(text: str) -> str:
    """`callerIdNumber`, `caller_id_number` and `Caller ID Number` are the same."""
    return SEPARATORS.sub("", text).lower()


def direction_of(word: str) -> Direction | None:
    """None for a word that tells none."""
    return DIRECTIONS.get(plain(word))


def told(text: str) -> str | None:
    """The text without the space around it; None if it says that there is nothing to tell."""
    text = text.strip()
    return text if SAYING.search(text) and plain(text) not in NOBODY else None


def person(text: str | None) -> str | None:
    """The text if it names somebody."""
    found = told(text or "")
    return found if found and NAMING.search(found) else None
