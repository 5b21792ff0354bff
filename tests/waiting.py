"""Waiting in tests: for an event, never for a time that it should have taken."""

import time
from collections.abc import Callable

LIMIT_SECONDS = 120.0
"""How long anything may take before a test fails. Nothing comes near it, on however slow a machine."""

_PAUSE_SECONDS = 0.02


def wait_until[T](look: Callable[[], T]) -> T:
    """Call `look` again and again until it returns something true, and return that.

    Raises:
        AssertionError: nothing true came within LIMIT_SECONDS.
    """
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, f"it did not happen within {LIMIT_SECONDS:.0f} seconds"
        time.sleep(_PAUSE_SECONDS)
    return found
