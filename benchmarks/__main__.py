"""Measure what Callscribe costs, and write the table of it: `python -m benchmarks [NAME[=N] …] [--quick]`.

All benchmarks with their full numbers write benchmarks/results.md; anything less is only printed, unless --output names
a file. The exit status is 0 if every budget was measured and met.
"""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks import claims, requests_to_aws, scan, size, start, upload
from benchmarks.budgets import BUDGETS, Row, compare
from benchmarks.process_stats import QUIET_ENVIRONMENT, SPAWN_CONTEXT
from benchmarks.table import MeasuredRow, render_table
from testing import dynalite, emulator

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.md"


class Benchmark(NamedTuple):
    """`measure` takes the number of `of`: `number`, or `quick` for a trial. `skip_reason`: why it cannot run here."""

    measure: Callable[[int], list[Row]]
    skip_reason: Callable[[], str | None]
    workload: str
    number: int
    quick: int


BENCHMARKS = {
    "scan": Benchmark(scan.measure, dynalite.unavailable_reason, "known objects", 100_000, 1000),
    "requests": Benchmark(requests_to_aws.measure, lambda: None, "pending recordings", 1000, 100),
    "claims": Benchmark(claims.measure, dynalite.unavailable_reason, "rounds", 10, 1),
    "upload": Benchmark(upload.measure, lambda: None, "MB", 100, 20),
    "start": Benchmark(start.measure, emulator.unavailable_reason, "starts of each", 20, 1),
    "size": Benchmark(size.measure, emulator.unavailable_reason, "build", 1, 1),
}
"""In the order of the table."""


def run_benchmark(name: str, benchmark: Benchmark, number: int) -> list[MeasuredRow]:
    """Measure in a process of its own; a budget without a figure has a row that says why."""
    workload = f"{number:,} {benchmark.workload}"
    print(f"\n{name}: {workload}", flush=True)
    rows: list[Row] = []
    if not (reason := benchmark.skip_reason()):
        with ProcessPoolExecutor(1, mp_context=SPAWN_CONTEXT) as pool:
            future = pool.submit(benchmark.measure, number)
            if error := future.exception():
                reason = f"{type(error).__name__}: {error}"
                print(reason, error.__cause__ or "", flush=True)
            else:
                rows, reason = future.result(), "the benchmark has no figure for it"
    measured_names = {row.name for row in rows}
    missing = [each for each in BUDGETS if each.partition(".")[0] == name and each not in measured_names]
    return [(row, workload) for row in (*rows, *(compare(each, None, reason) for each in missing))]


def describe_environment(started_at: datetime, commit: str, *, quick: bool) -> str:
    """Which code was measured, when, and on what."""
    return (
        f"{'Quick, with small numbers, for a trial. ' if quick else ''}Made by `python -m benchmarks` of {commit} on "
        f"{started_at:%Y-%m-%d %H:%M} UTC in {(datetime.now(UTC) - started_at).seconds // 60} minutes: Python "
        f"{platform.python_version()}, {os.cpu_count()} processors, load {os.getloadavg()[2]:.1f}. "
        "[How to read it](README.md#how-to-read-the-table)."
    )


def run_git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False).stdout.strip()


def select_benchmarks(names: list[str], *, quick: bool) -> Mapping[str, int]:
    """Benchmarks and the number of each. Raises ValueError."""
    defaults = {name: each.quick if quick else each.number for name, each in BENCHMARKS.items()}
    selected = {}
    for each in names:
        name, _, number = each.partition("=")
        if name not in BENCHMARKS:
            raise ValueError(f"There is no {name}: there are {', '.join(BENCHMARKS)}.")
        selected[name] = int(number) if number else defaults[name]
    return selected or defaults


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME[=N]", help=f"{', '.join(BENCHMARKS)}; all if none is given")
    parser.add_argument("--quick", action="store_true", help="with small numbers, for a trial")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the table is written")
    arguments = parser.parse_args()
    try:
        selected = select_benchmarks(arguments.names, quick=arguments.quick)
    except ValueError as error:
        parser.error(str(error))
    started_at = datetime.now(UTC)
    commit = run_git("rev-parse", "--short", "HEAD") + (" with changes" if run_git("status", "--porcelain") else "")
    os.environ |= QUIET_ENVIRONMENT
    rows = [row for name, number in selected.items() for row in run_benchmark(name, BENCHMARKS[name], number)]
    report = render_table(rows, describe_environment(started_at, commit, quick=arguments.quick))
    print(f"\n{report}")
    is_complete = not arguments.names and not arguments.quick
    if output := arguments.output or (RESULTS if is_complete else None):
        output.write_text(report, encoding="utf-8")
    return 0 if all(row.is_met for row, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
