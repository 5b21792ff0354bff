"""How far a site's names are understood, before a setting is kept."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from callscribe.metadata import CallMetadata, Origin

EXAMPLES = 20
"""Names that are shown of those that were not understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Of `names` in all, `understood` told something of the call, `by_pattern` of these by a pattern of the site's own.

    `systems` counts those whose phone system was recognised. `not_understood` are examples, in the order given.
    """

    names: int
    understood: int
    by_pattern: int
    systems: Mapping[str, int]
    not_understood: tuple[str, ...]


def previewed(names: Iterable[str], read: Callable[[str], CallMetadata]) -> Preview:
    """Each name once. Each tells something if any field of the call is known."""
    counts: Counter[str] = Counter()
    systems: Counter[str] = Counter()
    not_understood: list[str] = []
    for name in names:
        counts["names"] += 1
        found = read(name)
        if found.phone_system:
            systems[found.phone_system] += 1
        if found.known():
            counts["understood"] += 1
            counts["by_pattern"] += Origin.PATTERN in found.origins.values()
        elif len(not_understood) < EXAMPLES:
            not_understood.append(name)
    return Preview(
        names=counts["names"],
        understood=counts["understood"],
        by_pattern=counts["by_pattern"],
        systems=dict(systems.most_common()),
        not_understood=tuple(not_understood),
    )
