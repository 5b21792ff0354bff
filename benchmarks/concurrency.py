"""How near many recordings at once come to what the service allows: its time for each, by how many it takes at once.

Runs of process as Lambda has them, eight recordings under way in each, against a service that takes a second for each,
however many they are. DynamoDB is dynalite, S3 is moto's: they and the runs share the processors of this machine.
"""

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.budgets import Row
from benchmarks.claims import line_of
from benchmarks.measuring import QUIET, running
from benchmarks.upload import serve_s3
from testing import dynalite

SECONDS = 1.0
"""That the service takes for a recording."""
RUNS = {1: "one run of process", 4: "four runs of process at once"}
AT_ONCE = 8
"""Recordings that one run has under way."""

why_not = dynalite.why_not


def measure(number: int) -> list[Row]:
    return [row_of(runs, number * runs) for runs in RUNS]


def row_of(runs: int, number: int) -> Row:
    from local.cloud.stack import deploy
    from local.lambdas.pool import Lambdas, lambda_environment
    from testing.scripted_service import ScriptedService

    service = ScriptedService()
    service.replies[0].wait = SECONDS
    limits = {"MAX_CONCURRENT_TRANSCRIPTIONS": str(runs * AT_ONCE), "RECORDINGS_PER_RUN": str(number)}
    with (
        tempfile.TemporaryDirectory() as folder,
        running(serve_s3) as aws,
        dynalite.serve_dynalite() as dynamodb,
        ThreadPoolExecutor(runs) as pool,
    ):
        deployed = deploy(dynalite.ROOT / "template.yaml", aws, {"WhisperXUrl": service.url})
        stack = dynalite.on_dynalite(deployed, dynamodb, dynalite.declared_tables())
        os.environ |= lambda_environment(stack.function("process"), stack)
        with Lambdas(stack, Path(folder), QUIET | limits) as lambdas:

            def run(_: int) -> Any:
                return lambdas.invoke("process", {"trigger": "api"}).payload

            list(pool.map(run, range(runs)))  # warms up
            line_of(aws, stack.buckets["RecordingsBucket"])(number)
            began = time.perf_counter()
            completed = [answer["counts"]["completed"] for answer in pool.map(run, range(runs))]
            seconds = time.perf_counter() - began
    service.stop()
    assert sum(completed) == number, completed
    floor = number * SECONDS / (runs * AT_ONCE)
    what = f"{RUNS[runs]}, {AT_ONCE} recordings in each: time, beside that of the service alone"
    return Row(
        what,
        seconds / floor,
        "×",
        f"{number} recordings in {seconds:.1f} s, at most {service.most_at_once} at once; {floor:.1f} s",
    )
