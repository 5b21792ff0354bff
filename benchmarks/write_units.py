"""Calculates DynamoDB's write units by its documented rules, including those of indexes, which no emulator reports.

Sources, all in the Amazon DynamoDB Developer Guide: "DynamoDB item sizes and formats", "Read and write operations",
and "Using Global Secondary Indexes" (on writes to one). Items are in DynamoDB's JSON: `{"id": {"S": "a"}}`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

type Item = Mapping[str, Mapping[str, Any]]

WRITE_UNIT_BYTES = 1024
"""Bytes written by one write unit."""

ITEM_OVERHEAD_BYTES = 100
"""Bytes charged in addition for each stored item, and for each entry of an index."""


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """A global secondary index. `projected_attributes`: None for all."""

    name: str
    keys: tuple[str, ...]
    projected_attributes: frozenset[str] | None

    def entry(self, item: Item | None) -> Item | None:
        """Return the index entry of an item; None if the item lacks one of the index's keys."""
        if item is None or any(key not in item for key in self.keys):
            return None
        return {
            name: value
            for name, value in item.items()
            if self.projected_attributes is None or name in self.projected_attributes
        }


def key_attributes(declaration: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the key attributes of a declared table or index."""
    return tuple(key["AttributeName"] for key in declaration["KeySchema"])


def read_indexes(table: Mapping[str, Any]) -> tuple[IndexSpec, ...]:
    """Return the declared indexes of a table."""
    indexes = []
    for declaration in table.get("GlobalSecondaryIndexes", ()):
        projection, keys = declaration["Projection"], key_attributes(declaration)
        projected = frozenset((*key_attributes(table), *keys, *projection.get("NonKeyAttributes", ())))
        is_full = projection["ProjectionType"] == "ALL"
        indexes.append(IndexSpec(declaration["IndexName"], keys, None if is_full else projected))
    return tuple(indexes)


def item_size(item: Item) -> int:
    """Return the bytes of an item: the names and values of its attributes."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":  # one byte for two significant digits, plus one
            digits = content.lstrip("-").split("e", 1)[0].split("E", 1)[0].replace(".", "").strip("0")
            return ceil(len(digits) / 2) + 1
        case "SS":
            return sum(len(text.encode()) for text in content)
        case "BOOL" | "NULL":
            return 1
        case "M":
            return 3 + len(content) + item_size(content)
        case "L":
            return 3 + len(content) + sum(map(_value_size, content))
    raise ValueError(f"values of type {kind} are not used by any table")


def to_write_units(byte_count: int) -> int:
    """Return the write units for a write of this size."""
    return max(1, ceil(byte_count / WRITE_UNIT_BYTES))


def write_costs(
    table: str, indexes: Sequence[IndexSpec], before: Item | None, after: Item | None
) -> Iterator[tuple[str, int]]:
    """Yield the write units of one write for the table and for each index with a changed entry.

    `before` and `after` are the item; they are equal if the condition of the write failed.
    """
    yield table, to_write_units(max(item_size(before or {}), item_size(after or {})))
    for index in indexes:
        old, new = index.entry(before), index.entry(after)
        if old == new:
            continue
        if old and new and all(old[key] == new[key] for key in index.keys):
            yield index.name, to_write_units(max(item_size(old), item_size(new)))
        else:  # a different key: one entry is deleted and one is put
            yield from ((index.name, to_write_units(item_size(entry))) for entry in (old, new) if entry)


def stored_bytes(indexes: Sequence[IndexSpec], item: Item) -> tuple[int, int]:
    """Return the bytes charged for a stored item: in the table, and in its indexes."""
    entries = [entry for index in indexes if (entry := index.entry(item))]
    return item_size(item) + ITEM_OVERHEAD_BYTES, sum(item_size(entry) + ITEM_OVERHEAD_BYTES for entry in entries)
