"""For pytest: records what the functions ask AWS for, and fails the run where that is not what the template grants.

A permission that is missing fails any run. One that is granted but never used can only be judged by a run that executed
all tests that the requests come from: nothing deselected, nothing skipped but UNWATCHED, and not `--collect-only`.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from local.http_server import HttpServer

TESTS = Path(__file__).parents[1]
LAST_RUN = TESTS.parent / ".build" / "permissions.json"
"""What was seen in the last run of all tests: function, action, resource, how many times."""

UNWATCHED = frozenset({"tests/e2e/test_sam_local.py"})
"""Test files whose functions talk to servers of another process, which nothing is recorded of. They may be skipped."""


def watch_servers() -> None:
    """From here on, all HTTP servers of this process are watched."""
    start = HttpServer.start

    def start_watched(server: HttpServer, application: Any) -> None:
        from tests.permissions.watch import watching  # here, for the import takes longer than many a test

        start(server, watching(application))

    HttpServer.start = start_watched  # type: ignore[method-assign,assignment]


class Permissions:
    """One for each process of a run. With xdist, the workers hand over what they have seen when they end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._seen: Counter[tuple[str, ...]] = Counter()
        self._not_understood: set[str] = set()
        self._executed: set[str] = set()
        """Test files of which at least one test ran, such as `tests/unit/test_a.py`."""
        self._skipped: set[str] = set()
        """Ids of tests that were skipped and whose requests would have been recorded."""
        self._some_left_out = False
        self._problems: list[str] = []
        self._remark = ""

    def pytest_deselected(self) -> None:
        self._some_left_out = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = report.nodeid.partition("::")[0]
        if report.skipped and file not in UNWATCHED:
            self._skipped.add(report.nodeid)
        elif report.when == "call":
            self._executed.add(file)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        reported = getattr(node, "workeroutput", {}).get("permissions")
        if reported is None:
            self._some_left_out = True  # it crashed
        else:
            self._add(**reported)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if watch := sys.modules.get("tests.permissions.watch"):
            self._add(_rows(watch.seen), watch.not_understood)
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["permissions"] = {
                "seen": _rows(self._seen),
                "not_understood": list(self._not_understood),
                "some_left_out": self._some_left_out,
            }
            return
        whole = (
            exitstatus == pytest.ExitCode.OK
            and not self._some_left_out
            and self._executed | self._files_of_skipped() >= _all_files() - UNWATCHED
        )
        if whole and not self._skipped:
            LAST_RUN.parent.mkdir(exist_ok=True)
            LAST_RUN.write_text(json.dumps(_rows(self._seen), indent=0))
        if whole or self._seen or self._not_understood:
            self._judge(whole=whole)
        if self._problems and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._remark:
            terminalreporter.line(self._remark)
        if self._problems:
            terminalreporter.section("permissions of the functions: see docs/permissions.md", red=True, bold=True)
            for each in self._problems:
                terminalreporter.line(each, red=True)

    def _files_of_skipped(self) -> set[str]:
        return {each.partition("::")[0] for each in self._skipped}

    def _add(
        self, seen: Iterable[Iterable[Any]], not_understood: Iterable[str], *, some_left_out: bool = False
    ) -> None:
        for *call, times in seen:
            self._seen[tuple(call)] += times
        self._not_understood.update(not_understood)
        self._some_left_out |= some_left_out

    def _judge(self, *, whole: bool) -> None:
        from tests.permissions.calls import Call
        from tests.permissions.exceptions import UNSEEN
        from tests.permissions.granted import statements
        from tests.permissions.verdict import judge

        verdict = judge(statements(), {Call(*call): times for call, times in self._seen.items()}, UNSEEN)
        not_understood = [f"It is not known what permission this asks for: {each}" for each in self._not_understood]
        unused = verdict.unused if whole and not self._skipped else ()
        self._problems = [*not_understood, *verdict.missing, *unused]
        if not whole or self._problems:
            return
        if self._skipped:
            self._remark = (
                f"Permissions of the functions: none missing. Unused ones were not looked for, because tests were "
                f"skipped ({len(self._skipped)})."
            )
        else:
            self._remark = (
                f"Permissions of the functions: {len(verdict.rows)}, none missing, none unused "
                "(python -m tests.permissions shows them)."
            )


def _rows(seen: Counter[Any]) -> list[tuple[Any, ...]]:
    return sorted((*call, times) for call, times in seen.items())


def _all_files() -> set[str]:
    """Every test file, as in the ids of tests."""
    return {path.relative_to(TESTS.parent).as_posix() for path in TESTS.rglob("test_*.py")}
