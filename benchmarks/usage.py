"""What a month uses of AWS, out of one simulated day and of the counted stories: quantities, no prices yet."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from benchmarks import stories
from benchmarks.simulation import ASSUMED, BYTES_A_SECOND, DAY, MINUTE, Outcome, Parameters

TEMPLATE = Path(__file__).parents[1] / "template.yaml"

DAYS = 30
"""Of a month; what expires is kept as long."""
GB, MB = 1e9, 1e6

MEMORY = {"sync": 1.0, "queue": 0.5, "process": 0.5, "api": 1.0}
"""GB of the functions, as the template has it."""
SCRATCH = 1.5
"""GB of the scratch space of process that are charged for: the first half is not."""

RUN = 0.05
"""Seconds of a warm run besides its requests. Not measured on AWS."""
SWEEP = 0.2
"""Seconds to list a thousand objects and compare them. Not measured on AWS."""
READ_A_FILE = 0.0126
"""Read units of a known object in a sweep: benchmarks/results.md."""
ENTRY = 100
"""Bytes of a place in line, as the index by-status has it."""
READ_UNIT = 4096
"""Bytes that half a read unit reads."""
PLATFORM = 400
"""Bytes that Lambda itself logs of an invocation: START, END, REPORT."""
EACH_LINE = 26
"""Bytes that CloudWatch adds to each line."""
COMPRESSED = 0.15
"""Of what is logged, what is stored."""
SAMPLED = 0.05
"""Of the invocations beyond the first in each second, those that X-Ray records."""
KEY_KEPT = 300
"""Seconds that a process knows a secret for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is not in the template. `kept_days`: so many days' recordings lie in the bucket and have a record.

    `sweep_minutes` is SyncSchedule. `page_hours`: how long the admin page is open each day, `page_requests` how often
    it then asks in a minute. `outside`: whether the server is reached over the internet. `metrics` are those that
    it sends; an alarm is paid for by each metric that it looks at.
    """

    minutes_per_call: float = 5.0
    kept_days: int = 365
    sweep_minutes: float = 5.0
    architecture: str = "x86_64"
    page_hours: float = 8.0
    page_requests: float = 9.0
    outside: bool = True
    metrics: int = 20
    alarms: int = field(default_factory=lambda: declared(" MetricName: "))
    dashboards: int = field(default_factory=lambda: declared(" Type: AWS::CloudWatch::Dashboard"))


def declared(what: str) -> int:
    """How often the template has this."""
    return TEMPLATE.read_text("utf-8").count(what)


def counted() -> tuple[Mapping[str, Any], Mapping[str, float]]:
    """The stories, and what is stored."""
    document = json.loads(stories.FILE.read_text("utf-8"))
    return document["stories"], document["stored"]


def told(day: Outcome, parameters: Parameters, site: Site) -> Counter[str]:
    """How often each story is told on such a day. Minus a run where a story tells of one and it is not one more."""
    tells: Counter[str] = Counter()
    tells["upload"] = len(day.arrivals)
    tells["sweep"] = round(DAY / MINUTE / site.sweep_minutes)
    tells["queue"] = day.total("queue")
    tells["queue, each"] = day.total("queued")
    tells["status summary"] = round(site.page_hours * 60 * site.page_requests)
    runs, begun, done = (day.total(each) for each in ("process", "begun", "done"))
    if parameters.dialect == "tasks":
        fetched, polled = done, day.total("polled") - done
        tells |= {"job, sent": begun, "job, polled": polled, "job, fetched": fetched}
        tells["process"] = runs - begun - day.total("polled")
    else:
        tells |= {"process": runs, "asr, each more": done}
    return tells


def added(tells: Mapping[str, int], what: str, told_of: Mapping[str, Any]) -> Counter[str]:
    """Requests, or units, of all of these stories."""
    total: Counter[str] = Counter()
    for name, times in tells.items():
        for place, number in told_of[name][what].items():
            total[place] += times * number
    return total


def of_month(day: Outcome, parameters: Parameters, site: Site) -> dict[str, float]:
    """By the names that prices.py has for them; `lambda_gb_second` is of either processor."""
    told_of, bytes_of = counted()
    tells = told(day, parameters, site)
    requests, writes, reads = (added(tells, what, told_of) for what in ("requests", "writes", "reads"))
    calls, done = len(day.arrivals), day.total("done")
    kept = calls * site.kept_days
    pages, swept_seconds = swept(kept, site)

    runs = {name: day.total(name) for name in ("queue", "process")}
    runs |= {"sync": tells["upload"] + tells["sweep"], "api": tells["status summary"]}
    seconds = {
        "sync": tells["upload"] * _seconds(told_of["upload"]) + swept_seconds,
        "queue": day.queue_seconds + RUN * runs["queue"],
        "process": process_seconds(day) + RUN * runs["process"],
        "api": tells["status summary"] * _seconds(told_of["status summary"]),
    }
    looks = line_units(parameters) * (day.total("begun") + day.total("nothing"))
    month = {
        "lambda_request": sum(runs.values()),
        "lambda_gb_second": sum(MEMORY[name] * seconds[name] for name in seconds),
        "lambda_storage_gb_second": SCRATCH * seconds["process"],
        "dynamodb_write_unit": sum(writes.values()) - writes["control"] + day.slot_units,
        "dynamodb_read_unit": sum(reads.values()) + looks + pages * 1000 * READ_A_FILE,
        "s3_put_or_list": requests["PutObject"] + requests["ListObjectsV2"] + pages,
        "s3_get": requests["GetObject"],
        "events_event": calls + done,
        "api_request": tells["status summary"],
        "secret_request": (DAY + process_seconds(day)) / KEY_KEPT,
        "logs_gb": logged(tells, told_of, sum(runs.values())) / GB,
        "trace": sampled(sum(runs.values()) / DAY) * DAY,
        "out_gb": site.outside * done * site.minutes_per_call * 60 * BYTES_A_SECOND / GB,
    }
    month = {name: DAYS * quantity for name, quantity in month.items()}
    short = {"runs": DAYS * sum(runs[name] for name in ("sync", "queue", "process")), "calls": DAYS * done}
    of_tables = kept * bytes_of["recordings"] + sum(short[name] * bytes_of[name] for name in short)
    of_indexes = kept * bytes_of["recordings, indexes"] + short["calls"] * bytes_of["calls, indexes"]
    return month | {
        "dynamodb_gb_month": (of_tables + of_indexes) / GB,
        "dynamodb_recovery_gb_month": of_tables / GB,
        "s3_gb_month": kept * site.minutes_per_call * bytes_of["transcript, each minute"] / GB,
        "secret_month": 2,
        "logs_gb_month": month["logs_gb"] * COMPRESSED,
        "metric_month": site.metrics,
        "alarm_month": site.alarms,
        "dashboard_month": site.dashboards,
    }


def process_seconds(day: Outcome) -> float:
    """Of a day's runs of process, all of which end."""
    return sum(run.ended - run.began for run in day.runs if run.ended is not None)


def swept(kept: float, site: Site) -> tuple[float, float]:
    """LIST requests and seconds of a day's sweeps. One that is not at its end keeps the next from beginning."""
    sweeps = DAY / MINUTE / site.sweep_minutes
    pages = min(sweeps * ceil(kept / 1000), DAY / SWEEP)
    return pages, pages * SWEEP + sweeps * RUN


def line_units(parameters: Parameters) -> float:
    """Read units that a look at a long line costs beyond the half that the stories have counted."""
    return 0.5 * ceil(max(10, parameters.slots) * ENTRY / READ_UNIT) - 0.5


def logged(tells: Mapping[str, int], told_of: Mapping[str, Any], invocations: int) -> float:
    """Bytes that CloudWatch takes in."""
    own = sum(
        times * (told_of[name]["log_bytes"] + EACH_LINE * told_of[name]["log_lines"]) for name, times in tells.items()
    )
    return float(own + invocations * (PLATFORM + 3 * EACH_LINE))


def sampled(a_second: float) -> float:
    """Traces in a second: the first invocation of each, and a part of the others."""
    return min(a_second, 1.0) + SAMPLED * max(0.0, a_second - 1.0)


def _seconds(story: Mapping[str, Any]) -> float:
    return RUN + sum(story["requests"].values()) * ASSUMED.request
