"""What the tags within an audio file say of the call: ID3 and the like, under the names that FFmpeg gives them."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from callscribe.metadata import CallMetadata, Origin
from callscribe.sidecars.fields import SPELLINGS, metadata_in
from callscribe.sidecars.values import moment_in, name_in, number_in
from callscribe.transcript import LONGEST_RECORDING
from callscribe.words import plain

LONGEST = 4_096
"""Characters of a tag that is looked at."""

OWN_NAME = ("caller", "callee", "extension", "direction", "started_at", "call_id")
"""Fields that may have a tag of their own."""

DATES = frozenset(("date", "datetime", "timestamp", "time"))
UNCLEAR = DATES | frozenset(("from", "to", "src", "dst", "start", "guid", "uuid", "did", "cid"))
"""Names of tags that mean other things too. In a comment that consists of such pairs, those of numbers are clear."""

CLEAR = frozenset(name for field in OWN_NAME for name in SPELLINGS[field]) - UNCLEAR

PAIRS = re.compile(r"[;|\n]")
PAIR = re.compile(r"([A-Za-z][A-Za-z _-]{0,39}?)\s*[:=]\s*(.*)", re.DOTALL)

RADIO = frozenset({"date", "system", "frequency"})
"""What a comment of SDRTrunk always says."""

TALKGROUP = re.compile(r'(?:P:?)?([0-9]{1,10})(?:\s*"([^"]*)")?\s*')
RADIO_ID = re.compile(r"([0-9]{1,10})(?:\s.*)?", re.DOTALL)


def read(tags: Mapping[str, str], duration: float | None = None) -> CallMetadata:
    """What tags say clearly; free text is not searched for numbers. `duration` of the audio in seconds.

    The fields have the origin TAGS.
    """
    plainly = {plain(name): value for name, value in tags.items() if len(value) <= LONGEST}
    comment = _pairs(plainly.get("comment", ""))
    if comment.keys() >= RADIO:
        return _radio(plainly, comment, duration).read_in(Origin.TAGS)
    own = {name: value for name, value in plainly.items() if name in CLEAR}
    return metadata_in(_numbers(comment) | own).read_in(Origin.TAGS)


def _numbers(comment: dict[str, str]) -> dict[str, str]:
    """The comment if it says who called, without its dates: nobody knows of what they are."""
    found = metadata_in(comment)
    said = found.caller or found.callee or found.remote_number or found.extension
    return {name: value for name, value in comment.items() if name not in DATES} if said else {}


def _pairs(comment: str) -> dict[str, str]:
    """`From: 100; To: 200` or `caller=100`; nothing unless all of the comment is such pairs."""
    pairs = [PAIR.fullmatch(part.strip()) for part in PAIRS.split(comment) if part.strip()]
    return {plain(pair[1]): pair[2] for pair in pairs if pair} if all(pairs) else {}


def _radio(tags: Mapping[str, str], comment: Mapping[str, str], duration: float | None) -> CallMetadata:
    """The title is the talkgroup that was called, the artist the radio that called it. The date is the call's end."""
    group = TALKGROUP.fullmatch(tags.get("title", ""))
    radio = RADIO_ID.fullmatch(tags.get("artist", ""))
    return CallMetadata(
        phone_system="sdrtrunk",
        caller=number_in(radio[1]) if radio else None,
        callee=number_in(group[1]) if group else None,
        started_at=_before(moment_in(comment["date"]), duration),
        kind="radio",
        party=name_in(group[2]) if group else None,
    )


def _before(end: datetime | date | None, duration: float | None) -> datetime | None:
    """To the millisecond; None where the length of the call is not known."""
    if not isinstance(end, datetime) or duration is None or not 0 <= duration <= LONGEST_RECORDING:
        return None
    return end - timedelta(milliseconds=round(duration * 1000))
