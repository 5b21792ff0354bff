"""A pytest plugin that keeps files and sockets that one test leaves open from failing another test.

Python warns about an open file or socket when it is garbage-collected, which may be many tests later, and warnings
are errors here.
"""

import gc
import sys
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[Any]:
    """Collect the garbage of a failed test silently: its traceback kept everything alive, and it has failed already."""
    before = item.session.testsfailed
    try:
        return (yield)
    finally:
        if item.session.testsfailed > before:
            _forget_last_exception()
            hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
            try:
                gc.collect()
            finally:
                sys.unraisablehook = hook


@pytest.fixture(scope="module", autouse=True)
def _collect_garbage_of_the_module() -> Iterator[None]:
    """Collect garbage at the end of each module, so that a leak is reported in that module."""
    yield
    gc.collect()


def _forget_last_exception() -> None:
    """Delete the exception that pytest keeps for debuggers until the next test starts."""
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)
