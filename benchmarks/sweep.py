"""What a sweep of sync costs, over N known objects in S3 and N/10 known files in a folder.

With a hundred new ones and with nothing new, beside listing alone in the same run. Each measurement has a process of
its own; so have S3 (bucket.py) and DynamoDB, which is dynalite, with the tables of template.yaml: it tells what was
read as AWS does, in `ConsumedCapacity`.
"""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from types import SimpleNamespace

from benchmarks import bucket
from benchmarks.budgets import Row, held
from benchmarks.known_files import make_folder, seed
from benchmarks.measuring import PROCESSES, running
from benchmarks.sweep_figures import Figures, measured
from testing import dynalite

NEW = 100
"""Of all files, evenly among the others."""
ADDED = 1000
"""Objects in a bucket of which nothing is known."""
ROUNDS = 5
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
OF_A_FOLDER = ("scandir", "stat", "open")

why_not = dynalite.why_not


@dataclass(frozen=True, slots=True)
class Swept:
    """A source with so many files: listed by the bare client, by our listing alone, and swept."""

    files: int
    bare: Figures
    listed: Figures
    some_new: Figures
    nothing_new: Figures
    tenth: Figures
    """Nothing new in a tenth of them."""


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


def swept(bench: Bench, place: str, files: int) -> Swept:
    """Of one kind of source: `known` has so many files besides the new ones, `tenth` a tenth."""
    some_new = bench.once(sweep, f"{place}known")
    alone, ours, nothing_new = bench.in_turn(f"{place}known", bare, list_alone, sweep)
    return Swept(files + NEW, alone, ours, some_new, nothing_new, bench.once(sweep, f"{place}tenth"))


def show(columns: Sequence[str], of: Swept) -> None:
    """A table of all that was counted; the ratios are to the CPU of the first and the second row."""
    print(f"{'':20}{'files':>8}" + "".join(f"{name:>9}" for name in columns) + CPU_COLUMNS)
    for what, files, figures in (
        ("listing, bare", of.files, of.bare),
        ("listing, ours", of.files, of.listed),
        (f"sweep, {NEW} new", of.files, of.some_new),
        ("sweep, nothing new", of.files, of.nothing_new),
        ("sweep, nothing new", (of.files - NEW) // 10, of.tenth),
    ):
        counts = "".join(f"{figures.calls[CALLS.get(name, name)]:9g}" for name in columns)
        ratios = f"{figures.cpu / of.bare.cpu:8.2f}{figures.cpu / of.listed.cpu:8.2f}"
        print(
            f"{what:20}{files:8}{counts}{figures.calls['units'] / files:11.4f}{figures.cpu:8.2f}"
            f"{ratios if files == of.files else '':16}{figures.megabytes:8.1f}"
        )
    print()


def of_s3(of: Swept) -> list[Row]:
    calls, new = of.nothing_new.calls, of.some_new.calls
    thousands, megabytes = ceil(of.files / 1000), calls["units"] * READ_UNIT / PAGE
    alone, tenth = of.listed, of.tenth
    return [
        held(
            "sweep.lists",
            calls["ListObjectsV2"] / thousands,
            f"{calls['ListObjectsV2']}, listing alone {alone.calls['ListObjectsV2']}",
        ),
        held(
            "sweep.queries",
            calls["Query"] / ceil(megabytes * DYNALITE),
            f"{calls['Query']} for {megabytes:.1f} MB; dynalite fills a page at {1 / DYNALITE:g} MB",
        ),
        held("sweep.units", calls["units"] / of.files, f"{calls['units']:,.0f} in all"),
        held("sweep.writes", calls["writes"], f"and {calls['others']} of the run's own record"),
        held(
            "sweep.memory",
            of.nothing_new.megabytes - tenth.megabytes,
            f"{of.nothing_new.megabytes:.1f} beside {tenth.megabytes:.1f} MB; listing alone {alone.megabytes:.1f} MB",
        ),
        held("sweep.cpu", of.nothing_new.cpu / alone.cpu, f"{of.nothing_new.cpu:.2f} s beside {alone.cpu:.2f} s"),
        held("sweep.puts", new["writes"] / NEW, f"{new['writes']} for {NEW}"),
        held("sweep.reads", new["GetItem"] + new["HeadObject"] + new["GetObject"], f"for {NEW}"),
        Row(
            "sweep: CPU, beside that of the bare client", of.nothing_new.cpu / of.bare.cpu, "×", f"{of.bare.cpu:.2f} s"
        ),
    ]


def of_a_folder(of: Swept) -> list[Row]:
    """Listing a local disk costs a tenth of what S3 does, so the ratio says less, and has no budget."""
    calls, cpu = of.nothing_new.calls, of.nothing_new.cpu
    return [
        Row(
            "sweep of a folder: CPU, beside listing alone",
            cpu / of.listed.cpu,
            "×",
            f"{of.files:,} files in {cpu:.2f} s beside {of.listed.cpu:.2f} s; a bare walk {of.bare.cpu:.2f} s",
        ),
        Row(
            "sweep of a folder: stat for each file",
            calls["stat"] / of.files,
            floor=f"a bare walk {of.bare.calls['stat'] / of.files:g}; {calls['scandir']} scandir, {calls['open']} open",
        ),
        Row("sweep of a folder", calls["writes"], "writes", f"{of.some_new.calls['writes']} with {NEW} new ones"),
    ]


def of_new_ones(added: Figures) -> list[Row]:
    seconds = 1000 * added.seconds / ADDED
    return [Row("sweep of new objects: CPU for each", 1000 * added.cpu / ADDED, "ms", f"{seconds:.1f} ms by the clock")]


def measure(number: int) -> list[Row]:
    with stage(number) as (folder, table), ProcessPoolExecutor(1, mp_context=PROCESSES, max_tasks_per_child=1) as pool:
        rows = []
        for place, files, columns, of in (
            ("s3://", number, OF_S3, of_s3),
            (f"{folder}/", number // 10, OF_A_FOLDER, of_a_folder),
        ):
            for name, new in (("known", NEW), ("tenth", 0)):
                pool.submit(seed, place + name, table, new).result()
            seen = swept(Bench(f"{place}empty", pool), place, files)
            show((*columns, *OF_THE_STORE), seen)
            rows += of(seen)
        return rows + of_new_ones(Bench("s3://empty", pool).once(sweep, "s3://added"))


@contextmanager
def stage(number: int) -> Iterator[tuple[Path, str]]:
    """Buckets and folders called `known`, `tenth` and `empty`, and `added`: where the folders lie, and the table."""
    from local.cloud.client import CREDENTIALS, REGION
    from local.cloud.stack import Stack

    sizes = {"known": number + NEW, "tenth": number // 10, "added": ADDED, "empty": 0}
    with (
        running(bucket.serve, sizes) as s3,
        dynalite.serve_dynalite() as dynamodb,
        tempfile.TemporaryDirectory() as folder,
    ):
        declared = dynalite.declared_tables()
        nowhere = Stack("", "", "", "", {name: name for name in declared}, {}, {}, {}, ())
        tables = dynalite.on_dynalite(nowhere, dynamodb, declared).tables
        os.environ |= CREDENTIALS | {
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": s3,
            "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
            "NO_PROXY": "*",
            "RECORDINGS_TABLE": tables["RecordingsTable"],
            "CONTROL_TABLE": tables["ControlTable"],
            "RUNS_TABLE": tables["RunsTable"],
            "TRANSCRIPTS_BUCKET": "none",
        }
        for name, size in (("known", number // 10 + NEW), ("tenth", number // 100), ("empty", 0)):
            make_folder(Path(folder, name), size)
        yield Path(folder), tables["RecordingsTable"]
