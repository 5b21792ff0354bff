"""Measures memory, and runs servers in their own processes.

Needs Linux, which can reset the peak memory of a process.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

QUIET_ENVIRONMENT = {"POWERTOOLS_LOG_LEVEL": "ERROR", "POWERTOOLS_METRICS_DISABLED": "true"}
"""For processes that run functions, so that they do not print between the figures."""

SPAWN_CONTEXT = get_context("spawn")  # new processes, so that measurements are independent


@contextmanager
def run_server(serve: Callable[..., None], *args: Any) -> Iterator[str]:
    """Run `serve(addresses, *args)` in its own process; yield the address that it puts into the queue `addresses`."""
    addresses = SPAWN_CONTEXT.Queue()
    process = SPAWN_CONTEXT.Process(target=serve, args=(addresses, *args), daemon=True)
    process.start()
    try:
        yield addresses.get(timeout=60)
    finally:
        process.terminate()
        process.join()


def reset_peak_memory() -> float:
    """Reset this process's peak memory and return its resident memory in megabytes."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return memory_mb("VmRSS")


def memory_mb(field: str) -> float:
    """Return a field of this process's status in megabytes: VmRSS is the resident memory, VmHWM its peak."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1000
