"""What a client can read: the media type that it prefers (RFC 9110, section 12.5.1), and content codings."""

from collections.abc import Sequence
from contextlib import suppress


def best_match(accept: str, offered: Sequence[str]) -> str | None:
    """The preferred one of the `offered` media types, the first of equals; None when none is acceptable."""
    weights = _parse_q_values(accept) or {"*/*": 1.0}

    def weight(media_type: str) -> float:
        ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*", "*")  # the most specific one counts
        return next((weights[each] for each in ranges if each in weights), 0.0)

    preferred = max(offered, key=weight)
    return preferred if weight(preferred) > 0 else None


def accepts_encoding(accept_encoding: str, coding: str) -> bool:
    """Whether content may come in this coding. Without the header it is sent as it is."""
    weights = _parse_q_values(accept_encoding)
    return weights.get(coding, weights.get("*", 0.0)) > 0


def _parse_q_values(header: str) -> dict[str, float]:
    """The q-value of each name: `text/vtt; charset=utf-8, text/*;q=0.5` is {"text/vtt": 1.0, "text/*": 0.5}."""
    weights: dict[str, float] = {}
    for part in filter(None, header.lower().replace(" ", "").split(",")):
        name, _, q = part.partition(";q=")
        with suppress(ValueError):
            weights[name.partition(";")[0]] = float(q or 1)
    return weights
