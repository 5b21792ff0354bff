"""The pytest plugin `tests.leftovers` reports an open file or socket in the test that left it open."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

FAILS = """
import socket

def test_that_fails():
    opened = socket.socket()
    assert False
"""
PASSES = """
import gc

def test_that_passes():
    gc.collect()
"""
LEAKS = """
import gc, socket

def test_that_leaks():
    gc.disable()  # so that nothing is collected early
    opened = [socket.socket()]
    opened.append(opened)
"""


def outcomes(folder: Path, **files: str) -> list[str]:
    """Run pytest on these files, with the plugin and with warnings as errors; return the outcome of each test."""
    for name, code in files.items():
        (folder / f"test_{name}.py").write_text(code)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.leftovers", "-W", "error", "-v", "--rootdir", folder, folder],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return re.findall(r"^test_\w+\.py::(test_\w+ \w+)", run.stdout, re.MULTILINE)


def test_leak_of_a_failed_test_does_not_fail_the_next_one(tmp_path):
    assert outcomes(tmp_path, a=FAILS, b=PASSES) == ["test_that_fails FAILED", "test_that_passes PASSED"]
    assert outcomes(tmp_path, a=FAILS + PASSES, b="") == ["test_that_fails FAILED", "test_that_passes PASSED"]


def test_leak_of_a_passed_test_is_an_error_in_its_own_file(tmp_path):
    assert outcomes(tmp_path, a=LEAKS, b=PASSES) == [
        "test_that_leaks PASSED",
        "test_that_leaks ERROR",
        "test_that_passes PASSED",
    ]
