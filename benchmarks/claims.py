"""The cost of a claim: alone, and when 16 workers claim at the same moment. On dynalite, which is linearizable.

The workers are processes whose requests are observed, and held until all workers are about to send theirs, as in the
tests of races. Half of the rounds have four recordings per worker; the others have one per worker, so all compete.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.budgets import Row, compare
from benchmarks.process_stats import QUIET_ENVIRONMENT
from benchmarks.upload import make_wav
from testing import dynalite

WORKERS = 16
ACQUIRE_SLOT, CLAIM = "UpdateItem control ADD", "UpdateItem recordings processing"
QUEUE_QUERY, GET_AUDIO = "Query by-status queued", "GET audio"


@dataclass(frozen=True, slots=True)
class ClaimsFixture:
    """`workers` run the tasks; `enqueue` adds this many queued recordings; `folder` is for temporary files."""

    workers: Any
    enqueue: Callable[[int], None]
    folder: Path


def measure(rounds: int) -> list[Row]:
    with run_fixture() as fixture:
        return [*measure_uncontended(fixture), *measure_contended(fixture, rounds)]


def measure_uncontended(fixture: ClaimsFixture) -> list[Row]:
    fixture.enqueue(1)
    requests = [request["name"] for request in fixture.workers.invoke("killable", "process")["requests"]]
    before_audio = requests[: requests.index(GET_AUDIO)]
    claim_requests = before_audio[before_audio.index(QUEUE_QUERY) :]
    writes = [request for request in claim_requests if not request.startswith(("Query", "GetSecretValue"))]
    queries = [request for request in claim_requests if request.startswith("Query")]
    return [
        compare("claims.queries", len(queries), ", ".join(queries)),
        compare("claims.writes", len(writes), ", ".join(writes)),
    ]


def measure_contended(fixture: ClaimsFixture, rounds: int) -> list[Row]:
    """Return the worst of the rounds for each length of the queue."""
    rows = []
    for number in (4 * WORKERS, WORKERS):
        results = [run_contended_round(fixture, number, f"{number}-{index}") for index in range(rounds)]
        failed, claims = max(results, key=lambda result: result[0] / result[1])
        baseline = f"{failed} failed for {claims} claims in the worst of {rounds} rounds; alone 0"
        rows.append(compare("claims.lost", failed / claims, baseline, f"{number} queued"))
    return rows


def run_contended_round(fixture: ClaimsFixture, number: int, name: str) -> tuple[int, int]:
    """Run one round, which leaves the queue empty; return the failed conditional writes and the successful claims."""
    fixture.enqueue(number)
    results = fixture.workers.run_concurrently(WORKERS, "process", ACQUIRE_SLOT, fixture.folder / name)
    requests = [
        request for result in results for request in result["requests"] if request["name"] in {ACQUIRE_SLOT, CLAIM}
    ]
    claim_count = count_completed(results)
    assert claim_count, results
    fixture.workers.environ["RECORDINGS_PER_RUN"] = str(number)
    fixture.workers.invoke("killable", "process")
    del fixture.workers.environ["RECORDINGS_PER_RUN"]
    return sum(request["status"] != 200 for request in requests), claim_count


def count_completed(results: Sequence[Any]) -> int:
    return sum(int(result["run"]["counts"]["completed"]) for result in results)


@contextmanager
def run_fixture() -> Iterator[ClaimsFixture]:
    from local.cloud.aws import serve_aws
    from local.cloud.stack import deploy
    from local.lambdas.pool import lambda_environment
    from testing.scripted_service import ScriptedService
    from testing.workers.killable_tasks import KillableTasks, killable_lambdas

    service = ScriptedService()
    with tempfile.TemporaryDirectory() as folder, serve_aws() as aws, dynalite.serve_dynalite() as dynamodb:
        deployed = deploy(dynalite.ROOT / "template.yaml", aws, {"WhisperXUrl": service.url})
        stack = dynalite.with_dynalite_tables(deployed, dynamodb, dynalite.read_table_definitions())
        quiet_functions = {
            name: replace(function, environment={**function.environment, **QUIET_ENVIRONMENT})
            for name, function in stack.functions.items()
        }
        stack = replace(stack, functions=quiet_functions)
        os.environ |= lambda_environment(stack.function("process"), stack)
        # the workers share this process's standard output, and sometimes write metrics although these are disabled
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        with killable_lambdas(stack, Path(folder)) as lambdas:
            clock = SimpleNamespace(now=lambda: datetime.now(UTC), catch_up=lambda _timestamp: None)
            workers = KillableTasks(lambdas, stack, clock, service.url)
            workers.environ["MAX_CONCURRENT_TRANSCRIPTIONS"] = str(WORKERS)
            yield ClaimsFixture(workers, make_enqueue(aws, stack.buckets["RecordingsBucket"]), Path(folder))
    service.stop()


def make_enqueue(aws: str, bucket: str) -> Callable[[int], None]:
    """Return a function that uploads audio and creates the queued records that sync and queue would have made."""
    from callscribe.recordings import transitions
    from callscribe.recordings.recording import Status, queued_sort_key
    from callscribe.store import recordings, tables
    from local.cloud.client import aws_client

    tables.configure(os.environ)
    s3 = aws_client("s3", aws)
    audio = make_wav(8000)

    def enqueue(number: int) -> None:
        now = datetime.now(UTC)
        for index in range(number):
            key = f"{now:%H%M%S%f}-{index:03}.wav"
            s3.put_object(Bucket=bucket, Key=key, Body=audio)
            recording = transitions.create(f"s3://{bucket}", key, size=len(audio), etag=None, modified_at=now, now=now)
            sort_key = queued_sort_key(now, f"{index:03}")
            assert recordings.create(
                replace(recording, status=Status.QUEUED, sort_key=sort_key, queue_sort_key=sort_key)
            )

    return enqueue
