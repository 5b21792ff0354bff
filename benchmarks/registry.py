"""Which benchmarks there are, and with how much each measures."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import admin_page, claims, concurrency, requests_to_aws, size, start, sweep, upload
from benchmarks.budgets import Row


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`measure` takes how much of `of` there shall be: `number`, or `quick`, which is for trying.

    `why_not` says why it cannot be measured here, or None.
    """

    measure: Callable[[int], list[Row]]
    why_not: Callable[[], str | None]
    of: str
    number: int
    quick: int


BENCHMARKS = {
    "sweep": Benchmark(sweep.measure, sweep.why_not, "known objects", 100_000, 3000),
    "requests": Benchmark(requests_to_aws.measure, requests_to_aws.why_not, "pending recordings", 1000, 100),
    "claims": Benchmark(claims.measure, claims.why_not, "rounds", 10, 2),
    "upload": Benchmark(upload.measure, upload.why_not, "MB", 100, 20),
    "start": Benchmark(start.measure, start.why_not, "starts of each", 20, 3),
    "size": Benchmark(size.measure, size.why_not, "build", 1, 1),
    "concurrency": Benchmark(concurrency.measure, concurrency.why_not, "recordings for each run", 128, 16),
    "admin_page": Benchmark(admin_page.measure, admin_page.why_not, "recordings", 100_000, 1000),
}
"""By the names that they are called by, in the order of the table."""
