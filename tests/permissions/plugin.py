"""For pytest: watches what the functions ask AWS for in all tests, and fails the session where it is not what they may.

What a policy lacks is found by any run; what it grants in vain, by a run of all tests in which they pass.
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


def watch_servers() -> None:
    """From here on, all HTTP servers of this process are watched."""
    start = HttpServer.start

    def start_watched(server: HttpServer, application: Any, *handler: Any) -> None:
        from tests.permissions.watch import watching  # here, for the import takes longer than many a test

        start(server, watching(application), *handler)

    HttpServer.start = start_watched  # type: ignore[method-assign]


class Permissions:
    """One for each process of a run. With xdist, the workers hand over what they have seen when they end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._seen: Counter[tuple[str, ...]] = Counter()
        self._not_understood: set[str] = set()
        self._files: set[str] = set()
        self._some_left_out = False
        self._problems: list[str] = []
        self._all_is_well = ""

    def pytest_deselected(self) -> None:
        self._some_left_out = True

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._files |= {str(each.path) for each in session.items}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        told = getattr(node, "workeroutput", {}).get("permissions")
        if told is None:
            self._some_left_out = True  # it crashed
        else:
            self._add(**told)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if watch := sys.modules.get("tests.permissions.watch"):
            self._add(_rows(watch.seen), watch.not_understood)
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["permissions"] = {
                "seen": _rows(self._seen),
                "not_understood": list(self._not_understood),
                "files": list(self._files),
                "some_left_out": self._some_left_out,
            }
            return
        whole = exitstatus == pytest.ExitCode.OK and not self._some_left_out and self._files >= _all_files()
        if whole:
            LAST_RUN.parent.mkdir(exist_ok=True)
            LAST_RUN.write_text(json.dumps(_rows(self._seen), indent=0))
        if whole or self._seen or self._not_understood:
            self._judge(whole=whole)
        if self._problems and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._all_is_well:
            terminalreporter.line(self._all_is_well)
        if self._problems:
            terminalreporter.section("permissions of the functions: see docs/permissions.md", red=True, bold=True)
            for each in self._problems:
                terminalreporter.line(each, red=True)

    def _add(
        self,
        seen: Iterable[Iterable[Any]],
        not_understood: Iterable[str],
        files: Iterable[str] = (),
        *,
        some_left_out: bool = False,
    ) -> None:
        for *call, times in seen:
            self._seen[tuple(call)] += times
        self._not_understood.update(not_understood)
        self._files.update(files)
        self._some_left_out |= some_left_out

    def _judge(self, *, whole: bool) -> None:
        from tests.permissions.calls import Call
        from tests.permissions.exceptions import UNSEEN
        from tests.permissions.granted import statements
        from tests.permissions.verdict import judge

        verdict = judge(statements(), {Call(*call): times for call, times in self._seen.items()}, UNSEEN)
        not_understood = [f"It is not known what permission this asks for: {each}" for each in self._not_understood]
        self._problems = [*not_understood, *verdict.missing, *(verdict.unused if whole else ())]
        if whole and not self._problems:
            self._all_is_well = (
                f"Permissions of the functions: {len(verdict.rows)}, none missing, none unused "
                "(python -m tests.permissions shows them)."
            )


def _rows(seen: Counter[Any]) -> list[tuple[Any, ...]]:
    return sorted((*call, times) for call, times in seen.items())


def _all_files() -> set[str]:
    return set(map(str, TESTS.rglob("test_*.py")))
