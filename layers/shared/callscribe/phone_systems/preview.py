"""How far a site's names are understood, before a setting is kept."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from callscribe.call_metadata.metadata import CallMetadata, Provenance

MAX_EXAMPLES = 20
"""Names that are shown of those that were not understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilenamePreview:
    """Of `names` in all, `understood` told something of the call, `by_pattern` of these by a pattern of the site's own.

    `systems` counts those whose phone system was recognised. `not_understood` are examples, in the order given.
    """

    names: int
    understood: int
    by_pattern: int
    systems: Mapping[str, int]
    not_understood: tuple[str, ...]


def preview_filenames(names: Iterable[str], extract_metadata: Callable[[str], CallMetadata]) -> FilenamePreview:
    """Each name once. Each tells something if any field of the call is known."""
    counts: Counter[str] = Counter()
    systems: Counter[str] = Counter()
    not_understood: list[str] = []
    for name in names:
        counts["names"] += 1
        metadata = extract_metadata(name)
        if metadata.phone_system:
            systems[metadata.phone_system] += 1
        if metadata.non_empty():
            counts["understood"] += 1
            counts["by_pattern"] += Provenance.PATTERN in metadata.provenance.values()
        elif len(not_understood) < MAX_EXAMPLES:
            not_understood.append(name)
    return FilenamePreview(
        names=counts["names"],
        understood=counts["understood"],
        by_pattern=counts["by_pattern"],
        systems=dict(systems.most_common()),
        not_understood=tuple(not_understood),
    )
