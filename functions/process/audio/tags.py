"""Extract call metadata from the tags in an audio file, such as ID3, under the names that FFmpeg gives them."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from callscribe.call_metadata.metadata import CallMetadata, Provenance, normalise_key
from callscribe.sidecars.field_parsers import (
    FIELD_ALIASES,
    metadata_from_record,
    parse_name_value,
    parse_number_value,
    parse_timestamp_value,
)
from callscribe.transcripts.transcript import MAX_DURATION_SECONDS

MAX_TAG_LENGTH = 4_096
"""Characters. Longer tags are ignored."""

TAGGED_FIELDS = ("caller", "callee", "extension", "direction", "started_at", "call_id")
"""Fields that may have their own tag."""

DATE_TAGS = frozenset(("date", "datetime", "timestamp", "time"))
AMBIGUOUS_TAGS = DATE_TAGS | frozenset(("from", "to", "src", "dst", "start", "guid", "uuid", "did", "cid"))
"""Tags that may mean something else. In a comment made only of pairs they are trusted, except dates."""

UNAMBIGUOUS_TAGS = frozenset(name for field in TAGGED_FIELDS for name in FIELD_ALIASES[field]) - AMBIGUOUS_TAGS

PAIR_SEPARATOR = re.compile(r"[;|\n]")
PAIR = re.compile(r"([A-Za-z][A-Za-z _-]{0,39}?)\s*[:=]\s*(.*)", re.DOTALL)

SDRTRUNK_KEYS = frozenset({"date", "system", "frequency"})
"""Keys that every comment of SDRTrunk contains."""

TALKGROUP = re.compile(r'(?:P:?)?([0-9]{1,10})(?:\s*"([^"]*)")?\s*')
RADIO_ID = re.compile(r"([0-9]{1,10})(?:\s.*)?", re.DOTALL)


def extract_metadata(tags: Mapping[str, str], duration: float | None = None) -> CallMetadata:
    """The unambiguous metadata in tags, with provenance TAGS; free text is not searched for numbers.

    `duration`: of the audio, in seconds.
    """
    normalised = {normalise_key(name): value for name, value in tags.items() if len(value) <= MAX_TAG_LENGTH}
    comment = _parse_pairs(normalised.get("comment", ""))
    if comment.keys() >= SDRTRUNK_KEYS:
        return _read_sdrtrunk(normalised, comment, duration).with_provenance(Provenance.TAGS)
    unambiguous = {name: value for name, value in normalised.items() if name in UNAMBIGUOUS_TAGS}
    return metadata_from_record(_trusted_pairs(comment) | unambiguous).with_provenance(Provenance.TAGS)


def _trusted_pairs(comment: dict[str, str]) -> dict[str, str]:
    """The pairs of a comment without its dates, which may mean anything; {} if it contains no number."""
    metadata = metadata_from_record(comment)
    has_number = metadata.caller or metadata.callee or metadata.remote_number or metadata.extension
    return {name: value for name, value in comment.items() if name not in DATE_TAGS} if has_number else {}


def _parse_pairs(comment: str) -> dict[str, str]:
    """The pairs in `From: 100; To: 200` or `caller=100`; {} unless the whole comment consists of pairs."""
    pairs = [PAIR.fullmatch(part.strip()) for part in PAIR_SEPARATOR.split(comment) if part.strip()]
    return {normalise_key(pair[1]): pair[2] for pair in pairs if pair} if all(pairs) else {}


def _read_sdrtrunk(tags: Mapping[str, str], comment: Mapping[str, str], duration: float | None) -> CallMetadata:
    """SDRTrunk's tags: title is the talkgroup called, artist the calling radio, and date the end of the call."""
    talkgroup = TALKGROUP.fullmatch(tags.get("title", ""))
    radio = RADIO_ID.fullmatch(tags.get("artist", ""))
    return CallMetadata(
        phone_system="sdrtrunk",
        caller=parse_number_value(radio[1]) if radio else None,
        callee=parse_number_value(talkgroup[1]) if talkgroup else None,
        started_at=_start_from_end(parse_timestamp_value(comment["date"]), duration),
        kind="radio",
        party=parse_name_value(talkgroup[2]) if talkgroup else None,
    )


def _start_from_end(end: datetime | date | None, duration: float | None) -> datetime | None:
    """The start, to the millisecond; None if the end or the duration is unknown."""
    if not isinstance(end, datetime) or duration is None or not 0 <= duration <= MAX_DURATION_SECONDS:
        return None
    return end - timedelta(milliseconds=round(duration * 1000))
