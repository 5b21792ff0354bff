"""Run the benchmarks and print a table of the figures and their budgets: `python -m benchmarks [NAME[=N] …] [--quick]`.

A run of all benchmarks with their full numbers also writes benchmarks/results.md. --output writes any other table to a
file. The exit status is 0 if every budget was measured and met.
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

from benchmarks import bulk_copy, claims, requests_to_aws, scan, size, start, upload
from benchmarks.budgets import BUDGETS, Row, compare
from benchmarks.process_stats import QUIET_ENVIRONMENT, SPAWN_CONTEXT
from benchmarks.table import MeasuredRow, render_table
from testing import dynalite, emulator

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.md"


class Benchmark(NamedTuple):
    """A benchmark. `measure` receives the size of the workload: `number`, or `quick` for a quick run.

    `skip_reason` returns why it cannot run on this machine, or None. `workload`: what `number` counts.
    """

    measure: Callable[[int], list[Row]]
    skip_reason: Callable[[], str | None]
    workload: str
    number: int
    quick: int


BENCHMARKS = {
    "scan": Benchmark(scan.measure, dynalite.unavailable_reason, "known objects", 100_000, 1000),
    "requests": Benchmark(requests_to_aws.measure, lambda: None, "pending recordings", 1000, 100),
    "claims": Benchmark(claims.measure, dynalite.unavailable_reason, "rounds", 10, 1),
    "bulk": Benchmark(bulk_copy.measure, dynalite.unavailable_reason, "uploads", 2000, 200),
    "upload": Benchmark(upload.measure, lambda: None, "MB", 100, 20),
    "start": Benchmark(start.measure, emulator.unavailable_reason, "starts of each", 20, 1),
    "size": Benchmark(size.measure, emulator.unavailable_reason, "build", 1, 1),
}
"""In the order of the table."""


def run_benchmark(name: str, benchmark: Benchmark, number: int) -> list[MeasuredRow]:
    """Run one benchmark in its own process. A budget that was not measured has a row with the reason."""
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
                rows, reason = future.result(), "the benchmark did not measure it"
    measured_names = {row.name for row in rows}
    missing = [budget for budget in BUDGETS if budget.partition(".")[0] == name and budget not in measured_names]
    return [(row, workload) for row in (*rows, *(compare(budget, None, reason) for budget in missing))]


def describe_environment(started_at: datetime, commit: str, *, quick: bool) -> str:
    """Describe which commit was measured, when, and on which machine."""
    return (
        f"{'A quick run with small numbers. ' if quick else ''}Made by `python -m benchmarks` at {commit} on "
        f"{started_at:%Y-%m-%d %H:%M} UTC in {(datetime.now(UTC) - started_at).seconds // 60} minutes: Python "
        f"{platform.python_version()}, {os.cpu_count()} processors, load {os.getloadavg()[2]:.1f}. "
        "[How to read it](README.md#how-to-read-the-table)."
    )


def run_git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False).stdout.strip()


def select_benchmarks(names: list[str], *, quick: bool) -> Mapping[str, int]:
    """Parse NAME and NAME=N arguments into the benchmarks to run (none: all) and their numbers.

    Raises: ValueError, when an argument is invalid.
    """
    defaults = {name: benchmark.quick if quick else benchmark.number for name, benchmark in BENCHMARKS.items()}
    selected = {}
    for argument in names:
        name, _, number = argument.partition("=")
        if name not in BENCHMARKS:
            raise ValueError(f"There is no benchmark {name}. Choose from: {', '.join(BENCHMARKS)}.")
        selected[name] = int(number) if number else defaults[name]
    return selected or defaults


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME[=N]", help=f"{', '.join(BENCHMARKS)}; all if none is given")
    parser.add_argument("--quick", action="store_true", help="a quick run with small numbers")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table to this file")
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
