"""Waits for events in tests, never for a fixed time."""

import time
from collections.abc import Callable

LIMIT_SECONDS = 120.0
"""How long a test waits before it fails: far longer than anything takes, even on a slow machine."""

_PAUSE_SECONDS = 0.02


def wait_until[T](condition: Callable[[], T | None]) -> T:
    """Call `condition` until it returns a true value, and return that value.

    Raises: AssertionError, when it does not within LIMIT_SECONDS.
    """
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (result := condition()):
        assert time.monotonic() < deadline, f"the condition did not become true within {LIMIT_SECONDS:.0f} seconds"
        time.sleep(_PAUSE_SECONDS)
    return result
