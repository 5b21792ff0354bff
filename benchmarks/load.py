"""Calls as they come over a day: when each has been recorded, and how long it is."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

HOUR = 3600

FLAT = (1.0,) * 24
WORKING_DAY = (
    *(0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.5, 1.0, 1.8, 2.5, 2.6, 2.4),
    *(1.7, 2.0, 2.4, 2.3, 1.9, 1.2, 0.6, 0.4, 0.3, 0.2, 0.2, 0.2),
)
"""Calls in each hour of a working day, beside the mean of all: two and a half times as many at its peak."""


@dataclass(frozen=True, slots=True)
class Calls:
    """By the order in which they come: seconds since midnight, and lengths in seconds."""

    arrive: Sequence[float]
    lengths: Sequence[float]


def day(calls_a_minute: float, seconds: float, hours: Sequence[float], *, seed: int = 1) -> Calls:
    """Calls that come by chance, so many a minute on the average over the day; of lengths about a mean."""
    chance = random.Random(seed)  # noqa: S311 — it protects nothing
    mean = sum(hours) / len(hours)
    arrive: list[float] = []
    for number, weight in enumerate(hours):
        rate = calls_a_minute * weight / mean / 60
        at = number * HOUR + chance.expovariate(rate)
        while at < (number + 1) * HOUR:
            arrive.append(at)
            at += chance.expovariate(rate)
    return Calls(arrive, [chance.gammavariate(2, seconds / 2) for _ in arrive])
