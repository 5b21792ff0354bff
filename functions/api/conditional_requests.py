"""Conditional and partial GET, as RFC 9110 has them (sections 13 and 14): entity tags, and ranges of bytes."""

import re
from collections.abc import Mapping
from hashlib import sha256

RANGE_PATTERN = re.compile(r"bytes= *(?:(\d{1,40})-(\d{0,40})|-(\d{1,40})) *", re.ASCII | re.IGNORECASE)
"""One range; several in one header, or another unit, count as none."""

WEAK_PREFIX = "W/"
"""Before a tag that does not tell its bytes."""


def etag(*parts: str) -> str:
    """The strong tag of what these parts tell from all else."""
    return f'"{sha256("\0".join(parts).encode()).hexdigest()[:32]}"'


def weak_etag(*parts: str) -> str:
    """The tag of what is the same whether it comes compressed or not, so that a strong one would tell too much."""
    return f"{WEAK_PREFIX}{etag(*parts)}"


def not_modified(headers: Mapping[str, str], tag: str) -> bool:
    """Whether the client has the representation of this tag already: by If-None-Match, weakly compared."""
    client_tags = [each.strip().removeprefix(WEAK_PREFIX) for each in headers.get("if-none-match", "").split(",")]
    return "*" in client_tags or tag.removeprefix(WEAK_PREFIX) in client_tags


class RangeNotSatisfiable(Exception):
    """The range begins behind the end."""


def parse_byte_range(headers: Mapping[str, str], tag: str, length: int) -> tuple[int, int] | None:
    """The first and the last byte that are asked for; None where the whole is. Raises Unsatisfiable.

    With an If-Range that is not this tag, the whole is asked for: the client has a part of something else. The last
    bytes of an empty file are all of it, for no Content-Range could tell them.
    """
    range_match = RANGE_PATTERN.fullmatch(headers.get("range", ""))
    if not range_match or headers.get("if-range", tag) != tag:
        return None
    first, last, suffix = range_match.groups()
    if suffix is not None:
        if not int(suffix):
            raise RangeNotSatisfiable
        if not length:
            return None
        first, last = max(length - int(suffix), 0), length - 1
    else:
        first, last = int(first), min(int(last), length - 1) if last else length - 1
        if range_match[2] and int(range_match[2]) < first:
            return None  # not a range at all
    if first >= length:
        raise RangeNotSatisfiable
    return first, last
