"""What a sweep of sync costs, over N known objects in S3: with a hundred new ones and with nothing new.

It is compared with listing alone in the same run. Each measurement has a process of its own; so have S3 (bucket.py) and
DynamoDB, which is dynalite, with the tables of template.yaml: it reports what was read in `ConsumedCapacity`, as AWS
does.
"""

import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import batched
from math import ceil
from types import SimpleNamespace
from typing import Any
from unittest import mock

from benchmarks import bucket
from benchmarks.budgets import Row, compare
from benchmarks.measuring import PROCESSES, forget_peak, resident, running
from testing import dynalite

NEW = 100
"""Of all objects, evenly among the others."""
ROUNDS = 5
READ_UNIT = 8192
"""Bytes that one read unit reads, eventually consistent."""
PAGE = 1 << 20
"""Bytes of an index that one Query reads at most."""
DYNALITE = 1.25
"""It fills a page sooner than DynamoDB does: it counts some 20 bytes more for each entry."""
KNOWN, TENTH, EMPTY = "s3://known", "s3://tenth", "s3://empty"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one measurement: seconds of CPU, megabytes above what was resident before, and requests by operation.

    `requests` has the writes to the recordings as `writes`, those to other tables as `others`, and read units as
    `units`.
    """

    cpu: float
    megabytes: float
    requests: Counter[str]


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


def measured(do: Callable[[str], None], path: str) -> Figures:
    """Measure it once everything is imported and connected, by doing it with an empty bucket first."""
    do(EMPTY)
    with counted() as requests:
        before, began = forget_peak(), time.process_time()
        do(path)
        cpu = time.process_time() - began
    return Figures(cpu, resident("VmHWM") - before, requests)


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count requests to AWS, and add up the read units of recordings."""
    from botocore.client import BaseClient

    requests: Counter[str] = Counter()
    send = BaseClient._make_api_call  # noqa: SLF001 — where all requests pass, with their responses

    def request(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        response = send(client, operation, arguments)
        table = arguments.get("TableName") or next(iter(arguments.get("RequestItems", ())), "")
        of_recordings = table.startswith("Recordings")
        writes = operation in {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"}
        requests[("writes" if of_recordings else "others") if writes else operation] += 1
        if of_recordings and not writes:  # PynamoDB always requests it
            requests["units"] += response["ConsumedCapacity"]["CapacityUnits"]
        return response

    with mock.patch.object(BaseClient, "_make_api_call", request):
        yield requests


def measure(number: int) -> list[Row]:
    with stage(number) as table, ProcessPoolExecutor(1, mp_context=PROCESSES, max_tasks_per_child=1) as pool:

        def once(do: Callable[[str], None], path: str) -> Figures:
            return pool.submit(measured, do, path).result()

        for path, new in ((KNOWN, NEW), (TENTH, 0)):
            pool.submit(seed, path, table, new).result()
        some_new = once(sweep, KNOWN)
        rounds = [(once(list_alone, KNOWN), once(sweep, KNOWN)) for _ in range(ROUNDS)]
        listed, nothing_new = (
            replace(min(each, key=lambda one: one.cpu), megabytes=max(one.megabytes for one in each))
            for each in zip(*rounds, strict=True)
        )
        return rows_of(number + NEW, listed, some_new, nothing_new, once(sweep, TENTH))


def rows_of(files: int, listed: Figures, some_new: Figures, nothing_new: Figures, tenth: Figures) -> list[Row]:
    """`tenth`: nothing new in a tenth of the objects."""
    requests, new = nothing_new.requests, some_new.requests
    lists, alone = (each.requests["ListObjectsV2"] for each in (nothing_new, listed))
    megabytes = requests["units"] * READ_UNIT / PAGE
    memory = f"{nothing_new.megabytes:.1f} and {tenth.megabytes:.1f} MB; listing alone {listed.megabytes:.1f} MB"
    return [
        compare("sweep.lists", lists / ceil(files / 1000), f"{lists}, listing alone {alone}"),
        compare(
            "sweep.queries",
            requests["Query"] / ceil(megabytes * DYNALITE),
            f"{requests['Query']} for {megabytes:.1f} MB; dynalite fills a page at {1 / DYNALITE:g} MB",
        ),
        compare("sweep.units", requests["units"] / files, f"{requests['units']:,.0f} in all"),
        compare("sweep.writes", requests["writes"], f"and {requests['others']} of the run's own record"),
        compare("sweep.memory", nothing_new.megabytes - tenth.megabytes, memory),
        compare("sweep.cpu", nothing_new.cpu / listed.cpu, f"{nothing_new.cpu:.2f} s, listing {listed.cpu:.2f} s"),
        compare("sweep.puts", new["writes"] / NEW, f"{new['writes']} for {NEW}"),
        compare("sweep.reads", new["GetItem"] + new["HeadObject"] + new["GetObject"], f"for {NEW}"),
    ]


def seed(path: str, table: str, new: int) -> None:
    """Write the entries that sweeps would have made of all files but `new`: sweeping them would take hours."""
    from callscribe.recording import entry_of, recording_id, source_hash
    from callscribe.sources import open_source
    from functions.sync.version import version_of
    from local.cloud.client import aws_client

    source = open_source(path)
    files = list(source.files())
    every = len(files) // new if new else len(files) + 1
    items = [
        {
            "id": {"S": recording_id(source.location, file.key)},
            "s": {"S": source_hash(source.location)},
            "k": {"S": entry_of(file.key, version_of(file, (), None, told=False))},
        }
        for number, file in enumerate(files, 1)
        if number % every
    ]
    dynamodb = aws_client("dynamodb", os.environ["AWS_ENDPOINT_URL_DYNAMODB"])
    for batch in batched(items, 25, strict=False):
        response = dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}} for item in batch]})
        assert not response["UnprocessedItems"]


@contextmanager
def stage(number: int) -> Iterator[str]:
    """Buckets called `known`, `tenth` and `empty`, and the table of recordings, which this yields."""
    from local.cloud.client import CREDENTIALS, REGION
    from local.cloud.stack import Stack

    sizes = {"known": number + NEW, "tenth": number // 10, "empty": 0}
    with running(bucket.serve, sizes) as s3, dynalite.serve_dynalite() as dynamodb:
        declared = dynalite.declared_tables()
        nowhere = Stack("", "", "", {name: name for name in declared}, {}, {}, {}, ())
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
        yield tables["RecordingsTable"]
