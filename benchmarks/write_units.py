"""What a write costs in DynamoDB by its documented rules, with the share of the indexes, which no emulator reports.

Sources, all in the Amazon DynamoDB Developer Guide: "DynamoDB item sizes and formats", "Read and write operations",
and "Using Global Secondary Indexes" (on writes to one). Items are as they are sent: `{"id": {"S": "a"}}`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

type Item = Mapping[str, Mapping[str, Any]]

WRITE_UNIT = 1024
"""Bytes that one write unit writes."""

OVERHEAD = 100
"""Bytes that are charged for with each item that is stored, and with each entry of an index."""


@dataclass(frozen=True, slots=True)
class Index:
    """A global secondary index. `projects`: the attributes that it holds; None for all."""

    name: str
    keys: tuple[str, ...]
    projects: frozenset[str] | None

    def entry(self, item: Item | None) -> Item | None:
        """What it holds of an item; None if the item lacks one of its keys."""
        if item is None or any(key not in item for key in self.keys):
            return None
        return {name: value for name, value in item.items() if self.projects is None or name in self.projects}


def keys_of(declared: Mapping[str, Any]) -> tuple[str, ...]:
    """The key attributes of a declared table or index."""
    return tuple(key["AttributeName"] for key in declared["KeySchema"])


def indexes_of(table: Mapping[str, Any]) -> tuple[Index, ...]:
    """The indexes that a table is declared with."""
    indexes = []
    for declared in table.get("GlobalSecondaryIndexes", ()):
        projection, keys = declared["Projection"], keys_of(declared)
        projected = frozenset((*keys_of(table), *keys, *projection.get("NonKeyAttributes", ())))
        everything = projection["ProjectionType"] == "ALL"
        indexes.append(Index(declared["IndexName"], keys, None if everything else projected))
    return tuple(indexes)


def size(item: Item) -> int:
    """Bytes of an item: of the names and the values of its attributes."""
    return sum(len(name.encode()) + _value(value) for name, value in item.items())


def _value(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":  # a byte for two significant digits, and one more
            digits = content.lstrip("-").split("e", 1)[0].split("E", 1)[0].replace(".", "").strip("0")
            return ceil(len(digits) / 2) + 1
        case "SS":
            return sum(len(each.encode()) for each in content)
        case "BOOL" | "NULL":
            return 1
        case "M":
            return 3 + len(content) + size(content)
        case "L":
            return 3 + len(content) + sum(map(_value, content))
    raise ValueError(f"no table here has a value of type {kind}")


def units(number_of_bytes: int) -> int:
    """Write units for so many bytes."""
    return max(1, ceil(number_of_bytes / WRITE_UNIT))


def writes(table: str, indexes: Sequence[Index], before: Item | None, after: Item | None) -> Iterator[tuple[str, int]]:
    """What one write costs: the table and each index whose entry changes, with the write units.

    `before` and `after` are the item; they are the same if the condition of the write did not hold.
    """
    yield table, units(max(size(before or {}), size(after or {})))
    for index in indexes:
        old, new = index.entry(before), index.entry(after)
        if old == new:
            continue
        if old and new and all(old[key] == new[key] for key in index.keys):
            yield index.name, units(max(size(old), size(new)))
        else:  # another key: one entry is deleted, and one is put
            yield from ((index.name, units(size(entry))) for entry in (old, new) if entry)


def stored(indexes: Sequence[Index], item: Item) -> tuple[int, int]:
    """Bytes that are charged for while the item is stored: in the table, and in its indexes."""
    entries = [entry for index in indexes if (entry := index.entry(item))]
    return size(item) + OVERHEAD, sum(size(entry) + OVERHEAD for entry in entries)
