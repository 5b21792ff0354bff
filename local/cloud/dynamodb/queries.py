"""Query as DynamoDB runs it: a range of a sorted index, found by bisection. The writes keep the indexes sorted.

The functions replace methods of moto's `Table` and `DynamoDBBackend`, with the same signatures and results. A Query
that needs more (indexes with several sort keys or with none, filters of the old kind) still runs moto's own code.

Two differences, in both of which AWS is as here: a page of an index ends after 1 MB of what the index contains, not of
the whole items; and an index holds only items whose keys have the declared types, because AWS refuses all others.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from operator import ge, gt, le, lt
from typing import Any
from weakref import WeakKeyDictionary

from moto.dynamodb.exceptions import ConditionalCheckFailed
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import RESULT_SIZE_LIMIT, Table

from local.cloud.dynamodb.sorted_index import Entry, SortedIndex, TableIndexes

moto_query = Table.query
_put_item, _delete_item, _update_item = Table.put_item, Table.delete_item, DynamoDBBackend.update_item

RANGES: dict[str | None, tuple[Callable[[Any, Any], bool] | None, Callable[[Any, Any], bool] | None]] = {
    None: (None, None),
    "=": (lt, gt),
    "<": (None, ge),
    "<=": (None, gt),
    ">": (le, None),
    ">=": (lt, None),
    "BETWEEN": (lt, gt),
    "BEGINS_WITH": (lt, lambda key, prefix: key > prefix and not key.startswith(prefix)),
}
"""For each comparison of a sort key: how a key before the range compares with the first value, and how one after it
compares with the last value; None if there is no such key."""


KEY_CONDITIONS = {"hash_key_conditions", "range_key_conditions"}
"""Options that repeat the first hash key and the last range key; the others are filters of the old kind."""


_tables: WeakKeyDictionary[Table, TableIndexes] = WeakKeyDictionary()
"""Not attributes of the tables, because moto copies whole tables for transactions and backups."""


def put_item(table: Table, *arguments: Any, **options: Any) -> Item:
    """`Table.put_item`."""
    item = _put_item(table, *arguments, **options)
    if table in _tables:
        _tables[table].put(item)
    return item


def delete_item(table: Table, *arguments: Any, **options: Any) -> Item | None:
    """`Table.delete_item`."""
    item = _delete_item(table, *arguments, **options)
    if item is not None and table in _tables:
        _tables[table].remove(item)
    return item


def update_item(backend: DynamoDBBackend, table_name: str, *arguments: Any, **options: Any) -> Item:
    """`DynamoDBBackend.update_item`, which changes the stored item in place."""
    table = backend.get_table(table_name)
    try:
        item = _update_item(backend, table_name, *arguments, **options)
    except ConditionalCheckFailed:
        raise
    except Exception:
        _tables.pop(table, None)  # moto leaves an item half changed
        raise
    if table in _tables:
        _tables[table].put(item)
    return item


def query(  # noqa: PLR0917 — moto's signature
    table: Table,
    hash_key: DynamoType | None,
    range_comparison: str | None,
    range_objs: list[DynamoType],
    limit: int | None,
    exclusive_start_key: dict[str, Any] | None,
    scan_index_forward: bool,
    projection_expressions: list[list[str]] | None,
    index_name: str | None = None,
    consistent_read: bool = False,
    filter_expression: Any = None,
    **options: Any,
) -> tuple[list[Item], int, dict[str, Any] | None]:
    """`Table.query`. The results are not copied: the response is complete before the next request changes an item."""
    index = _find_index(table, index_name, consistent_read=consistent_read)
    start_entry = index.start_entry(exclusive_start_key) if index and exclusive_start_key is not None else None
    if (
        index is None
        or hash_key is None
        or range_comparison not in RANGES
        or options.keys() - KEY_CONDITIONS
        or (start_entry is None) != (exclusive_start_key is None)
    ):
        query_range = (hash_key, range_comparison, range_objs, limit, exclusive_start_key, scan_index_forward)
        selection = (projection_expressions, index_name, consistent_read, filter_expression)
        return moto_query(table, *query_range, *selection, **options)  # type: ignore[arg-type]
    entries = index.entries(hash_key)
    start, stop = _find_range(entries, range_comparison, [each.cast_value for each in range_objs])
    if start_entry is not None and scan_index_forward:
        start = max(start, bisect_right(entries, start_entry, key=lambda entry: entry[:-1]))
    elif start_entry is not None:
        stop = min(stop, bisect_left(entries, start_entry))
    # and one entry after the range: like moto, return a key to continue with whenever the partition continues
    positions = range(start, min(stop + 1, len(entries)))
    if not scan_index_forward:
        positions = range(stop - 1, max(start, 1) - 2, -1)
    names = _projected_names(table, index_name)
    results: list[Item] = []
    size, last_item, last_evaluated_key = 0, None, None
    for position in positions:
        item = entries[position][-1]
        result = _keep(item, names) if names else item
        size += result.size()
        if last_item and (len(results) == limit or size > RESULT_SIZE_LIMIT):
            last_evaluated_key = table._get_last_evaluated_key(last_item, index_name)  # noqa: SLF001
            break
        if start <= position < stop:
            results.append(result)
            last_item = item
    scanned_count = len(results)
    if filter_expression is not None:
        results = [item for item in results if filter_expression.expr(item)]
    if projection_expressions:
        results = [_project(item, projection_expressions) for item in results]
    return results, scanned_count, last_evaluated_key


def _find_index(table: Table, index_name: str | None, *, consistent_read: bool) -> SortedIndex | None:
    """The index to query; None if moto must run the query itself, or report what is wrong with it."""
    if index_name:
        secondary = next((index for index in table.all_indexes() if index.name == index_name), None)
        if secondary is None or (consistent_read and secondary in table.global_indexes):
            return None
        if [key["KeyType"] for key in secondary.schema] != ["HASH", "RANGE"]:
            return None
    if table not in _tables:
        _tables[table] = TableIndexes(table)
    return _tables[table].get(table, index_name)


def _find_range(entries: list[Entry], comparison: str | None, values: Sequence[Any]) -> tuple[int, int]:
    """The first position in the range of a comparison, and the first one after it."""
    is_before, is_after = RANGES[comparison]
    start, stop = 0, len(entries)
    if is_before:
        start = bisect_left(entries, x=True, key=lambda entry: not is_before(entry[0], values[0]))
    if is_after:
        stop = bisect_left(entries, x=True, lo=start, key=lambda entry: is_after(entry[0], values[-1]))
    return start, stop


def _projected_names(table: Table, index_name: str | None) -> set[str] | None:
    """The attributes that an index contains; None if it contains all."""
    index = table.get_index(index_name) if index_name else None
    if index is None or not index.projection or index.projection.get("ProjectionType") == "ALL":
        return None
    return {*table.table_key_attrs, *index.schema_key_attrs, *index.projection.get("NonKeyAttributes", ())}


def _project(item: Item, expressions: list[list[str]]) -> Item:
    if all(len(path) == 1 for path in expressions):
        return _keep(item, {path[0] for path in expressions})
    return item.project(expressions)


def _keep(item: Item, names: Iterable[str]) -> Item:
    """A copy with these attributes only."""
    kept = copy(item)
    kept.attrs = {name: item.attrs[name] for name in names if name in item.attrs}  # type: ignore[assignment]
    return kept
