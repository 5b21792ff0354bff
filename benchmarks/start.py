"""What a cold start imports: each function as it is built, beside boto3 with a client for DynamoDB.

Each import has a fresh process, with nothing but the function and the layer to import from. CPU time, for it does not
depend on what else the machine does; the interpreter's own start is left out of both.
"""

import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from benchmarks.budgets import Row, held
from local import build
from local.build import Built
from local.cloud.client import CREDENTIALS, REGION
from testing import emulator

ENVIRONMENT = CREDENTIALS | {"AWS_DEFAULT_REGION": REGION}
"""A client cannot be made without, and would look for credentials over the network."""

TIMED = """if True:
    import os, time
    os.environ |= {environment!r}
    cpu, began = time.process_time(), time.perf_counter()
    {what}
    print([time.process_time() - cpu, time.perf_counter() - began])
"""
FLOOR = 'import boto3; boto3.client("dynamodb")'
STARTS = ("start.sync", "start.queue", "start.process", "start.api")
INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")

type Seconds = tuple[float, float]
"""Of CPU, and by the clock."""


why_not = emulator.why_not


def measure(rounds: int) -> list[Row]:
    functions = {folder(each): each for each in build.build().values()}
    layers = next(iter(functions.values()))
    floors: list[Seconds] = []
    imports: dict[str, list[Seconds]] = {name: [] for name in functions}
    for _ in range(rounds):  # in turn, so that all have the same weather
        floors.append(imported(layers, FLOOR))
        for name, function in functions.items():
            imports[name].append(imported(function, f"import {function.handler.rpartition('.')[0]}"))
    floor, floor_by_the_clock = least(floors)
    rows, by_the_clock = [], []
    for budget in STARTS:
        name = budget.partition(".")[2]
        cpu, clock = least(imports[name])
        told = f"{1000 * cpu:.0f} ms beside {1000 * floor:.0f} ms"
        rows.append(held(budget, cpu / floor, told))
        what = f"import of {name}, by the clock, beside boto3 with a client"
        told = f"{1000 * clock:.0f} ms beside {1000 * floor_by_the_clock:.0f} ms"
        by_the_clock.append(Row(what, clock / floor_by_the_clock, "×", told))
    return [*rows, *by_the_clock, *initialised(functions, rounds)]


def folder(function: Built) -> str:
    """Its short name: that of its folder in functions/."""
    return function.handler.split(".")[1]


def imported(function: Built, what: str) -> Seconds:
    cpu, clock = emulator.probe(function, TIMED.format(environment=ENVIRONMENT, what=what))
    return cpu, clock


def least(times: list[Seconds]) -> Seconds:
    """Of CPU and by the clock, each by itself."""
    return min(cpu for cpu, _ in times), min(clock for _, clock in times)


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
