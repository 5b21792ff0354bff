"""The items of a table sorted by the keys of each queried index, as DynamoDB keeps them."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

type Entry = tuple[Any, ...]
"""The values of an item's sort keys, which are unique within a partition, and the item."""


class SortedIndex:
    """The items of a table by the value of one attribute, each partition sorted by others.

    `hash_attribute` and `sort_attributes` are names; `types` has the declared type of each. An item without one of them
    is not in the index.
    """

    def __init__(self, hash_attribute: str, sort_attributes: Sequence[str], types: dict[str, str]) -> None:
        self.hash_attribute = hash_attribute
        self.sort_attributes = sort_attributes
        self._types = [(name, types[name]) for name in (hash_attribute, *sort_attributes)]
        self._partitions: dict[Any, list[Entry]] = {}
        self._positions: dict[Any, tuple[Any, Entry]] = {}

    def put(self, primary_key: Any, item: Item) -> None:
        """Add the item, or move it to where its attributes now belong."""
        self.remove(primary_key)
        values = [item.attrs[name].cast_value for name, kind in self._types if _has_type(item, name, kind)]
        if len(values) < len(self._types):
            return
        partition, entry = values[0], (*values[1:], item)
        insort(self._partitions.setdefault(partition, []), entry)
        self._positions[primary_key] = partition, entry

    def remove(self, primary_key: Any) -> None:
        """Remove the item, if the index contains it."""
        if position := self._positions.pop(primary_key, None):
            partition, entry = position
            entries = self._partitions[partition]
            del entries[bisect_left(entries, entry[:-1])]
            if not entries:
                del self._partitions[partition]

    def entries(self, partition: DynamoType) -> list[Entry]:
        """The entries of a partition, in ascending order."""
        if partition.type != self._types[0][1]:
            return []
        return self._partitions.get(partition.cast_value, [])

    def start_entry(self, start_key: dict[str, Any]) -> Entry | None:
        """The sort keys of an ExclusiveStartKey; None if it lacks one."""
        if any(name not in start_key for name in self.sort_attributes):
            return None
        return tuple(DynamoType(start_key[name]).cast_value for name in self.sort_attributes)


class TableIndexes:
    """The indexes of one table that were queried so far. `None` is the name of the table's own order."""

    def __init__(self, table: Table) -> None:
        self._items: dict[Any, Item] = {}
        self._indexes: dict[tuple[str | None, str], SortedIndex] = {}
        self._load(table)

    def get(self, table: Table, index_name: str | None) -> SortedIndex:
        """The index, up to date, built by the first query of it."""
        if len(self._items) != len(table):  # the items were replaced without `put_item`: cleared, restored
            self._load(table)
        schema = table.get_index(index_name).schema if index_name else table.schema
        key = index_name, str(schema)
        if key not in self._indexes:
            hash_attribute, *sort_attributes = [each["AttributeName"] for each in schema]
            types = {each["AttributeName"]: each["AttributeType"] for each in table.attr}
            own_keys = table.table_key_attrs if index_name or not sort_attributes else ()
            index = self._indexes[key] = SortedIndex(hash_attribute, (*sort_attributes, *own_keys), types)
            for primary_key, item in self._items.items():
                index.put(primary_key, item)
        return self._indexes[key]

    def put(self, item: Item) -> None:
        """Add or move a written item in all indexes."""
        primary_key = _primary_key(item)
        self._items[primary_key] = item
        for index in self._indexes.values():
            index.put(primary_key, item)

    def remove(self, item: Item) -> None:
        """Remove a deleted item from all indexes."""
        primary_key = _primary_key(item)
        self._items.pop(primary_key, None)
        for index in self._indexes.values():
            index.remove(primary_key)

    def _load(self, table: Table) -> None:
        self._indexes.clear()
        partitions: Iterable[Any] = table.items.values()
        items = [item for each in partitions for item in each.values()] if table.has_range_key else partitions
        self._items = {_primary_key(item): item for item in items}


def _has_type(item: Item, name: str, kind: str) -> bool:
    return name in item.attrs and item.attrs[name].type == kind


def _primary_key(item: Item) -> Any:
    return item.hash_key.cast_value, item.range_key.cast_value if item.range_key else None
