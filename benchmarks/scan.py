"""The cost of a scan by sync over N known objects in S3: with a hundred new ones, and with nothing new.

Compared with listing alone in the same run. Each measurement has its own process, and so have S3 (bucket.py) and
DynamoDB: dynalite, with the tables of template.yaml, which reports read units in `ConsumedCapacity` as AWS does.
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
from benchmarks.process_stats import SPAWN_CONTEXT, memory_mb, reset_peak_memory, run_server
from testing import dynalite

NEW_OBJECTS = 100
"""New objects, evenly distributed among the others."""
ROUNDS = 5
READ_UNIT_BYTES = 8192
"""Bytes read by one read unit, eventually consistent."""
QUERY_PAGE_BYTES = 1 << 20
"""Bytes of an index that one Query reads at most."""
DYNALITE_PAGE_FACTOR = 1.25
"""dynalite's pages hold fewer entries than DynamoDB's, because it counts about 20 bytes more for each entry."""
KNOWN, TENTH, EMPTY = "s3://known", "s3://tenth", "s3://empty"


@dataclass(frozen=True, slots=True)
class Measurement:
    """The seconds of CPU, the additional memory in megabytes, and the requests by operation.

    In `requests`, `writes` are writes to the recordings table, `others` to other tables, and `units` are read units.
    """

    cpu: float
    megabytes: float
    requests: Counter[str]


def run_scan(path: str) -> None:
    """Run sync as scheduled."""
    from functions.sync import app

    os.environ["RECORDINGS_PATH"] = path
    app.load_env.cache_clear()
    context = SimpleNamespace(
        function_name="sync",
        memory_limit_in_mb=512,
        invoked_function_arn="arn",
        aws_request_id=uuid.uuid4().hex,
        get_remaining_time_in_millis=lambda: 900_000,
    )
    run = app.lambda_handler({"source": "aws.events", "detail-type": "Scheduled Event"}, context)
    assert run["status"] == "succeeded", run


def list_only(path: str) -> None:
    """List the files as sync does, and nothing else."""
    from callscribe.sources import open_source

    for _ in open_source(path).list_files():
        pass


def measure_once(action: Callable[[str], None], path: str) -> Measurement:
    """Measure `action`, after a warm-up with an empty bucket that imports and connects everything."""
    action(EMPTY)
    with count_requests() as requests:
        baseline_mb, started_at = reset_peak_memory(), time.process_time()
        action(path)
        cpu = time.process_time() - started_at
    return Measurement(cpu, memory_mb("VmHWM") - baseline_mb, requests)


@contextmanager
def count_requests() -> Iterator[Counter[str]]:
    """Count the requests to AWS within the context, and add up the read units of the recordings table."""
    from botocore.client import BaseClient

    requests: Counter[str] = Counter()
    send = BaseClient._make_api_call  # noqa: SLF001 — all requests go through it

    def request(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        response = send(client, operation, arguments)
        table = arguments.get("TableName") or next(iter(arguments.get("RequestItems", ())), "")
        is_recordings_table = table.startswith("Recordings")
        is_write = operation in {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"}
        requests[("writes" if is_recordings_table else "others") if is_write else operation] += 1
        if is_recordings_table and not is_write:  # PynamoDB always requests it
            requests["units"] += response["ConsumedCapacity"]["CapacityUnits"]
        return response

    with mock.patch.object(BaseClient, "_make_api_call", request):
        yield requests


def measure(number: int) -> list[Row]:
    with run_fixture(number) as table, ProcessPoolExecutor(1, mp_context=SPAWN_CONTEXT, max_tasks_per_child=1) as pool:

        def run_in_process(action: Callable[[str], None], path: str) -> Measurement:
            return pool.submit(measure_once, action, path).result()

        for path, new_count in ((KNOWN, NEW_OBJECTS), (TENTH, 0)):
            pool.submit(seed, path, table, new_count).result()
        some_new = run_in_process(run_scan, KNOWN)
        rounds = [(run_in_process(list_only, KNOWN), run_in_process(run_scan, KNOWN)) for _ in range(ROUNDS)]
        listing, nothing_new = (
            replace(min(measurements, key=lambda one: one.cpu), megabytes=max(one.megabytes for one in measurements))
            for measurements in zip(*rounds, strict=True)
        )
        return build_rows(number + NEW_OBJECTS, listing, some_new, nothing_new, run_in_process(run_scan, TENTH))


def build_rows(
    files: int, listing: Measurement, some_new: Measurement, nothing_new: Measurement, tenth: Measurement
) -> list[Row]:
    """Return the rows of the table. `tenth`: a scan with nothing new of a tenth of the objects."""
    requests, new_requests = nothing_new.requests, some_new.requests
    lists, listing_requests = (side.requests["ListObjectsV2"] for side in (nothing_new, listing))
    megabytes = requests["units"] * READ_UNIT_BYTES / QUERY_PAGE_BYTES
    memory = f"{nothing_new.megabytes:.1f} and {tenth.megabytes:.1f} MB; listing alone {listing.megabytes:.1f} MB"
    return [
        compare("scan.lists", lists / ceil(files / 1000), f"{lists}, listing alone {listing_requests}"),
        compare(
            "scan.queries",
            requests["Query"] / ceil(megabytes * DYNALITE_PAGE_FACTOR),
            f"{requests['Query']} for {megabytes:.1f} MB; dynalite fills a page at {1 / DYNALITE_PAGE_FACTOR:g} MB",
        ),
        compare("scan.units", requests["units"] / files, f"{requests['units']:,.0f} in all"),
        compare("scan.writes", requests["writes"], f"and {requests['others']} of the run's own record"),
        compare("scan.memory", nothing_new.megabytes - tenth.megabytes, memory),
        compare("scan.cpu", nothing_new.cpu / listing.cpu, f"{nothing_new.cpu:.2f} s, listing {listing.cpu:.2f} s"),
        compare("scan.puts", new_requests["writes"] / NEW_OBJECTS, f"{new_requests['writes']} for {NEW_OBJECTS}"),
        compare(
            "scan.reads",
            new_requests["GetItem"] + new_requests["HeadObject"] + new_requests["GetObject"],
            f"for {NEW_OBJECTS}",
        ),
    ]


def seed(path: str, table: str, new_count: int) -> None:
    """Write the index entries of all files except `new_count` new ones; ingesting them by scans would take hours."""
    from callscribe.recordings.recording import build_index_key, recording_id, source_hash
    from callscribe.sources import open_source
    from functions.sync.metadata_reader import compute_fingerprint
    from local.cloud.client import aws_client

    source = open_source(path)
    files = list(source.list_files())
    interval = len(files) // new_count if new_count else len(files) + 1
    items = [
        {
            "id": {"S": recording_id(source.location, file.key)},
            "s": {"S": source_hash(source.location)},
            "k": {"S": build_index_key(file.key, compute_fingerprint(file, (), None, is_in_index=False))},
        }
        for number, file in enumerate(files, 1)
        if number % interval
    ]
    dynamodb = aws_client("dynamodb", os.environ["AWS_ENDPOINT_URL_DYNAMODB"])
    for batch in batched(items, 25, strict=False):
        response = dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}} for item in batch]})
        assert not response["UnprocessedItems"]


@contextmanager
def run_fixture(number: int) -> Iterator[str]:
    """Serve the buckets `known`, `tenth` and `empty`, and the tables; yield the name of the recordings table."""
    from local.cloud.client import CREDENTIALS, REGION
    from local.cloud.stack import Stack

    sizes = {"known": number + NEW_OBJECTS, "tenth": number // 10, "empty": 0}
    with run_server(bucket.serve, sizes) as s3, dynalite.serve_dynalite() as dynamodb:
        definitions = dynalite.read_table_definitions()
        empty_stack = Stack("", "", "", {name: name for name in definitions}, {}, {}, {}, ())
        tables = dynalite.with_dynalite_tables(empty_stack, dynamodb, definitions).tables
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
