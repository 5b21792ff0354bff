"""Counts what handlers ask AWS for, where it leaves, with the units that DynamoDB would charge for it.

The write units come from the item as it is before and after each write (capacity.py), the read units from what the
emulator answers: dynalite tells them as AWS does, moto does not.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from typing import Any
from unittest import mock

from benchmarks import capacity
from benchmarks.capacity import Index, Item, Write

HOT = frozenset({"by-key", "by-status", "by-time", "by-status-and-time", "by-name", "control", "runs"})
"""What has few partition keys, so that one of them may become too hot."""

LEAST = 0.5
"""Read units that a Query which finds nothing costs in DynamoDB; dynalite says none."""


@dataclass(slots=True)
class Ledger:
    """`requests` by operation; `writes` and `reads` in units, by table and index; `hot`: the former by partition key.

    `told` is what emulators say of the tables' own write units: for comparison.
    """

    requests: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    reads: Counter[str] = field(default_factory=Counter)
    hot: Counter[str] = field(default_factory=Counter)
    told: float = 0.0
    events: int = 0
    log_lines: int = 0
    log_bytes: int = 0

    def add(self, write: Write) -> None:
        self.writes[write.place] += write.units
        if write.place in HOT:
            partition = write.partition if write.place != "by-key" else "of the source"
            self.hot[f"{write.place} {partition}"] += write.units

    def document(self) -> dict[str, Any]:
        """As it is kept."""
        counts = {name: dict(sorted(getattr(self, name).items())) for name in ("requests", "writes", "reads", "hot")}
        return counts | {"events": self.events, "log_lines": self.log_lines, "log_bytes": self.log_bytes}


@dataclass(frozen=True, slots=True)
class Table:
    """`name` is what it is called here: recordings, control, runs."""

    name: str
    keys: tuple[str, ...]
    indexes: tuple[Index, ...]

    @classmethod
    def declared(cls, logical_id: str, table: Mapping[str, Any]) -> "Table":
        keys = tuple(key["AttributeName"] for key in table["KeySchema"])
        return cls(logical_id.removesuffix("Table").lower(), keys, tuple(capacity.indexes_of(table)))


type Written = tuple[str, Item, Item | None]
"""Table, key, and the item as it is afterwards; None where only the answer tells: PynamoDB asks for it."""


class Counting:
    """Between the clients and AWS: `tables` by their physical names."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        from botocore.client import BaseClient

        self._tables = tables
        self._made = BaseClient._make_api_call  # noqa: SLF001 — where all requests pass, with their answers
        self._client = BaseClient

    @contextmanager
    def counted(self) -> Iterator[Ledger]:
        """Counts as long as the context lasts."""
        ledger = Ledger()

        def request(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
            return self._request(ledger, client, operation, arguments)

        with mock.patch.object(self._client, "_make_api_call", request), logged(ledger):
            yield ledger

    def _request(self, ledger: Ledger, client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        ledger.requests[operation] += 1
        if operation == "PutEvents":
            ledger.events += len(arguments["Entries"])
        written = list(_written(operation, arguments, self._tables))
        before = [self._item(client, name, key) for name, key, _ in written]
        try:
            answer = self._made(client, operation, arguments)
        except client.exceptions.ConditionalCheckFailedException:  # that costs as well
            self._count(ledger, written, before, before)
            raise
        after = [item or answer.get("Attributes") for _, _, item in written]
        self._count(ledger, written, before, after)
        self._told(ledger, arguments, answer, wrote=bool(written))
        return answer

    def _count(
        self, ledger: Ledger, written: Sequence[Written], before: Sequence[Item | None], after: Sequence[Item | None]
    ) -> None:
        for (name, key, _), was, is_now in zip(written, before, after, strict=True):
            table = self._tables[name]
            partition = key[table.keys[0]]["S"]
            for write in capacity.writes(table.name, partition, table.indexes, was, is_now):
                ledger.add(write)

    def _item(self, client: Any, table: str, key: Item) -> Item | None:
        found = self._made(client, "GetItem", {"TableName": table, "Key": key, "ConsistentRead": True})
        item: Item | None = found.get("Item")
        return item

    def _told(self, ledger: Ledger, arguments: Mapping[str, Any], answer: Mapping[str, Any], *, wrote: bool) -> None:
        consumed = answer.get("ConsumedCapacity") or []
        for each in consumed if isinstance(consumed, list) else [consumed]:
            if wrote:
                ledger.told += each["CapacityUnits"]
            else:
                place = arguments.get("IndexName") or self._tables[each["TableName"]].name
                ledger.reads[place] += max(each["CapacityUnits"], LEAST)


def _written(operation: str, arguments: Mapping[str, Any], tables: Mapping[str, Table]) -> Iterator[Written]:
    """The items that a request writes."""
    if operation in {"UpdateItem", "DeleteItem"}:
        yield arguments["TableName"], arguments["Key"], None
    elif operation == "PutItem":
        yield _put(arguments["TableName"], arguments["Item"], tables)
    elif operation == "BatchWriteItem":
        for table, requests in arguments["RequestItems"].items():
            for each in requests:
                yield _put(table, each["PutRequest"]["Item"], tables)


def _put(table: str, item: Item, tables: Mapping[str, Table]) -> Written:
    return table, {name: item[name] for name in tables[table].keys}, item


@contextmanager
def logged(ledger: Ledger) -> Iterator[None]:
    """Takes what is logged meanwhile: Powertools' lines, and those that metrics are printed as."""
    from callscribe.telemetry import logger

    lines = StringIO()
    handlers = logger.handlers
    former = [handler.setStream(lines) for handler in handlers]  # type: ignore[attr-defined]
    try:
        with mock.patch("sys.stdout", lines):
            yield
    finally:
        for handler, stream in zip(handlers, former, strict=True):
            handler.setStream(stream)  # type: ignore[attr-defined]
        text = lines.getvalue()
        ledger.log_lines, ledger.log_bytes = text.count("\n"), len(text.encode())
