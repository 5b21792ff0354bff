"""Waiting in tests: for an event, never for a fixed time."""

import time
from collections.abc import Callable

LIMIT_SECONDS = 120.0
"""How long a test waits for something before it fails: far more than anything needs, even on a slow machine."""

_PAUSE_SECONDS = 0.02


def wait_until[T](condition: Callable[[], T | None]) -> T:
    """Call `look` again and again until it returns something true, and return that.

    Raises:
        AssertionError: nothing true came within LIMIT_SECONDS.
    """
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (result := condition()):
        assert time.monotonic() < deadline, f"it did not happen within {LIMIT_SECONDS:.0f} seconds"
        time.sleep(_PAUSE_SECONDS)
    return result
