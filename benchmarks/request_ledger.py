"""Counts the requests that handlers send to AWS, with the units that DynamoDB would charge for them.

Write units are calculated from the item before and after each write (write_units.py). Read units are as reported by the
emulator: dynalite reports the same as AWS, moto does not.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from typing import Any
from unittest import mock

from benchmarks.write_units import IndexSpec, Item, key_attributes, read_indexes, write_costs

EMPTY_QUERY_UNITS = 0.5
"""Read units of a Query that finds nothing in DynamoDB; dynalite reports none."""


@dataclass(slots=True)
class Ledger:
    """Counts: `requests` by operation, `writes` and `reads` in units by table and index, `sent` events and log lines.

    `reported`: the write units of the tables (without indexes) as reported by the emulator, for comparison.
    """

    requests: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    reads: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    reported: float = 0.0

    def difference(self, other: "Ledger") -> "Ledger":
        """Return the counts of this ledger minus those of the other one."""
        result = Ledger(reported=self.reported - other.reported)
        for name in ("requests", "writes", "reads", "sent"):
            counter: Counter[str] = getattr(result, name)
            counter.update(getattr(self, name))
            counter.subtract(getattr(other, name))
        return result

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Return the counts as stored in request_counts.json."""
        return {
            name: {key: count for key, count in sorted(getattr(self, name).items()) if count}
            for name in ("requests", "writes", "reads", "sent")
        }


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table with its key attributes and indexes. `name`: recordings, control or runs."""

    name: str
    keys: tuple[str, ...]
    indexes: tuple[IndexSpec, ...]

    @classmethod
    def from_declaration(cls, logical_id: str, table: Mapping[str, Any]) -> "TableSpec":
        return cls(logical_id.removesuffix("Table").lower(), key_attributes(table), read_indexes(table))


class RequestCounter:
    """Intercepts the requests of boto3 clients. `tables`: by their physical names."""

    def __init__(self, tables: Mapping[str, TableSpec]) -> None:
        from botocore.client import BaseClient

        self._tables = tables
        self._send = BaseClient._make_api_call  # noqa: SLF001 — all requests go through it
        self._client = BaseClient

    @contextmanager
    def count(self) -> Iterator[Ledger]:
        """Count requests, units, events and log lines within the context."""
        ledger = Ledger()

        def request(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
            return self._request(ledger, client, operation, arguments)

        with mock.patch.object(self._client, "_make_api_call", request), capture_logs(ledger):
            yield ledger

    def _request(self, ledger: Ledger, client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        ledger.requests[operation] += 1
        ledger.sent["events"] += len(arguments["Entries"]) if operation == "PutEvents" else 0
        keys = list(self._written_items(operation, arguments))
        before = [self._item(client, table, key) for table, key in keys]
        try:
            response = self._send(client, operation, arguments)
            self._add_reads(ledger, arguments, response, is_write=bool(keys))
            return response
        finally:  # a write whose condition failed is charged, too
            for (table, key), item in zip(keys, before, strict=True):
                table_spec = self._tables[table]
                for resource, units in write_costs(
                    table_spec.name, table_spec.indexes, item, self._item(client, table, key)
                ):
                    ledger.writes[resource] += units

    def _written_items(self, operation: str, arguments: Mapping[str, Any]) -> Iterator[tuple[str, Item]]:
        """Yield the table and the key of each item that a request writes."""
        if operation in {"UpdateItem", "DeleteItem"}:
            yield arguments["TableName"], arguments["Key"]
        puts = {}
        if operation == "PutItem":
            puts = {arguments["TableName"]: [arguments["Item"]]}
        elif operation == "BatchWriteItem":
            requests = arguments["RequestItems"].items()
            puts = {table: [write["PutRequest"]["Item"] for write in items] for table, items in requests}
        for table, items in puts.items():
            for item in items:
                yield table, {name: item[name] for name in self._tables[table].keys}

    def _item(self, client: Any, table: str, key: Item) -> Item | None:
        response = self._send(client, "GetItem", {"TableName": table, "Key": key, "ConsistentRead": True})
        item: Item | None = response.get("Item")
        return item

    def _add_reads(
        self, ledger: Ledger, arguments: Mapping[str, Any], response: Mapping[str, Any], *, is_write: bool
    ) -> None:
        consumed = response.get("ConsumedCapacity") or []
        for capacity in consumed if isinstance(consumed, list) else [consumed]:
            if is_write:
                ledger.reported += capacity["CapacityUnits"]
            else:
                resource = arguments.get("IndexName") or self._tables[capacity["TableName"]].name
                ledger.reads[resource] += max(capacity["CapacityUnits"], EMPTY_QUERY_UNITS)


@contextmanager
def capture_logs(ledger: Ledger) -> Iterator[None]:
    """Capture Powertools' log lines and metrics within the context, and count their lines and bytes."""
    from callscribe.observability import logger

    lines = StringIO()
    handlers = logger.handlers
    previous_streams = [handler.setStream(lines) for handler in handlers]  # type: ignore[attr-defined]
    try:
        with mock.patch("sys.stdout", lines):
            yield
    finally:
        for handler, stream in zip(handlers, previous_streams, strict=True):
            handler.setStream(stream)  # type: ignore[attr-defined]
        text = lines.getvalue()
        ledger.sent["log_lines"], ledger.sent["log_bytes"] = text.count("\n"), len(text.encode())
