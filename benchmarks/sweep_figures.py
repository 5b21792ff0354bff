"""What one sweep or listing takes: CPU, memory, and calls, counted where they leave or where the system is asked."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from benchmarks.measuring import forget_peak, resident


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one measurement: CPU and wall seconds, megabytes above what was resident before, and calls by their names."""

    cpu: float
    seconds: float
    megabytes: float
    calls: Counter[str]


def measured(do: Callable[[str], None], path: str, warm: str) -> Figures:
    """Once everything is imported and connected, by doing it where nothing lies."""
    do(warm)
    with counted() as calls:
        before, began, cpu = forget_peak(), time.perf_counter(), time.process_time()
        do(path)
        cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    return Figures(cpu, seconds, resident("VmHWM") - before, calls)


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Counts requests to AWS and what the system is asked for, and adds up the read units of recordings."""
    from botocore.client import BaseClient

    calls: Counter[str] = Counter()
    make = BaseClient._make_api_call  # noqa: SLF001 — where all requests pass, with their answers

    def request(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        answer = make(client, operation, arguments)
        table = arguments.get("TableName") or next(iter(arguments.get("RequestItems", ())), "")
        of_recordings = table.startswith("Recordings")
        writes = operation in {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"}
        calls[("writes" if of_recordings else "others") if writes else operation] += 1
        if of_recordings and not writes:  # PynamoDB always asks for it
            calls["units"] += answer["ConsumedCapacity"]["CapacityUnits"]
        return answer

    def counting(name: str, counted_as: str = "") -> Any:
        asked = getattr(os, name)

        def ask(*args: Any, **options: Any) -> Any:
            calls[counted_as or name] += 1
            return asked(*args, **options)

        return mock.patch.object(os, name, ask)

    with (
        mock.patch.object(BaseClient, "_make_api_call", request),
        counting("scandir"),
        counting("lstat", "stat"),
        counting("stat"),
        counting("open"),
    ):
        yield calls
