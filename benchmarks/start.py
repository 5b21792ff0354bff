"""The imports of a cold start: each built function, compared with boto3 and a DynamoDB client.

Each import runs in a new process that has only the function and the layer on its path. CPU time is measured, which
depends little on other load; the start of the interpreter is not included.
"""

import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median

from benchmarks.budgets import Row, compare
from local import build
from local.build import BuiltFunction
from local.cloud.client import CREDENTIALS, REGION
from testing import emulator

ENVIRONMENT = CREDENTIALS | {"AWS_DEFAULT_REGION": REGION}
"""Without these, a client cannot be created, or searches for credentials over the network."""

TIMED_IMPORT = """if True:
    import os, time
    os.environ |= {environment!r}
    started_at = time.process_time()
    {statement}
    print(time.process_time() - started_at)
"""
BASELINE = 'import boto3; boto3.client("dynamodb")'
START_BUDGETS = ("start.sync", "start.queue", "start.process", "start.api")
INIT_REPORT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")


def measure(rounds: int) -> list[Row]:
    """Return the median over the rounds, in each of which imports are compared with boto3's at the same time."""
    functions = {short_name(function): function for function in build.build_functions().values()}
    baselines: list[float] = []
    imports: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        baselines.append(time_import(next(iter(functions.values())), BASELINE))
        for name, function in functions.items():
            imports[name].append(time_import(function, f"import {function.handler.rpartition('.')[0]}"))
    rows = []
    for budget in START_BUDGETS:
        times = imports[budget.partition(".")[2]]
        ratio = median(
            function_seconds / baseline_seconds
            for function_seconds, baseline_seconds in zip(times, baselines, strict=True)
        )
        rows.append(compare(budget, ratio, f"{1000 * median(times):.0f} ms, boto3 {1000 * median(baselines):.0f} ms"))
    return [*rows, *measure_init(functions, rounds)]


def short_name(function: BuiltFunction) -> str:
    """Return the name of the function's folder in functions/."""
    return function.handler.split(".")[1]


def time_import(function: BuiltFunction, statement: str) -> float:
    """Return the CPU time of a statement in seconds."""
    return float(emulator.run_code(function, TIMED_IMPORT.format(environment=ENVIRONMENT, statement=statement)))


def measure_init(functions: Mapping[str, BuiltFunction], rounds: int) -> list[Row]:
    """Return the init durations as reported by Lambda's emulator: until the function can handle its first event."""
    rows = []
    with tempfile.TemporaryDirectory() as logs:
        for name, function in functions.items():
            times = [time_init(function, Path(logs, name)) for _ in range(rounds)]
            rows.append(
                Row(f"init of {name} under Lambda's emulator", min(times), "ms", f"at most {max(times):.0f} ms")
            )
    return rows


def time_init(function: BuiltFunction, log: Path) -> float:
    """Return the init duration in milliseconds."""
    with (
        emulator.emulate(function, ENVIRONMENT | {"LOG_LEVEL": "info"}, log) as started,
        suppress(AssertionError),  # the function starts, and then fails because it has no settings
    ):
        started.invoke({})
    return float(INIT_REPORT.findall(log.read_text())[0])
