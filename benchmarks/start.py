"""What a cold start imports: each function as it is built, compared with boto3 with a client for DynamoDB.

Each import has a fresh process, with nothing but the function and the layer to import from. It is CPU time that is
measured, which depends little on what else the machine does; the interpreter's own start is left out of both.
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
"""Without it a client cannot be made, or would look for credentials over the network."""

TIMED_IMPORT = """if True:
    import os, time
    os.environ |= {environment!r}
    began = time.process_time()
    {what}
    print(time.process_time() - began)
"""
BASELINE = 'import boto3; boto3.client("dynamodb")'
START_BUDGETS = ("start.sync", "start.queue", "start.process", "start.api")
INIT_REPORT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")


def measure(rounds: int) -> list[Row]:
    """The median over the rounds: in each of them, an import is compared with boto3's of the same moment."""
    functions = {short_name(each): each for each in build.build_functions().values()}
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
    """Its short name: that of its folder in functions/."""
    return function.handler.split(".")[1]


def time_import(function: BuiltFunction, statement: str) -> float:
    """Seconds of CPU."""
    return float(emulator.run_code(function, TIMED_IMPORT.format(environment=ENVIRONMENT, what=statement)))


def measure_init(functions: Mapping[str, BuiltFunction], rounds: int) -> list[Row]:
    """What Lambda's emulator says that it took until the function could take its first event."""
    rows = []
    with tempfile.TemporaryDirectory() as logs:
        for name, function in functions.items():
            times = [time_init(function, Path(logs, name)) for _ in range(rounds)]
            rows.append(
                Row(f"init of {name} under Lambda's emulator", min(times), "ms", f"at most {max(times):.0f} ms")
            )
    return rows


def time_init(function: BuiltFunction, log: Path) -> float:
    """In milliseconds."""
    with (
        emulator.emulate(function, ENVIRONMENT | {"LOG_LEVEL": "info"}, log) as started,
        suppress(AssertionError),  # it starts, and then fails, for it has no settings
    ):
        started.invoke({})
    return float(INIT_REPORT.findall(log.read_text())[0])
