"""What a claim costs: alone, and when 16 workers make one at the same moment. On dynalite, which is linearizable.

The workers are processes whose every remote call is seen, and held up until all are about to make it, as in the tests
of races. Half of the rounds have four recordings for each worker, half of them one, for which all of them race.
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
from benchmarks.measuring import QUIET
from benchmarks.upload import wav
from testing import dynalite

WORKERS = 16
TAKE, CLAIM = "UpdateItem control ADD", "UpdateItem recordings processing"
LOOKS, AUDIO = "Query by-status queued", "GET audio"


@dataclass(frozen=True, slots=True)
class Stage:
    """`workers` run the tasks; `line` puts so many recordings into the queue; `folder` is for passing things."""

    workers: Any
    line: Callable[[int], None]
    folder: Path


def measure(rounds: int) -> list[Row]:
    with stage() as on:
        return [*alone(on), *at_once(on, rounds)]


def alone(on: Stage) -> list[Row]:
    on.line(1)
    calls = [each["call"] for each in on.workers.invoke("mortal", "process")["calls"]]
    before_audio = calls[: calls.index(AUDIO)]
    claim = before_audio[before_audio.index(LOOKS) :]
    writes = [call for call in claim if not call.startswith(("Query", "GetSecretValue"))]
    queries = [call for call in claim if call.startswith("Query")]
    return [
        compare("claims.queries", len(queries), ", ".join(queries)),
        compare("claims.writes", len(writes), ", ".join(writes)),
    ]


def at_once(on: Stage, rounds: int) -> list[Row]:
    """The worst of the rounds."""
    rows = []
    for number in (4 * WORKERS, WORKERS):
        seen = [contended(on, number, f"{number}-{each}") for each in range(rounds)]
        lost, claimed = max(seen, key=lambda each: each[0] / each[1])
        floor = f"{lost} lost by {claimed} claims in the worst of {rounds} rounds; alone 0"
        rows.append(compare("claims.lost", lost / claimed, floor, f"{number} queued"))
    return rows


def contended(on: Stage, number: int, name: str) -> tuple[int, int]:
    """Writes that lost to somebody else's, and claims that were made, in one round; the queue is empty afterwards."""
    on.line(number)
    answers = on.workers.at_once(WORKERS, "process", TAKE, on.folder / name)
    calls = [call for answer in answers for call in answer["calls"] if call["call"] in {TAKE, CLAIM}]
    claimed = completed(answers)
    assert claimed, answers
    on.workers.environ["RECORDINGS_PER_RUN"] = str(number)
    on.workers.invoke("mortal", "process")
    del on.workers.environ["RECORDINGS_PER_RUN"]
    return sum(call["status"] != 200 for call in calls), claimed


def completed(answers: Sequence[Any]) -> int:
    return sum(int(answer["run"]["counts"]["completed"]) for answer in answers)


@contextmanager
def stage() -> Iterator[Stage]:
    from local.cloud.aws import serve_aws
    from local.cloud.stack import deploy
    from local.lambdas.pool import lambda_environment
    from testing.scripted_service import ScriptedService
    from testing.workers.mortals import Mortals, mortal_lambdas

    service = ScriptedService()
    with tempfile.TemporaryDirectory() as folder, serve_aws() as aws, dynalite.serve_dynalite() as dynamodb:
        deployed = deploy(dynalite.ROOT / "template.yaml", aws, {"WhisperXUrl": service.url})
        stack = dynalite.on_dynalite(deployed, dynamodb, dynalite.declared_tables())
        quiet = {
            name: replace(each, environment={**each.environment, **QUIET}) for name, each in stack.functions.items()
        }
        stack = replace(stack, functions=quiet)
        os.environ |= lambda_environment(stack.function("process"), stack)
        # the workers write where this process does, and now and then metrics though they are turned off
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        with mortal_lambdas(stack, Path(folder)) as lambdas:
            clock = SimpleNamespace(now=lambda: datetime.now(UTC), catch_up=lambda _moment: None)
            workers = Mortals(lambdas, stack, clock, service.url)
            workers.environ["MAX_CONCURRENT_TRANSCRIPTIONS"] = str(WORKERS)
            yield Stage(workers, line_of(aws, stack.buckets["RecordingsBucket"]), Path(folder))
    service.stop()


def line_of(aws: str, bucket: str) -> Callable[[int], None]:
    """Puts audio into the bucket, and into the queue what sync and queue would have made of it."""
    from callscribe import transitions
    from callscribe.recording import Status
    from callscribe.store import models, recordings
    from local.cloud.client import aws_client

    models.bind(os.environ)
    s3 = aws_client("s3", aws)
    audio = wav(800)

    def line(number: int) -> None:
        now = datetime.now(UTC)
        for each in range(number):
            key = f"{now:%H%M%S%f}-{each:03}.wav"
            s3.put_object(Bucket=bucket, Key=key, Body=audio)
            new = transitions.new(f"s3://{bucket}", key, size=len(audio), etag=None, modified_at=now, now=now)
            place = transitions.queued_position(now, f"{each:03}")
            assert recordings.add(replace(new, status=Status.QUEUED, position=place, queue_position=place))

    return line
