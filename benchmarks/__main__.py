"""Measures what Callscribe costs, and writes the table of it: `python -m benchmarks [NAME[=N] …] [--quick]`.

All of them with their full numbers become benchmarks/results.md; anything less is only printed, unless --output says
where to write it. The exit status is 0 if every budget was measured and met.
"""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.budgets import BUDGETS, Row, held
from benchmarks.measuring import PROCESSES, QUIET
from benchmarks.registry import BENCHMARKS, Benchmark
from benchmarks.table import Outcome, table

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.md"


def outcome(name: str, benchmark: Benchmark, number: int) -> Outcome:
    """What came of it, in a process of its own; a budget of which nothing came has a row that says why."""
    print(f"\n{name}: {number:,} {benchmark.of}", flush=True)
    rows: list[Row] = []
    if not (reason := benchmark.why_not()):
        with ProcessPoolExecutor(1, mp_context=PROCESSES) as pool:
            done = pool.submit(benchmark.measure, number)
            if error := done.exception():
                reason = f"{type(error).__name__}: {error}"
                print(reason, error.__cause__ or "", flush=True)
            else:
                rows, reason = done.result(), "the benchmark does not tell"
    return Outcome(name, f"{number:,} {benchmark.of}", [*rows, *missing(name, rows, reason)])


def missing(name: str, rows: list[Row], reason: str) -> list[Row]:
    """Those of its budgets that none of the rows is held to."""
    there = {row.name for row in rows}
    return [held(each, None, reason) for each in BUDGETS if each.partition(".")[0] == name and each not in there]


def code() -> str:
    """Its commit, and whether it has been changed since."""
    return _git("rev-parse", "--short", "HEAD") + (" with changes" if _git("status", "--porcelain") else "")


def circumstances(of: str, began: datetime, *, quick: bool) -> str:
    """Which code was measured, when, and on what."""
    return (
        f"{'Quick, with small numbers: for trying. ' if quick else ''}Made by `python -m benchmarks` of {of} on "
        f"{began:%Y-%m-%d %H:%M} UTC in {(datetime.now(UTC) - began).seconds // 60} minutes: Python "
        f"{platform.python_version()}, {os.cpu_count()} processors, load {os.getloadavg()[2]:.1f}. "
        "[How to read it](README.md#how-to-read-the-table)."
    )


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False).stdout.strip()


def chosen(names: list[str], *, quick: bool) -> Mapping[str, int]:
    """Benchmarks and how much they measure with. Raises ValueError."""
    usual = {name: each.quick if quick else each.number for name, each in BENCHMARKS.items()}
    if not names:
        return usual
    wanted = {}
    for each in names:
        name, _, number = each.partition("=")
        if name not in BENCHMARKS:
            raise ValueError(f"There is no {name}: there are {', '.join(BENCHMARKS)}.")
        wanted[name] = int(number) if number else usual[name]
    return wanted


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME[=N]", help=f"{', '.join(BENCHMARKS)}; all if none is given")
    parser.add_argument("--quick", action="store_true", help="with small numbers, for trying")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the table is written")
    arguments = parser.parse_args()
    try:
        wanted = chosen(arguments.names, quick=arguments.quick)
    except ValueError as error:
        parser.error(str(error))
    began, measured = datetime.now(UTC), code()
    os.environ |= QUIET
    outcomes = [outcome(name, BENCHMARKS[name], number) for name, number in wanted.items()]
    page = table(outcomes, circumstances(measured, began, quick=arguments.quick))
    print(f"\n{page}")
    complete = not arguments.names and not arguments.quick
    if output := arguments.output or (RESULTS if complete else None):
        output.write_text(page, encoding="utf-8")
    return 0 if all(row.met for each in outcomes for row in each.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
