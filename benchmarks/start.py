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
from local.build import Built
from local.cloud.client import CREDENTIALS, REGION
from testing import emulator

ENVIRONMENT = CREDENTIALS | {"AWS_DEFAULT_REGION": REGION}
"""Without it a client cannot be made, or would look for credentials over the network."""

TIMED = """if True:
    import os, time
    os.environ |= {environment!r}
    began = time.process_time()
    {what}
    print(time.process_time() - began)
"""
FLOOR = 'import boto3; boto3.client("dynamodb")'
STARTS = ("start.sync", "start.queue", "start.process", "start.api")
INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")


def measure(rounds: int) -> list[Row]:
    """The median over the rounds: in each of them, an import is compared with boto3's of the same moment."""
    functions = {folder(each): each for each in build.build().values()}
    floors: list[float] = []
    imports: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        floors.append(imported(next(iter(functions.values())), FLOOR))
        for name, function in functions.items():
            imports[name].append(imported(function, f"import {function.handler.rpartition('.')[0]}"))
    rows = []
    for budget in STARTS:
        times = imports[budget.partition(".")[2]]
        ratio = median(own / floor for own, floor in zip(times, floors, strict=True))
        rows.append(compare(budget, ratio, f"{1000 * median(times):.0f} ms, boto3 {1000 * median(floors):.0f} ms"))
    return [*rows, *initialised(functions, rounds)]


def folder(function: Built) -> str:
    """Its short name: that of its folder in functions/."""
    return function.handler.split(".")[1]


def imported(function: Built, what: str) -> float:
    """Seconds of CPU."""
    return float(emulator.probe(function, TIMED.format(environment=ENVIRONMENT, what=what)))


def initialised(functions: Mapping[str, Built], rounds: int) -> list[Row]:
    """What Lambda's emulator says that it took until the function could take its first event."""
    rows = []
    with tempfile.TemporaryDirectory() as logs:
        for name, function in functions.items():
            times = [init(function, Path(logs, name)) for _ in range(rounds)]
            rows.append(
                Row(f"init of {name} under Lambda's emulator", min(times), "ms", f"at most {max(times):.0f} ms")
            )
    return rows


def init(function: Built, log: Path) -> float:
    """In milliseconds."""
    with (
        emulator.emulate(function, ENVIRONMENT | {"LOG_LEVEL": "info"}, log) as started,
        suppress(AssertionError),  # it starts, and then fails, for it has no settings
    ):
        started.invoke({})
    return float(INIT.findall(log.read_text())[0])
