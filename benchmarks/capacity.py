"""What a write costs in DynamoDB, by its documented rules: the share of the indexes too, which no emulator tells.

Sources, all in the Amazon DynamoDB Developer Guide: "DynamoDB item sizes and formats", "Read and write operations",
and "Using Global Secondary Indexes" (on writes to one). Items are as they go over the wire: `{"id": {"S": "a"}}`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

type Item = Mapping[str, Mapping[str, Any]]

WRITE_UNIT = 1024
"""Bytes that one write unit writes."""

KEPT_BESIDE = 100
"""Bytes that are charged for with each item that is stored, and with each entry of an index."""


@dataclass(frozen=True, slots=True)
class Index:
    """A global secondary index. `projects`: the attributes that it holds; None for all."""

    name: str
    keys: tuple[str, ...]
    projects: frozenset[str] | None

    def entry(self, item: Item | None) -> Item | None:
        """What it holds of an item; None where the item lacks one of its keys."""
        if item is None or any(key not in item for key in self.keys):
            return None
        return {name: value for name, value in item.items() if self.projects is None or name in self.projects}


@dataclass(frozen=True, slots=True)
class Write:
    """One write to the table or to an index, at the value of its partition key."""

    place: str
    partition: str
    units: int


def indexes_of(table: Mapping[str, Any]) -> list[Index]:
    """Those that a table is declared with."""
    own = _keys(table)
    return [_index(each, own) for each in table.get("GlobalSecondaryIndexes", ())]


def _keys(declared: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(key["AttributeName"] for key in declared["KeySchema"])


def _index(declared: Mapping[str, Any], own: Sequence[str]) -> Index:
    projection, keys = declared["Projection"], _keys(declared)
    kept = None
    if projection["ProjectionType"] != "ALL":
        kept = frozenset((*own, *keys, *projection.get("NonKeyAttributes", ())))
    return Index(declared["IndexName"], keys, kept)


def size(item: Item) -> int:
    """Bytes of an item: of the names and the values of its attributes."""
    return sum(len(name.encode()) + _value(value) for name, value in item.items())


def _value(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return _number(content)
        case "SS":
            return sum(len(each.encode()) for each in content)
        case "BOOL" | "NULL":
            return 1
        case "M":
            return 3 + len(content) + size(content)
        case "L":
            return 3 + len(content) + sum(map(_value, content))
    raise ValueError(f"no table here has a value of type {kind}")


def _number(text: str) -> int:
    """A byte for two significant digits, and one more."""
    digits = text.lstrip("-").split("e", 1)[0].split("E", 1)[0].replace(".", "").strip("0")
    return ceil(len(digits) / 2) + 1


def units(number_of_bytes: int) -> int:
    """Write units that so many bytes take."""
    return max(1, ceil(number_of_bytes / WRITE_UNIT))


def writes(
    table: str, partition: str, indexes: Sequence[Index], before: Item | None, after: Item | None
) -> Iterator[Write]:
    """What one write to the table costs: in the table, and in each index that holds something else afterwards.

    `before` and `after` are the item; both the same where the condition of the write did not hold.
    """
    largest = max(size(each) for each in (before, after, {}) if each is not None)
    yield Write(table, partition, units(largest))
    for index in indexes:
        yield from _to(index, index.entry(before), index.entry(after))


def _to(index: Index, before: Item | None, after: Item | None) -> Iterator[Write]:
    """Nothing where the entry stays as it is; where its key changes, the old one is deleted and another put."""
    if before == after:
        return
    if before and after and all(before[key] == after[key] for key in index.keys):
        yield Write(index.name, after[index.keys[0]]["S"], units(max(size(before), size(after))))
        return
    for entry in (before, after):
        if entry:
            yield Write(index.name, entry[index.keys[0]]["S"], units(size(entry)))


def stored(indexes: Sequence[Index], item: Item) -> tuple[int, int]:
    """Bytes that are charged for while the item is kept: in the table, and in its indexes."""
    entries = [entry for index in indexes if (entry := index.entry(item))]
    return size(item) + KEPT_BESIDE, sum(size(entry) + KEPT_BESIDE for entry in entries)
