"""A pytest plugin that records the functions' AWS requests, and fails the run if they differ from what is granted.

A missing permission fails any run. An unused permission can only be found by a run that executed all tests: nothing
deselected, nothing skipped except UNRECORDED, and not `--collect-only`.
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
"""Permissions used in the last run of all tests: function, action, resource, and how many times."""

UNRECORDED = frozenset({"tests/e2e/test_sam_local.py"})
"""Test files whose functions send requests to another process, where they are not recorded. They may be skipped."""


def watch_servers() -> None:
    """Record the requests to all HTTP servers that this process starts from now on."""
    start = HttpServer.start

    def start_watched(server: HttpServer, application: Any) -> None:
        from tests.permissions.watch import record_requests  # imported late, because it takes longer than many tests

        start(server, record_requests(application))

    HttpServer.start = start_watched  # type: ignore[method-assign,assignment]


class Permissions:
    """The plugin in each process of a run. With xdist, workers report what they have recorded when they end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._used: Counter[tuple[str, ...]] = Counter()
        self._unknown_requests: set[str] = set()
        self._executed: set[str] = set()
        """Test files of which at least one test ran, such as `tests/unit/test_a.py`."""
        self._skipped: set[str] = set()
        """Ids of skipped tests whose requests would have been recorded."""
        self._is_incomplete = False
        self._problems: list[str] = []
        self._remark = ""

    def pytest_deselected(self) -> None:
        self._is_incomplete = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = report.nodeid.partition("::")[0]
        if report.skipped and file not in UNRECORDED:
            self._skipped.add(report.nodeid)
        elif report.when == "call":
            self._executed.add(file)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        reported = getattr(node, "workeroutput", {}).get("permissions")
        if reported is None:
            self._is_incomplete = True  # the worker crashed
        else:
            self._add(**reported)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if watch := sys.modules.get("tests.permissions.watch"):
            self._add(_rows(watch.used), watch.unknown_requests)
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["permissions"] = {
                "used": _rows(self._used),
                "unknown_requests": list(self._unknown_requests),
                "is_incomplete": self._is_incomplete,
            }
            return
        whole = (
            exitstatus == pytest.ExitCode.OK
            and not self._is_incomplete
            and self._executed | self._files_of_skipped() >= _all_files() - UNRECORDED
        )
        if whole and not self._skipped:
            LAST_RUN.parent.mkdir(exist_ok=True)
            LAST_RUN.write_text(json.dumps(_rows(self._used), indent=0))
        if whole or self._used or self._unknown_requests:
            self._compare(whole=whole)
        if self._problems and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._remark:
            terminalreporter.line(self._remark)
        if self._problems:
            terminalreporter.section("permissions of the functions: see docs/permissions.md", red=True, bold=True)
            for problem in self._problems:
                terminalreporter.line(problem, red=True)

    def _files_of_skipped(self) -> set[str]:
        return {test_id.partition("::")[0] for test_id in self._skipped}

    def _add(
        self, used: Iterable[Iterable[Any]], unknown_requests: Iterable[str], *, is_incomplete: bool = False
    ) -> None:
        for *permission, count in used:
            self._used[tuple(permission)] += count
        self._unknown_requests.update(unknown_requests)
        self._is_incomplete |= is_incomplete

    def _compare(self, *, whole: bool) -> None:
        from tests.permissions.comparison import compare
        from tests.permissions.exceptions import NEVER_USED
        from tests.permissions.granted import statements
        from tests.permissions.requests import UsedPermission

        comparison = compare(
            statements(), {UsedPermission(*permission): count for permission, count in self._used.items()}, NEVER_USED
        )
        unknown = [f"The permission for this request is unknown: {request}" for request in self._unknown_requests]
        unused = comparison.unused if whole and not self._skipped else ()
        self._problems = [*unknown, *comparison.missing, *unused]
        if not whole or self._problems:
            return
        if self._skipped:
            self._remark = (
                f"Permissions of the functions: none missing. Unused ones were not checked, because "
                f"{len(self._skipped)} tests were skipped."
            )
        else:
            self._remark = (
                f"Permissions of the functions: {len(comparison.rows)}, none missing, none unused "
                "(`python -m tests.permissions` lists them)."
            )


def _rows(used: Counter[Any]) -> list[tuple[Any, ...]]:
    return sorted((*permission, count) for permission, count in used.items())


def _all_files() -> set[str]:
    """Return every test file, as in test ids."""
    return {path.relative_to(TESTS.parent).as_posix() for path in TESTS.rglob("test_*.py")}
