"""A site's own pattern: a regular expression with named groups, for names that no built-in form understands.

A person writes it and every new name meets it, so it runs in RE2, whose time grows with the length of the name alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from callscribe.call_metadata import timestamps
from callscribe.call_metadata.metadata import CallMetadata, Provenance, merge
from callscribe.call_metadata.phone_numbers import digits_only, find_local_extension, parse_phone_number
from callscribe.errors import ConfigurationError
from callscribe.phone_systems.filename_pattern import metadata_from_groups

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PATTERN_LENGTH = 1000
"""Characters of a pattern."""

GROUPS: Mapping[str, str] = {
    "direction": "in, out, inbound, outbound, incoming, outgoing, i, o, internal",
    "caller": "the number that called",
    "callee": "the number that was called",
    "extension": "the extension on our side",
    "remote_number": "the outside number, where it is not known which side called",
    "call_id": "the phone system's id of the call",
    "party": "the other side's name",
    "date": "20230517, 2023-05-17, 17-05-2023, 230517",
    "time": "142530, 14:25:30, 14-25-30, 1425",
    "zone": "Z, UTC, +0200 (with date and time)",
    "epoch": "seconds or milliseconds since 1970, instead of date and time",
    "started_at": "date and time in one: 20230517-142530, 2023-05-17T14:25:30Z, 20230517142530",
}
"""The groups that a pattern may have, and what each of them is read from."""

_SIDE_FIELDS = ("direction", "caller", "callee", "extension", "remote_number", "party", "kind")
_TIME_FIELDS = ("started_at", "utc_offset")
_ID_FIELDS = ("call_id",)

_RE2_ERRORS = {
    "invalid perl operator": "(?=…), (?!…), (?<=…) and (?<!…) cannot be used: say what is there, not what is around it",
    "invalid escape sequence": "\\1 and other references back to a group cannot be used, nor escapes that are none",
    "missing )": "a bracket is opened and not closed",
    "unexpected )": "a bracket is closed that was not opened",
    "missing ]": "a set of characters [ is not closed",
    "no argument for repetition operator": "*, + or ? stands where there is nothing to repeat",
    "invalid repetition size": "{…} may repeat no more than 1000 times",
    "bad repetition operator": "*, + and ? cannot follow each other: ++, *+ and the like cannot be used",
    "invalid character class range": "a range such as [a-z] has its ends the wrong way round",
    "invalid named capture": "a group is named (?P<name>…)",
    "pattern too large": "it repeats too much: make the numbers in {…} smaller",
}
"""What RE2 says of a pattern, and what a person can do."""


@dataclass(frozen=True, slots=True)
class CustomPattern:
    """Made by `parse`, which checks it. It is searched for in the whole path: `^`, `$` and `/` tie it down."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ConfigurationError, in a person's words."""
        excerpt = text if len(text) <= 60 else text[:60] + "…"  # noqa: PLR2004
        if not text.strip():
            raise ConfigurationError("A pattern is empty: remove it, or write one.")
        if len(text) > MAX_PATTERN_LENGTH:
            raise ConfigurationError(
                f"The pattern {excerpt} has {len(text)} characters; it may have {MAX_PATTERN_LENGTH}."
            )
        names = _group_names(text, excerpt)
        unknown = [name for name in names if name not in GROUPS]
        if unknown:
            from difflib import get_close_matches

            suggestions = get_close_matches(unknown[0], GROUPS, 1, cutoff=0.5)
            hint = f"Did you mean {suggestions[0]}?" if suggestions else "Known are: " + ", ".join(GROUPS) + "."
            raise ConfigurationError(
                f"The pattern {excerpt} has a group named {unknown[0]}, which is not known. {hint}"
            )
        if not names:
            raise ConfigurationError(
                f"The pattern {excerpt} has no named group, so nothing would be read. "
                "Name what it finds: (?P<caller>[0-9]+). Known are: " + ", ".join(GROUPS) + "."
            )
        if "time" in names and "date" not in names:
            raise ConfigurationError(f"The pattern {excerpt} has a group time without a group date: name both.")
        return cls(text)

    def extract_metadata(self, path: str) -> CallMetadata | None:
        """What it finds in the path; None if it does not match. Numbers and dates that are none are left out."""
        # names that are not UTF-8 arrive from a folder as surrogates, of which RE2 knows nothing
        groups = _compile_search(self.text)(path.encode(errors="replace").decode())
        if groups is None:
            return None
        metadata = metadata_from_groups(groups)
        if groups.get("started_at"):
            metadata = replace(metadata, started_at=timestamps.parse_timestamp(groups["started_at"] or ""))
        if metadata.extension is None:
            metadata = replace(metadata, extension=find_local_extension(metadata))
        return metadata.with_provenance(Provenance.PATTERN)


def merge_built_in(custom: CallMetadata, built_in: CallMetadata) -> CallMetadata:
    """What a pattern told, with what the built-in forms read besides, as far as the two do not contradict.

    Sides, time and id of the call are taken on their own: who sees the sides otherwise can be right on the time.
    """
    merged = custom
    for group in (("phone_system",), _SIDE_FIELDS, _TIME_FIELDS, _ID_FIELDS):
        if all(_is_consistent(getattr(custom, each), getattr(built_in, each)) for each in group):
            values = {name: value for name, value in built_in.non_empty().items() if name in group}
            provenance_by_field = {
                name: provenance for name, provenance in built_in.provenance.items() if name in values
            }
            merged = merge(merged, CallMetadata(**values, provenance=provenance_by_field))
    return merged


def _is_consistent(one: object, other: object) -> bool:
    if isinstance(one, str) and isinstance(other, str) and parse_phone_number(one) and parse_phone_number(other):
        return digits_only(one) == digits_only(other)
    return one is None or other is None or one == other


def _group_names(text: str, excerpt: str) -> list[str]:
    """Raises ConfigurationError for what RE2 refuses."""
    import re2

    try:
        return list(re2.compile(text, _re2_options()).groupindex)
    except (re2.error, UnicodeEncodeError) as error:
        message = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error.args[0])
        reason = next(
            (explanation for prefix, explanation in _RE2_ERRORS.items() if message.startswith(prefix)), message
        )
        fragment = message.rpartition(": ")[2]
        raise ConfigurationError(f"The pattern {excerpt} cannot be used, because of {fragment}: {reason}.") from error


@lru_cache(maxsize=64)
def _compile_search(text: str) -> "Callable[[str], Mapping[str, str | None] | None]":
    """Compiled once: it runs on every new name."""
    import re2

    search = re2.compile(text, _re2_options()).search

    def search_groups(path: str) -> Mapping[str, str | None] | None:
        match = search(path)
        return None if match is None else match.groupdict()

    return search_groups


def _re2_options() -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    return options
