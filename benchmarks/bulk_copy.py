"""A bulk copy: N uploads at a higher rate than sync can ingest, through the rule and queue of the template.

moto has both, and the objects are uploaded to it. The poller of the local stack passes the messages to sync in worker
processes, which use a faster listing of the same objects (bucket.py), and dynalite. All invocations share the ten
concurrent executions of a new account: what comes beyond them is rejected. Compared with an invocation for each event.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import batched
from pathlib import Path
from statistics import mean
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from benchmarks import bucket
from benchmarks.budgets import Row, compare
from benchmarks.process_stats import QUIET_ENVIRONMENT, run_server
from testing import dynalite

if TYPE_CHECKING:
    from local.cloud.stack import Stack
    from local.lambdas.pool import InvocationResult, Lambdas

BUCKET = "uploaded"
CONCURRENT_EXECUTIONS = 10
"""Of a new account."""
UPLOADS = 10_000
"""The uploads of the budget; other numbers are converted to it."""
SAMPLE_SHARE = 50
"""An invocation for each event is measured with this fraction of the uploads."""
BATCH_SIZE = 10
"""Uploads between two looks at the queue."""
MAX_WAITING = 100
"""Messages in the queue: moto becomes slow with more, and whether a hundred or thousands wait changes no batch."""
PROBE_SECONDS = 0.5
RETRY_SECONDS = 0.05
"""Seconds between two API requests and scheduled events, and until what had to wait tries again."""
REQUEST_COUNTS = Path(__file__).with_name("request_counts.json")
API_REQUEST = json.loads((dynalite.ROOT / "events/api-health.json").read_text("utf-8"))
SCHEDULED_EVENT = json.loads((dynalite.ROOT / "events/schedule.json").read_text("utf-8"))


class Throttled(RuntimeError):
    """All concurrent executions of the account are in use."""


@dataclass(slots=True)
class LimitedAccount:
    """Invokes functions with the concurrent executions of an account, and counts the invocations of sync."""

    lambdas: "Lambdas"
    sync: str
    batch_sizes: list[int] = field(default_factory=list)
    most_at_once: int = 0
    _running: dict[str, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def invoke(self, function: str, event: Any) -> "InvocationResult":
        """Invoke a function and wait for it. Raises: Throttled."""
        with self._lock:
            if sum(self._running.values()) == CONCURRENT_EXECUTIONS:
                raise Throttled
            self._running[function] = self._running.get(function, 0) + 1
            if function == self.sync:
                self.batch_sizes.append(len(event["Records"]))
                self.most_at_once = max(self.most_at_once, self._running[function])
        try:
            result = self.lambdas.invoke(function, event)
            assert not result.failed, result.payload
            return result
        finally:
            with self._lock:
                self._running[function] -= 1


@dataclass(slots=True)
class Probes:
    """Sends API requests and scheduled events during a copy. `rejected`: how many of them found no execution."""

    sent: int = 0
    rejected: int = 0

    @contextmanager
    def send(self, invoke: Callable[[str, Any], object], api: str, queue: str) -> Iterator[None]:
        has_ended = Event()

        def send_until_the_end() -> None:
            while not has_ended.wait(PROBE_SECONDS):
                for function, event in ((api, API_REQUEST), (queue, SCHEDULED_EVENT)):
                    self.sent += 1
                    try:
                        invoke(function, event)
                    except Throttled:
                        self.rejected += 1

        thread = Thread(target=send_until_the_end)
        thread.start()
        try:
            yield
        finally:
            has_ended.set()
            thread.join()


def measure(number: int) -> list[Row]:
    keys = bucket.make_keys(number)
    with run_fixture(number) as (stack, lambdas):
        names = [stack.function(folder).name for folder in ("sync", "api", "queue")]
        after, after_probes = copy_through_queue(stack, lambdas, names, keys)
        record_count = count_records(stack)
        before, before_probes = copy_without_queue(lambdas, names, keys[: max(1, number // SAMPLE_SHARE)])
    steps = json.loads(REQUEST_COUNTS.read_text("utf-8"))["steps"]
    single, further = (sum(steps[step]["requests"].values()) for step in ("upload", "upload, each more"))
    invocations, batch_size = len(after.batch_sizes), mean(after.batch_sizes)
    return [
        compare("bulk.invocations", invocations * UPLOADS / number, f"{UPLOADS:,} with one for each event"),
        compare(
            "bulk.at_once",
            after.most_at_once,
            f"{before.most_at_once} of {CONCURRENT_EXECUTIONS} with one for each event",
        ),
        compare("bulk.missing", number - record_count, f"{record_count:,} records"),
        compare(
            "bulk.rejected",
            after_probes.rejected,
            f"of {after_probes.sent}; {before_probes.rejected} of {before_probes.sent} with one for each event",
        ),
        Row("bulk copy: files in a batch", batch_size, "", f"{min(after.batch_sizes)} to {max(after.batch_sizes)}"),
        Row(
            "bulk copy: requests to AWS for each file of such a batch",
            (single + (batch_size - 1) * further) / batch_size,
            "requests",
            f"{single} for one file, {further} for each further one (request_counts.json)",
        ),
    ]


def copy_through_queue(
    stack: "Stack", lambdas: "Lambdas", names: list[str], keys: list[str]
) -> tuple[LimitedAccount, Probes]:
    """Upload all objects, and wait until every message has been handled."""
    from local.cloud.client import aws_client
    from local.cloud.event_sources import EventSourcePoller

    sync, api, queue = names
    account, probes = LimitedAccount(lambdas, sync), Probes()
    s3, sqs = aws_client("s3", stack.endpoint), aws_client("sqs", stack.endpoint)
    url = stack.event_sources[0].queue_url
    with EventSourcePoller(stack, account.invoke), probes.send(account.invoke, api, queue):
        for batch in batched(keys, BATCH_SIZE, strict=False):
            for key in batch:
                s3.put_object(Bucket=BUCKET, Key=key)
            while count_messages(sqs, url)[0] >= MAX_WAITING:
                time.sleep(RETRY_SECONDS)
        while any(count_messages(sqs, url)):
            time.sleep(PROBE_SECONDS)
    return account, probes


def copy_without_queue(lambdas: "Lambdas", names: list[str], keys: list[str]) -> tuple[LimitedAccount, Probes]:
    """Invoke sync for each event at once; like Lambda, try again while there is no execution left."""
    sync, api, queue = names
    account, probes = LimitedAccount(lambdas, sync), Probes()

    def invoke_until_accepted(key: str) -> None:
        while True:
            try:
                account.invoke(
                    sync, {"Records": [{"messageId": "1", "body": json.dumps({"detail": make_detail(key)})}]}
                )
                return
            except Throttled:
                time.sleep(RETRY_SECONDS)

    with probes.send(account.invoke, api, queue), ThreadPoolExecutor(4 * CONCURRENT_EXECUTIONS) as pool:
        list(pool.map(invoke_until_accepted, keys))
    return account, probes


def make_detail(key: str) -> dict[str, Any]:
    return {"bucket": {"name": BUCKET}, "object": {"key": key}}


def count_messages(sqs: Any, url: str) -> list[int]:
    """Return how many messages are waiting, and how many are being handled."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return [int(attributes[name]) for name in names]


def count_records(stack: "Stack") -> int:
    from local.cloud.client import aws_client

    endpoint = stack.function("sync").environment["AWS_ENDPOINT_URL_DYNAMODB"]
    pages = (
        aws_client("dynamodb", endpoint)
        .get_paginator("scan")
        .paginate(TableName=stack.tables["RecordingsTable"], Select="COUNT")
    )
    return sum(page["Count"] for page in pages)


@contextmanager
def run_fixture(number: int) -> Iterator[tuple["Stack", "Lambdas"]]:
    """Serve a bucket with this many objects, and run the functions of the stack on it."""
    from local.cloud.aws import serve_aws
    from local.cloud.client import aws_client
    from local.cloud.stack import deploy
    from local.lambdas.pool import Lambdas

    with ExitStack() as exit_stack:
        s3 = exit_stack.enter_context(run_server(bucket.serve, {BUCKET: number}))
        dynamodb = exit_stack.enter_context(dynalite.serve_dynalite())
        aws = exit_stack.enter_context(serve_aws())
        state = Path(exit_stack.enter_context(tempfile.TemporaryDirectory()))
        parameters = {"WhisperXUrl": "http://127.0.0.1:9", "RecordingsPath": f"s3://{BUCKET}/"}
        deployed = deploy(dynalite.ROOT / "template.yaml", aws, parameters)
        uploads = aws_client("s3", aws)
        uploads.create_bucket(Bucket=BUCKET)
        uploads.put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        stack = dynalite.with_dynalite_tables(deployed, dynamodb, dynalite.read_table_definitions())
        environment = QUIET_ENVIRONMENT | {"AWS_ENDPOINT_URL_S3": s3, "AWS_ENDPOINT_URL_DYNAMODB": dynamodb}
        yield stack, exit_stack.enter_context(Lambdas(stack, state, environment))
