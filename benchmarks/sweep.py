"""What a sweep of sync costs: `python -m benchmarks.sweep [--files N]`.

Over N known objects in S3 and N/10 known files in a folder, with a hundred new ones and with nothing new, beside
listing alone in the same run. Each measurement has a process of its own; so have S3 (bucket.py) and DynamoDB, which is
dynalite, with the tables of template.yaml: it tells what was read as AWS does, in `ConsumedCapacity`.
"""

import argparse
import os
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import batched
from math import ceil
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from benchmarks import bucket
from benchmarks.measuring import PROCESSES, forget_peak, resident, running
from benchmarks.upload import wav

FILES = 100_000
NEW = 100
"""Of all files, evenly among the others."""
ADDED = 1000
"""Objects in a bucket of which nothing is known."""
ROUNDS = 5
UNITS, RATIO = 0.013, 1.5
GROWTH = 4.0
"""Megabytes that one measurement may differ from the next."""
READ_UNIT = 8192
"""Bytes that one read unit reads, eventually consistent."""
PAGE = 1 << 20
"""Bytes of an index that one Query reads at most."""

DYNALITE = 1.25
"""It fills a page sooner than DynamoDB does: it counts some 20 bytes more for each entry."""

CALLS = {"LIST": "ListObjectsV2", "Get": "GetItem", "BatchGet": "BatchGetItem", "HEAD": "HeadObject"}
CPU_COLUMNS = f"{'units/file':>11}{'CPU s':>8}{'× bare':>8}{'× ours':>8}{'MB':>8}"
OF_THE_STORE = ("Query", "Get", "BatchGet", "units", "writes", "others")
OF_S3 = ("LIST", "HEAD")
OF_A_FOLDER = ("scandir", "lstat", "open")


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one measurement: CPU and wall seconds, megabytes above what was resident before, and calls by their names."""

    cpu: float
    seconds: float
    megabytes: float
    calls: Counter[str]


def sweep(path: str) -> None:
    """A scheduled run of the function."""
    from functions.sync import app

    os.environ["RECORDINGS_PATH"] = path
    app.settings.cache_clear()
    context = SimpleNamespace(
        function_name="sync",
        memory_limit_in_mb=512,
        invoked_function_arn="arn",
        aws_request_id=uuid.uuid4().hex,
        get_remaining_time_in_millis=lambda: 900_000,
    )
    run = app.lambda_handler({"source": "aws.events", "detail-type": "Scheduled Event"}, context)
    assert run["status"] == "succeeded", run


def list_alone(path: str) -> None:
    """Our own listing alone."""
    from callscribe.sources import open_source

    for _ in open_source(path).files():
        pass


def bare(path: str) -> None:
    """What the listing stands on: the client's paginator, or a walk with an `lstat` for each file."""
    if path.startswith("s3://"):
        from callscribe.s3 import s3_client

        pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket=path[len("s3://") :].strip("/"))
        for page in pages:
            for _ in page.get("Contents", ()):
                pass
        return
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                bare(entry.path)
            else:
                os.lstat(entry.path)


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

    def counting(name: str) -> Any:
        asked = getattr(os, name)

        def ask(*args: Any, **options: Any) -> Any:
            calls[name] += 1
            return asked(*args, **options)

        return mock.patch.object(os, name, ask)

    with (
        mock.patch.object(BaseClient, "_make_api_call", request),
        counting("scandir"),
        counting("lstat"),
        counting("open"),
    ):
        yield calls


def seed(path: str, table: str, new: int) -> int:
    """Writes the entries that a sweep would have made of all files but `new`; how many. The rest no sweep reads."""
    from callscribe.recording import entry_of, recording_id, source_hash
    from callscribe.sources import open_source
    from functions.sync.version import version_of
    from local.cloud.client import aws_client

    source = open_source(path)
    found = list(source.files())
    every = len(found) // new if new else len(found) + 1
    items = [
        {
            "id": {"S": recording_id(source.location, file.key)},
            "s": {"S": source_hash(source.location)},
            "k": {"S": entry_of(file.key, version_of(file, (), None, told=False))},
        }
        for number, file in enumerate(found, 1)
        if number % every
    ]
    dynamodb = aws_client("dynamodb", os.environ["AWS_ENDPOINT_URL_DYNAMODB"])
    for batch in batched(items, 25, strict=False):
        answer = dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}} for item in batch]})
        assert not answer["UnprocessedItems"]
    return len(items)


def make_folder(root: Path, number: int) -> None:
    """Half of the files in one folder, the others in folders of dates, 50 in each; written an hour ago."""
    root.mkdir()
    audio, an_hour_ago = wav(800), time.time() - 3600
    for count, key in enumerate(bucket.keys(number)):
        day = count // 50
        folder = root / ("all" if count < number // 2 else f"2025/{day // 28 % 12 + 1:02}/{day % 28 + 1:02}")
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / key.rpartition("/")[2]
        file.write_bytes(audio)
        os.utime(file, (an_hour_ago, an_hour_ago))


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    files: int
    figures: Figures


class Bench:
    """Measures, with a worker process for each time."""

    def __init__(self, warm: str, pool: ProcessPoolExecutor) -> None:
        self._warm = warm
        self._pool = pool

    def once(self, do: Callable[[str], None], path: str) -> Figures:
        return self._pool.submit(measured, do, path, self._warm).result()

    def in_turn(self, path: str, *actions: Callable[[str], None]) -> list[Figures]:
        """Several times, so that all have the same weather: the least CPU of each, and the most memory."""
        rounds = [[self.once(do, path) for do in actions] for _ in range(ROUNDS)]
        return [
            replace(min(each, key=lambda figures: figures.cpu), megabytes=max(figures.megabytes for figures in each))
            for each in zip(*rounds, strict=True)
        ]


def rows_of(bench: Bench, big: str, small: str, files: int) -> list[Row]:
    """Of one kind of source: `big` has so many files besides the new ones, `small` a tenth."""
    some_new = bench.once(sweep, big)
    alone, ours, nothing_new = bench.in_turn(big, bare, list_alone, sweep)
    tenth = bench.once(sweep, small)
    return [
        Row("listing, bare", files + NEW, alone),
        Row("listing, ours", files + NEW, ours),
        Row(f"sweep, {NEW} new", files + NEW, some_new),
        Row("sweep, nothing new", files + NEW, nothing_new),
        Row("sweep, nothing new", files // 10, tenth),
    ]


def show(columns: Sequence[str], rows: Sequence[Row]) -> None:
    """A table; the ratios are to the CPU of the first and the second row."""
    bare_cpu, ours_cpu = (row.figures.cpu for row in rows[:2])
    print(f"{'':20}{'files':>8}" + "".join(f"{name:>9}" for name in columns) + CPU_COLUMNS)
    for row in rows:
        of, calls = row.figures, row.figures.calls
        counts = "".join(f"{calls[CALLS.get(name, name)]:9g}" for name in columns)
        ratios = f"{of.cpu / bare_cpu:8.2f}{of.cpu / ours_cpu:8.2f}" if row.files == rows[0].files else f"{'':16}"
        print(
            f"{row.what:20}{row.files:8}{counts}{calls['units'] / row.files:11.4f}{of.cpu:8.2f}{ratios}"
            f"{of.megabytes:8.1f}"
        )


def budgets(rows: Sequence[Row], *, in_s3: bool) -> list[tuple[str, float, float]]:
    """What is allowed: what, the figure, its limit. A folder's paths may be long, and listing is cheap there."""
    _, ours, some_new, nothing_new, tenth = (row.figures for row in rows)
    files, calls = rows[3].files, nothing_new.calls
    both: list[tuple[str, float, float]] = [
        ("writes when nothing is new", calls["writes"], 0),
        ("writes for each new file", some_new.calls["writes"] / NEW, 1),
        ("single records read, with new files", some_new.calls["GetItem"], 0),
        ("Queries, one for each MB", calls["Query"], ceil(calls["units"] * READ_UNIT * DYNALITE / PAGE)),
    ]
    if not in_s3:
        return both
    return [
        *both,
        ("LIST calls, one for each 1000 objects", calls["ListObjectsV2"], ceil(files / 1000)),
        ("objects looked at, with new ones", some_new.calls["HeadObject"] + some_new.calls["GetObject"], 0),
        ("read units for each object", calls["units"] / files, UNITS),
        ("CPU, beside our listing alone", nothing_new.cpu / ours.cpu, RATIO),
        ("MB more than with a tenth of the objects", nothing_new.megabytes - tenth.megabytes, GROWTH),
    ]


def main() -> None:
    from local.cloud.client import CREDENTIALS, REGION
    from local.cloud.stack import Stack
    from tests.integration.dynalite import declared_tables, on_dynalite, serve_dynalite, why_not

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=FILES, metavar="N", help="known objects in S3 (%(default)s)")
    number = parser.parse_args().files
    if reason := why_not():
        parser.exit(1, f"{reason}\n")
    sizes = {"known": number + NEW, "tenth": number // 10, "added": ADDED, "empty": 0}
    with (
        running(bucket.serve, sizes) as s3,
        serve_dynalite() as dynamodb,
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, mp_context=PROCESSES, max_tasks_per_child=1) as pool,
    ):
        declared = declared_tables()
        nowhere = Stack("", "", "", "", {name: name for name in declared}, {}, {}, {}, ())
        tables = on_dynalite(nowhere, dynamodb, declared).tables
        os.environ |= CREDENTIALS | {
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": s3,
            "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
            "NO_PROXY": "*",
            "RECORDINGS_TABLE": tables["RecordingsTable"],
            "CONTROL_TABLE": tables["ControlTable"],
            "RUNS_TABLE": tables["RunsTable"],
            "TRANSCRIPTS_BUCKET": "none",
            "POWERTOOLS_LOG_LEVEL": "ERROR",
            "POWERTOOLS_METRICS_DISABLED": "true",
        }
        for name, size in (("known", number // 10 + NEW), ("tenth", number // 100), ("empty", 0)):
            make_folder(Path(folder, name), size)
        for place, columns, in_s3 in (("s3://", OF_S3, True), (f"{folder}/", OF_A_FOLDER, False)):
            for name, new in (("known", NEW), ("tenth", 0)):
                pool.submit(seed, place + name, tables["RecordingsTable"], new).result()
            bench = Bench(f"{place}empty", pool)
            rows = rows_of(bench, f"{place}known", f"{place}tenth", number if in_s3 else number // 10)
            show((*columns, *OF_THE_STORE), rows)
            for what, figure, limit in budgets(rows, in_s3=in_s3):
                print(f"  {what:44}{figure:10.4g}  ≤ {limit:g}{'' if figure <= limit else '  OVER THE BUDGET'}")
            print()
        added = Bench("s3://empty", pool).once(sweep, "s3://added")
        requests = sum(count for name, count in added.calls.items() if name not in {"units", "open"})
        speed, milliseconds = ADDED / added.seconds, 1000 * added.cpu / ADDED
        print(
            f"{ADDED} objects, all new: {requests / ADDED:.3f} requests and {milliseconds:.1f} ms of CPU for each, "
            f"{speed:.0f} a second"
        )


if __name__ == "__main__":
    main()
