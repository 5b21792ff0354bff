"""How many calls a minute each part carries, by its rules alone: which gives out first, and what moves it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from benchmarks.capacity import WRITE_UNIT
from benchmarks.simulation import ADMISSION_BYTES, ASSUMED, MINUTE, SLOT_BYTES, Outcome, Parameters, Service, Steps

WRITES_A_SECOND = 1000
"""Write units that one partition of a table or an index takes."""
NEW_ACCOUNT, USUAL_ACCOUNT = 10, 1000
"""Invocations at once that Lambda allows an account."""
OTHERS = 2
"""Invocations besides those of process and of uploads: queue, and the sweep."""
MOST_RUNS = {"asr": 15, "tasks": 2}
"""Runs of process at once: one begins each minute, and lives for a quarter of an hour; one that polls ends soon."""
ADMISSION = "control admission"

WAY = {
    "asr": ("upload", "queue, each", "asr, each more"),
    "tasks": ("upload", "queue, each", "job, sent", "job, fetched"),
}
"""The stories of a call."""


@dataclass(frozen=True, slots=True, order=True)
class Limit:
    """So many `calls` a minute; `moved_by` is what there is to do about it."""

    calls: float
    what: str
    moved_by: str


def held(parameters: Parameters, service: Service, seconds: float, steps: Steps) -> float:
    """Seconds that a slot is held for a call of so many `seconds`, where the server is free. A job is fetched by the
    next round after it has ended.
    """
    served = service.each + service.speed * seconds
    if parameters.dialect == "asr":
        return served + steps.claim + steps.end
    rounds = ceil((served + steps.send) / parameters.interval)
    return rounds * parameters.interval + steps.poll


def limits(
    parameters: Parameters,
    service: Service,
    seconds: float,
    stories: Mapping[str, Any],
    steps: Steps = ASSUMED,
) -> list[Limit]:
    """For calls of so many seconds; the first one first."""
    slot = held(parameters, service, seconds, steps)
    served = service.each + service.speed * seconds
    of_a_round = min(parameters.per_run, parameters.at_once * parameters.interval / slot)
    begun = parameters.per_run + (MINUTE / parameters.interval - 1) * of_a_round
    partition, units = hottest(parameters, stories)
    own = steps.claim + steps.end
    if parameters.dialect == "tasks":
        own += slot // parameters.interval * (3 * steps.request + steps.end)
    together = 1 if parameters.dialect == "tasks" else MOST_RUNS["asr"]
    return sorted(
        [
            Limit(
                parameters.batch / parameters.queue_minutes, "queue, 1,000 a run", "QueueSchedule, to rate(1 minute)"
            ),
            Limit(begun / parameters.process_minutes, "what runs begin", "RecordingsPerRun; ProcessIntervalSeconds"),
            Limit(together * MINUTE / own, "one thread of each run", "–"),
            Limit(parameters.slots / slot * MINUTE, "slots", "MaxConcurrentTranscriptions"),
            Limit(service.servers / served * MINUTE, "the server", "a faster one, or more of them"),
            Limit(WRITES_A_SECOND / units * MINUTE, f"DynamoDB, {partition}", "another stack"),
            *(
                Limit(
                    together_at(allowed, parameters, slot, steps),
                    f"Lambda, {allowed:,} at once",
                    "a quota of the account",
                )
                for allowed in (NEW_ACCOUNT, USUAL_ACCOUNT)
            ),
        ]
    )


def together_at(allowed: int, parameters: Parameters, slot: float, steps: Steps) -> float:
    """Calls a minute at which all invocations that are allowed at once are in use."""
    upload, most = 0.05 + 7 * steps.request, MOST_RUNS[parameters.dialect]
    of_uploads_alone = (allowed - OTHERS - most) / upload * MINUTE
    with_runs = (allowed - OTHERS) / (upload + slot / parameters.at_once) * MINUTE
    return max(of_uploads_alone, with_runs)


def hottest(parameters: Parameters, stories: Mapping[str, Any]) -> tuple[str, float]:
    """The partition key to which a call writes most, when all slots are in use; and the units."""
    total: dict[str, float] = {}
    for story in WAY[parameters.dialect]:
        for name, units in stories[story]["hot"].items():
            total[name] = total.get(name, 0.0) + units
    total[ADMISSION] *= slot_units(parameters.slots)
    return max(total.items(), key=lambda each: each[1])


def slot_units(slots: float) -> int:
    """Write units of the item of slots, while so many are held."""
    return ceil((ADMISSION_BYTES + SLOT_BYTES * slots) / WRITE_UNIT)


def busiest(
    day: Outcome, parameters: Parameters, stories: Mapping[str, Any], steps: Steps = ASSUMED
) -> dict[str, float]:
    """Write units in a second of the busiest minute, by partition key; while a run of queue is at it, one update
    follows the other.
    """
    done = "asr, each more" if parameters.dialect == "asr" else "job, fetched"
    ends: Sequence[tuple[str, str]] = (("done", done),)
    if parameters.dialect == "tasks":
        ends = (*ends, ("begun", "job, sent"), ("polled", "job, polled"))
    most: dict[str, float] = {}
    for minute, slots in enumerate(day.busy):
        now: dict[str, float] = {}
        for what, story in (("arrived", "upload"), *ends):
            times = day.minutes.get(what, {}).get(minute, 0) / MINUTE
            for name, units in stories[story]["hot"].items():
                now[name] = now.get(name, 0.0) + times * units * (slot_units(slots) if name == ADMISSION else 1)
        if day.minutes.get("queued", {}).get(minute, 0):
            for name, units in stories["queue, each"]["hot"].items():
                now[name] = now.get(name, 0.0) + units / steps.request
        for name, units in now.items():
            most[name] = max(most.get(name, 0.0), units)
    return most
