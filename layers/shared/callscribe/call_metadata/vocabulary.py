"""Words of which many mean one thing: keys of a record, directions of a call, and what says that somebody is nobody."""

import re

from callscribe.call_metadata.metadata import Direction

SEPARATORS = re.compile(r"[\W_]+")

_DIRECTION_WORDS = {
    Direction.INBOUND: "in i inbound incoming received inboundcall incomingcall",
    Direction.OUTBOUND: "out o outbound outgoing dialed dialled outboundapi outbounddial outboundcall outgoingcall",
    Direction.INTERNAL: "internal int local intercom internalcall",
}
DIRECTION_BY_WORD = {word: direction for direction, words in _DIRECTION_WORDS.items() for word in words.split()}
"""By the words for them, as `plain` has them."""

ANONYMOUS = frozenset(
    "null none unknown undefined anonymous private restricted unavailable withheld blocked".split()  # noqa: SIM905 — legible
)

MEANINGFUL_CHARACTER = re.compile(r"[A-Za-z0-9]|[^\0-\x7f]")
NAME_CHARACTER = re.compile(r"[A-Za-z]|[^\0-\x7f]")
"""A name has a letter, or what stands for one elsewhere: `-2`, a date or a phone number is nobody's."""


def normalise_key(text: str) -> str:
    """`callerIdNumber`, `caller_id_number` and `Caller ID Number` are the same."""
    return SEPARATORS.sub("", text).lower()


def parse_direction(word: str) -> Direction | None:
    """None for a word that tells none."""
    return DIRECTION_BY_WORD.get(normalise_key(word))


def clean_text(text: str) -> str | None:
    """The text without the space around it; None if it says that there is nothing to tell."""
    text = text.strip()
    return text if MEANINGFUL_CHARACTER.search(text) and normalise_key(text) not in ANONYMOUS else None


def person_name(text: str | None) -> str | None:
    """The text if it names somebody."""
    cleaned = clean_text(text or "")
    return cleaned if cleaned and NAME_CHARACTER.search(cleaned) else None
