"""What a client can read, as RFC 9110 section 12.5 has it: the media type that it likes best, and content codings."""

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


def takes(accept_encoding: str, coding: str) -> bool:
    """Whether content may come in this coding. A client that says nothing is sent it as it is."""
    weights = _weights(accept_encoding)
    return weights.get(coding, weights.get("*", 0.0)) > 0


def _likings(accept: str) -> dict[str, float]:
    """The q-values by media range. Java calls `*/*` a `*`."""
    named = (("*/*" if name == "*" else name, weight) for name, weight in _weights(accept).items())
    return {name: weight for name, weight in named if MEDIA_RANGE.fullmatch(name)}


def _weights(header: str) -> dict[str, float]:
    """The q-values by name, the highest of each: `text/*;q=0.5` is {"text/*": 0.5}. Java calls 0.2 a `.2`."""
    found: dict[str, float] = {}
    for part in header.lower().split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        weights = [each[2:] for each in parameters if each.startswith("q=")] or ["1"]
        with suppress(ValueError):
            weight = float(weights[0])
            if 0 <= weight <= 1:
                found[name] = max(weight, found.get(name, 0.0))
    return found
