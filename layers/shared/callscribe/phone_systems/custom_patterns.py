"""Custom patterns: regular expressions with named groups, for names that no built-in pattern understands.

An operator writes them and every new name is matched against them, so they run in RE2, which takes linear time.
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
    "remote_number": "the number of the other party, if it is not known who called",
    "call_id": "the phone system's ID of the call",
    "party": "the name of the other party",
    "date": "20230517, 2023-05-17, 17-05-2023, 230517",
    "time": "142530, 14:25:30, 14-25-30, 1425",
    "zone": "Z, UTC, +0200 (with date and time)",
    "epoch": "seconds or milliseconds since 1970, instead of date and time",
    "started_at": "date and time in one: 20230517-142530, 2023-05-17T14:25:30Z, 20230517142530",
}
"""The groups that a pattern may have, and what each of them matches."""

_SIDE_FIELDS = ("direction", "caller", "callee", "extension", "remote_number", "party", "kind")
_TIME_FIELDS = ("started_at", "utc_offset")
_ID_FIELDS = ("call_id",)

_RE2_ERRORS = {
    "invalid perl operator": "lookaround such as (?=…), (?!…), (?<=…) and (?<!…) is not supported",
    "invalid escape sequence": "backreferences such as \\1 and unknown escapes are not supported",
    "missing )": "a parenthesis is not closed",
    "unexpected )": "a parenthesis is closed that was not opened",
    "missing ]": "a character set [ is not closed",
    "no argument for repetition operator": "there is nothing to repeat before *, + or ?",
    "invalid repetition size": "{…} may repeat at most 1000 times",
    "bad repetition operator": "*, + and ? cannot follow each other, as in ++ or *+",
    "invalid character class range": "the ends of a range such as [a-z] are in the wrong order",
    "invalid named capture": "a named group is written (?P<name>…)",
    "pattern too large": "it repeats too much: use smaller numbers in {…}",
}
"""How an error message of RE2 begins, and the explanation that the operator gets."""


@dataclass(frozen=True, slots=True)
class CustomPattern:
    """A pattern that `parse` has validated. It is searched for in the whole path; `^`, `$` and `/` anchor it."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Validate a pattern.

        Raises: ConfigurationError, with a message for the operator.
        """
        excerpt = text if len(text) <= 60 else text[:60] + "…"  # noqa: PLR2004
        if not text.strip():
            raise ConfigurationError("A pattern is empty. Remove it.")
        if len(text) > MAX_PATTERN_LENGTH:
            raise ConfigurationError(
                f"The pattern {excerpt} has {len(text)} characters; the maximum is {MAX_PATTERN_LENGTH}."
            )
        names = _group_names(text, excerpt)
        unknown = [name for name in names if name not in GROUPS]
        if unknown:
            from difflib import get_close_matches

            suggestions = get_close_matches(unknown[0], GROUPS, 1, cutoff=0.5)
            hint = f"Did you mean {suggestions[0]}?" if suggestions else "Use one of: " + ", ".join(GROUPS) + "."
            raise ConfigurationError(f"The pattern {excerpt} has an unknown group, {unknown[0]}. {hint}")
        if not names:
            raise ConfigurationError(
                f"The pattern {excerpt} has no named group, so it would extract nothing. "
                "Add one, such as (?P<caller>[0-9]+). Use one of: " + ", ".join(GROUPS) + "."
            )
        if "time" in names and "date" not in names:
            raise ConfigurationError(f"The pattern {excerpt} has a group time but no group date. Add one.")
        return cls(text)

    def extract_metadata(self, path: str) -> CallMetadata | None:
        """The metadata in the path, or None if the pattern does not match. Invalid numbers and dates are left out."""
        # names from a folder that are not UTF-8 contain surrogates, which RE2 does not accept
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
    """Complete the metadata of a custom pattern with that of the built-in patterns, where the two do not conflict.

    The parties, the time and the id of the call are compared separately: if the parties conflict, the time may still
    be right.
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


def _is_consistent(custom: object, built_in: object) -> bool:
    if custom is None or built_in is None or custom == built_in:
        return True
    if not isinstance(custom, str) or not isinstance(built_in, str):
        return False
    is_number = parse_phone_number(custom) and parse_phone_number(built_in)
    return bool(is_number) and digits_only(custom) == digits_only(built_in)


def _group_names(text: str, excerpt: str) -> list[str]:
    """The names of the pattern's groups.

    Raises: ConfigurationError, if RE2 does not accept the pattern.
    """
    import re2

    try:
        return list(re2.compile(text, _re2_options()).groupindex)
    except (re2.error, UnicodeEncodeError) as error:
        message = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error.args[0])
        reason = next(
            (explanation for prefix, explanation in _RE2_ERRORS.items() if message.startswith(prefix)), message
        )
        fragment = message.rpartition(": ")[2]
        raise ConfigurationError(f"The pattern {excerpt} is invalid at {fragment}: {reason}.") from error


@lru_cache(maxsize=64)
def _compile_search(text: str) -> "Callable[[str], Mapping[str, str | None] | None]":
    """Compile a pattern once, because it runs on every new name; returns a function from a path to its groups."""
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
