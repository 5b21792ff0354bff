"""How the benchmarks measure: each thing in a process of its own, and each server in another.

Needs Linux, where the peak of a process's memory can be reset.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

QUIET_ENVIRONMENT = {"POWERTOOLS_LOG_LEVEL": "ERROR", "POWERTOOLS_METRICS_DISABLED": "true"}
"""For processes that run functions, so that they print nothing between the figures."""

SPAWN_CONTEXT = get_context("spawn")  # nothing of one measurement is left in the next


@contextmanager
def run_server(serve: Callable[..., None], *args: Any) -> Iterator[str]:
    """A server in a process of its own: its address, which it puts into the queue that it is called with first."""
    addresses = SPAWN_CONTEXT.Queue()
    process = SPAWN_CONTEXT.Process(target=serve, args=(addresses, *args), daemon=True)
    process.start()
    try:
        yield addresses.get(timeout=60)
    finally:
        process.terminate()
        process.join()


def reset_peak_memory() -> float:
    """Reset the peak of memory; what is resident now, in megabytes."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return memory_mb("VmRSS")


def memory_mb(field: str) -> float:
    """A line of this process's status, in megabytes: VmRSS is now, VmHWM the peak."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1000
