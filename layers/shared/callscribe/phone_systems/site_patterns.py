"""A site's own pattern: a regular expression with named groups, for names that no built-in form understands.

A person writes it and every new name meets it, so it runs in RE2, whose time grows with the length of the name alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from callscribe import moments
from callscribe.errors import ConfigurationError
from callscribe.metadata import CallMetadata, Origin, combined
from callscribe.numbers import digits_of, extension_of, number
from callscribe.phone_systems.form import from_groups

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 1000
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

_SIDES = ("direction", "caller", "callee", "extension", "remote_number", "party", "kind")
_WHEN = ("started_at", "utc_offset")
_ID = ("call_id",)

_FAULTS = {
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
class SitePattern:
    """Made by `parse`, which checks it. It is searched for in the whole path: `^`, `$` and `/` tie it down."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ConfigurationError, in a person's words."""
        shown = text if len(text) <= 60 else text[:60] + "…"  # noqa: PLR2004
        if not text.strip():
            raise ConfigurationError("A pattern is empty: remove it, or write one.")
        if len(text) > LONGEST:
            raise ConfigurationError(f"The pattern {shown} has {len(text)} characters; it may have {LONGEST}.")
        names = _groups_of(text, shown)
        unknown = [name for name in names if name not in GROUPS]
        if unknown:
            from difflib import get_close_matches

            near = get_close_matches(unknown[0], GROUPS, 1, cutoff=0.5)
            hint = f"Did you mean {near[0]}?" if near else "Known are: " + ", ".join(GROUPS) + "."
            raise ConfigurationError(f"The pattern {shown} has a group named {unknown[0]}, which is not known. {hint}")
        if not names:
            raise ConfigurationError(
                f"The pattern {shown} has no named group, so nothing would be read. "
                "Name what it finds: (?P<caller>[0-9]+). Known are: " + ", ".join(GROUPS) + "."
            )
        if "time" in names and "date" not in names:
            raise ConfigurationError(f"The pattern {shown} has a group time without a group date: name both.")
        return cls(text)

    def read(self, path: str) -> CallMetadata | None:
        """What it finds in the path; None if it does not match. Numbers and dates that are none are left out."""
        # names that are not UTF-8 arrive from a folder as surrogates, of which RE2 knows nothing
        groups = _search(self.text)(path.encode(errors="replace").decode())
        if groups is None:
            return None
        found = from_groups(groups)
        if groups.get("started_at"):
            found = replace(found, started_at=moments.written(groups["started_at"] or ""))
        if found.extension is None:
            found = replace(found, extension=extension_of(found))
        return found.read_in(Origin.PATTERN)


def completed(told: CallMetadata, built_in: CallMetadata) -> CallMetadata:
    """What a pattern told, with what the built-in forms read besides, as far as the two do not contradict.

    Sides, time and id of the call are taken on their own: who sees the sides otherwise can be right on the time.
    """
    merged = told
    for group in (("phone_system",), _SIDES, _WHEN, _ID):
        if all(_agree(getattr(told, each), getattr(built_in, each)) for each in group):
            values = {name: value for name, value in built_in.known().items() if name in group}
            origins = {name: origin for name, origin in built_in.origins.items() if name in values}
            merged = combined(merged, CallMetadata(**values, origins=origins))
    return merged


def _agree(one: object, other: object) -> bool:
    if isinstance(one, str) and isinstance(other, str) and number(one) and number(other):
        return digits_of(one) == digits_of(other)
    return one is None or other is None or one == other


def _groups_of(text: str, shown: str) -> list[str]:
    """Raises ConfigurationError for what RE2 refuses."""
    import re2

    try:
        return list(re2.compile(text, _options()).groupindex)
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error.args[0])
        reason = next((words for start, words in _FAULTS.items() if said.startswith(start)), said)
        where = said.rpartition(": ")[2]
        raise ConfigurationError(f"The pattern {shown} cannot be used, because of {where}: {reason}.") from error


@lru_cache(maxsize=64)
def _search(text: str) -> "Callable[[str], Mapping[str, str | None] | None]":
    """Compiled once: it runs on every new name."""
    import re2

    search = re2.compile(text, _options()).search

    def groups(path: str) -> Mapping[str, str | None] | None:
        match = search(path)
        return None if match is None else match.groupdict()

    return groups


def _options() -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    return options
