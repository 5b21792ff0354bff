"""The Accept header, as RFC 9110 section 12.5.1 reads it: which of several media types a client likes best."""

import re
from collections.abc import Sequence
from contextlib import suppress

MEDIA_RANGE = re.compile(r"[^\s/]+/[^\s/]+")


def best(accept: str, offered: Sequence[str]) -> str | None:
    """The best liked of the `offered` media types, and the first of those that are liked alike; None when none is.

    A client that says nothing, or nothing that can be understood, takes anything. Parameters other than q are passed
    over: `text/vtt; charset=utf-8` is `text/vtt`.
    """
    likings = _likings(accept) or {"*/*": 1.0}

    def liking(media_type: str) -> float:
        ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")  # what is said most exactly counts
        return next((likings[each] for each in ranges if each in likings), 0.0)

    favourite = max(offered, key=liking)
    return favourite if liking(favourite) > 0 else None


def _likings(accept: str) -> dict[str, float]:
    """The q-values by media range: `text/*;q=0.5` is {"text/*": 0.5}. Java calls `*/*` a `*`, and 0.2 a `.2`."""
    found: dict[str, float] = {}
    for part in accept.lower().split(","):
        media_range, *parameters = (each.strip() for each in part.split(";"))
        media_range = "*/*" if media_range == "*" else media_range
        weights = [each[2:] for each in parameters if each.startswith("q=")] or ["1"]
        with suppress(ValueError):
            weight = float(weights[0])
            if MEDIA_RANGE.fullmatch(media_range) and 0 <= weight <= 1:
                found[media_range] = max(weight, found.get(media_range, 0.0))
    return found
