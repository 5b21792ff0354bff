"""Prints what becomes of the recording in each case from the field, before and now.

python -m tests.integration.field_cases
"""

import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

BEFORE = json.loads(Path(__file__).with_name("field_cases_before.json").read_text())
"""The outcome of each case before issue 20, as this command printed it at commit cebb588."""

TESTS = ("test_servers_in_the_field.py", "test_sources_in_the_field.py")


class Outcomes:
    """Collects the outcome that each test records."""

    def __init__(self) -> None:
        self.by_case: dict[str, tuple[str, bool]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            outcome = dict(report.user_properties).get("outcome", "none: the test failed before")
            self.by_case[case_name(report.nodeid)] = str(outcome), report.passed


def case_name(nodeid: str) -> str:
    """The parameter of the test, or what its name says."""
    test, _, parameter = nodeid.rpartition("::")[2].partition("[")
    name = test.removeprefix("test_").replace("_", " ")
    return f"{name} [{parameter}" if name != "server" and parameter else parameter.rstrip("]") or name


def main() -> int:
    outcomes = Outcomes()
    files = [str(Path(__file__).with_name(name)) for name in TESTS]
    with redirect_stdout(io.StringIO()):
        status = pytest.main(files, plugins=[outcomes])
    for name, (outcome, is_right) in outcomes.by_case.items():
        print(name, f"  before: {BEFORE.get(name, 'not measured')}", f"  now:    {outcome}", sep="\n")
        if not is_right:
            print("  THIS IS WRONG")
    print(f"{sum(is_right for _, is_right in outcomes.by_case.values())} of {len(outcomes.by_case)} cases are right.")
    return status


if __name__ == "__main__":
    sys.exit(main())
