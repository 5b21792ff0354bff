"""Estimate what Callscribe costs on AWS in a month: `python -m benchmarks.cost --calls-per-day N …`.

The requests and DynamoDB units of each step were counted (stories.json). They are multiplied by how often the step
happens in a month, and by list prices (prices.py). Calls are assumed to be of equal length and to come evenly over the
month; docs/cost.md says what that leaves out.
"""

import argparse
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import ceil, isnan, nan
from pathlib import Path

from benchmarks import prices
from benchmarks.prices import LINES, Prices
from callscribe.whisperx import DIALECTS
from functions.process.app import AT_ONCE

STORIES = Path(__file__).with_name("stories.json")
TEMPLATE = Path(__file__).parents[1] / "template.yaml"
CALLS_PER_DAY, MAX_NUMBER = (100, 10_000, 100_000), 1_000_000_000  # the default; the most that an option accepts

DAYS, SECONDS_PER_DAY = 30, 86_400
TICKS = DAYS * 1440  # runs of process in a month: one a minute
MEMORY_GB = {"sync": 1.0, "queue": 0.5, "process": 0.5, "api": 1.0}
SCRATCH_GB = 1.5  # of process; another 0.5 GB is free
MAX_SLOTS, MAX_PER_RUN = 100, 1000  # what the template allows
MAX_WAIT_SECONDS = 880  # a run of process lasts 15 minutes at most, and reserves 20 seconds to store the result
PEAK = 2.6  # calls in the busiest hour of a working day, relative to the mean: the settings must suffice for it

REQUEST, RUN = 0.012, 0.05  # seconds of a request from a function of 512 MB, and of a warm run without its requests
SWEEP_PAGE, SEND = 0.2, 1.0  # seconds to list 1,000 objects and compare them, and to send the audio of a job
READS_PER_FILE = 0.0126  # read units that a sweep uses for each known object: benchmarks/results.md
PAGE_REQUESTS = 9  # that an open admin page sends in a minute; measured on 2026-11-28 (commit a8cd679)
AUDIO_BYTES_PER_MINUTE = 960_000  # 8 kHz, 16 bits, one channel
ADMISSION_BYTES, SLOT_BYTES, WRITE_UNIT = 40, 60, 1024  # the admission item, and how it grows with each slot in use
RUN_LOG_BYTES, LOG_LINE_BYTES = 400, 26  # Lambda's three log lines of a run; what CloudWatch adds to each line
LOG_COMPRESSION, KEY_SECONDS, GB = 0.15, 300, 1e9  # stored of what is logged; how long a key is cached; bytes
TRACED = 0.05  # X-Ray traces the first run in each second, and this share of the others

# Options with a number: the least that each accepts, and what it is.
NUMBERS = {
    "minutes_per_call": (0.01, "length of a call"),
    "seconds_to_transcribe": (0, "what the server needs for one call"),
    "sweep_minutes": (1, "SyncSchedule"),
    "kept_days": (0, "how long recordings, records and transcripts are kept"),
    "page_hours": (0, "how long the admin page is open, a day"),
    "metrics": (0, "custom metrics that are sent"),
    "alarms": (0, "metrics that alarms look at"),
    "dashboards": (0, "dashboards"),
}


def declared(text: str) -> int:
    """How often the template contains this."""
    return TEMPLATE.read_text("utf-8").count(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The options of the command. `alarms`: the metrics that alarms look at, for each of them is charged."""

    calls_per_day: float
    minutes_per_call: float = 5
    seconds_to_transcribe: float = 30
    dialect: str = "asr"
    architecture: str = "x86_64"
    sweep_minutes: float = 5
    kept_days: float = 365
    page_hours: float = 8
    server_in_aws: bool = False
    metrics: float = 20
    alarms: float = declared(" MetricName: ")
    dashboards: float = declared(" Type: AWS::CloudWatch::Dashboard")


@dataclass(frozen=True, slots=True)
class Settings:
    """Parameters of the template, with the minutes of QueueSchedule, and how many such stacks the calls need."""

    slots: int = 1
    per_run: int = 1
    interval: int = 60
    queue_minutes: int = 10
    stacks: int = 1

    def __str__(self) -> str:
        more = f"; too much for one stack, as billed: use {self.stacks} (docs/scale.md)" if self.stacks > 1 else ""
        text = f"MaxConcurrentTranscriptions {self.slots}, RecordingsPerRun {self.per_run}, ProcessIntervalSeconds "
        return f"{text}{self.interval}, queue every {self.queue_minutes} min{more}"


def settings_for(load: Load) -> Settings:
    """What suffices for the busiest hour of a working day, with a fifth more slots than are in use then."""
    per_second = PEAK * load.calls_per_day / SECONDS_PER_DAY
    interval = 60 if load.dialect != "tasks" or per_second < 1 else 10
    # A slot is in use until the result is stored; that of a job, until the next poll.
    slots = ceil(1.2 * per_second * (load.seconds_to_transcribe + (interval if load.dialect == "tasks" else 3)))
    if slots <= 1:
        return Settings()
    stacks = max(ceil(slots / MAX_SLOTS), ceil(60 * per_second / MAX_PER_RUN))
    return Settings(min(slots, MAX_SLOTS), MAX_PER_RUN, interval, 1, stacks)


def steps(load: Load, settings: Settings) -> dict[str, float]:
    """How often each step of stories.json happens in a month."""
    calls = DAYS * load.calls_per_day
    happens = {
        "upload": calls,
        "sweep": TICKS / load.sweep_minutes,
        "queue": TICKS / settings.queue_minutes,
        "queue, each": calls,
        "status summary": DAYS * load.page_hours * 60 * PAGE_REQUESTS,
    }
    if load.dialect != "tasks":
        return happens | {"process": TICKS, "asr, each more": calls}
    jobs = {"job, sent": calls, "job, polled": calls * (load.seconds_to_transcribe // settings.interval)}
    jobs["job, fetched"] = calls
    return happens | jobs | {"process": TICKS - sum(jobs.values())}  # jobs were counted with a run each


def run_seconds(load: Load, settings: Settings, happens: dict[str, float], work: dict[str, float]) -> dict[str, float]:
    """How long each function runs in a month, where requests take `work` seconds of each step.

    A run of process waits for the recordings of its minute, up to eight at once.
    """
    per_run = happens["upload"] / TICKS
    waits = max(min(per_run, 1.0), per_run / min(settings.slots, AT_ONCE))
    wait = SEND if load.dialect == "tasks" else load.seconds_to_transcribe
    process = waits * wait + sum(work[step] for step in work if step.startswith(("process", "asr", "job"))) / TICKS
    return {
        "sync": RUN * (happens["upload"] + happens["sweep"]) + work["upload"] + work["sweep"],
        "queue": RUN * happens["queue"] + work["queue"] + work["queue, each"],
        "process": TICKS * (RUN + max(process, 60 - settings.interval)),
        "api": RUN * happens["status summary"] + work["status summary"],
    }


def slot_writes(load: Load, settings: Settings) -> float:
    """Write units that take a slot and release it: the more slots are in use, the larger their item."""
    rounds = load.seconds_to_transcribe // settings.interval + 1
    held = rounds * settings.interval if load.dialect == "tasks" else load.seconds_to_transcribe + 1
    in_use = min(settings.slots, max(1.0, load.calls_per_day / SECONDS_PER_DAY * held))
    return 2 * ceil((ADMISSION_BYTES + SLOT_BYTES * in_use) / WRITE_UNIT)


def quantities(load: Load) -> dict[str, float]:
    """What a month uses, by the names of prices.py; `lambda_gb_second` is for either architecture."""
    document = json.loads(STORIES.read_text("utf-8"))
    stories, stored, settings = document["stories"], document["stored"], settings_for(load)
    happens = steps(load, settings)

    def total(kind: str, *names: str) -> float:
        counts = ((times, stories[step][kind]) for step, times in happens.items())
        return float(sum(times * sum(count.get(name, 0) for name in names or count) for times, count in counts))

    calls, kept, month = happens["upload"], load.calls_per_day * load.kept_days, DAYS * SECONDS_PER_DAY
    # A sweep that is not finished keeps the next one from starting.
    pages = min(happens["sweep"] * ceil(kept / 1000), month / SWEEP_PAGE)
    work = {step: times * REQUEST * sum(stories[step]["requests"].values()) for step, times in happens.items()}
    work["sweep"] += SWEEP_PAGE * pages
    seconds = run_seconds(load, settings, happens, work)
    runs = calls + happens["sweep"] + happens["queue"] + TICKS
    invocations = runs + happens["status summary"]
    in_tables = kept * stored["recordings"] + runs * stored["runs"] + calls * stored["calls"]
    in_indexes = kept * stored["recordings, indexes"] + calls * stored["calls, indexes"]
    lines = total("sent", "log_lines") + 3 * invocations
    logs = (total("sent", "log_bytes") + LOG_LINE_BYTES * lines + RUN_LOG_BYTES * invocations) / GB
    audio = 0 if load.server_in_aws else calls * load.minutes_per_call * AUDIO_BYTES_PER_MINUTE / GB
    return {
        "lambda_request": invocations,
        "lambda_gb_second": sum(MEMORY_GB[name] * seconds[name] for name in seconds),
        "lambda_storage_gb_second": SCRATCH_GB * seconds["process"],
        "dynamodb_write_unit": total("writes") - total("writes", "control") + calls * slot_writes(load, settings),
        "dynamodb_read_unit": total("reads") + 1000 * pages * READS_PER_FILE,
        "dynamodb_gb_month": (in_tables + in_indexes) / GB,
        "dynamodb_recovery_gb_month": in_tables / GB,
        "s3_put_or_list": total("requests", "PutObject", "ListObjectsV2") + max(0, pages - happens["sweep"]),
        "s3_get": total("requests", "GetObject"),
        "s3_gb_month": kept * load.minutes_per_call * stored["transcript, each minute"] / GB,
        "events_event": calls + total("sent", "events"),
        "api_request": happens["status summary"],
        "secret_month": 2,
        "secret_request": (month + seconds["process"]) / KEY_SECONDS,
        "logs_gb": logs,
        "logs_gb_month": logs * LOG_COMPRESSION,
        "metric_month": load.metrics,
        "alarm_month": load.alarms,
        "dashboard_month": load.dashboards,
        "trace": min(invocations, month) + TRACED * max(0.0, invocations - month),
        "out_gb": audio,
    }


def table(loads: Sequence[Load], asked: Prices = Prices()) -> str:  # noqa: B008 — frozen
    """The bills next to each other, in Markdown."""
    bills = [asked.bill(quantities(load), load.architecture) for load in loads]
    rows = [["$ a month", *(f"{load.calls_per_day:,.10g} a day" for load in loads)], ["---"] * (len(loads) + 1)]
    rows += [[line, *(money(each[line]) for each in bills)] for line in LINES]
    totals = [sum(each.values()) for each in bills]
    calls = [DAYS * load.calls_per_day / 1000 or nan for load in loads]
    shares = [total / thousands for total, thousands in zip(totals, calls, strict=True)]
    for name, each in (("in all", totals), ("for 1,000 calls", shares)):
        rows.append([f"**{name}**", *(f"**{money(dollars)}**" for dollars in each)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def money(dollars: float) -> str:
    return "–" if isnan(dollars) else f"{dollars:,.{2 if dollars < 100 else 0}f}"


def number(text: str, minimum: float = 0) -> float:
    """The number of an option. Raises argparse.ArgumentTypeError."""
    with suppress(ValueError):
        if minimum <= float(text) <= MAX_NUMBER:  # False for a number that is none
            return float(text)
    raise argparse.ArgumentTypeError(f"{text} is not a number from {minimum:g} to {MAX_NUMBER:,}")


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--calls-per-day", type=number, action="append", metavar="N", help="may be repeated")
    usual = Load(calls_per_day=0)
    for name, (minimum, what) in NUMBERS.items():
        option, default = f"--{name.replace('_', '-')}", getattr(usual, name)
        kind, text = partial(number, minimum=minimum), f"{what} ({default:g})"
        parser.add_argument(option, type=kind, default=default, metavar="N", help=text)
    parser.add_argument("--dialect", choices=tuple(DIALECTS), default=usual.dialect)
    parser.add_argument("--architecture", choices=("x86_64", "arm64"), default=usual.architecture)
    parser.add_argument("--server-in-aws", action="store_true", help="in the region of the stack: audio costs nothing")
    parser.add_argument("--region-prices", type=Path, metavar="FILE", help="JSON with the names of prices.py")
    options = vars(parser.parse_args())
    file, per_day = options.pop("region_prices"), options.pop("calls_per_day") or CALLS_PER_DAY
    loads = [Load(calls_per_day=each, **options) for each in per_day]
    if loads[0].dialect != "tasks" and loads[0].seconds_to_transcribe > MAX_WAIT_SECONDS:
        parser.error(f"a run can wait for {MAX_WAIT_SECONDS} seconds at most: use --dialect tasks")
    try:
        asked = prices.read(file) if file else Prices()
    except (OSError, ValueError) as error:
        parser.error(f"{file}: {error}")
    print(f"{table(loads, asked)}\n\nList prices of {prices.OF_MONTH}, without the free tier. Settings:")
    for load in loads:
        print(f"  {load.calls_per_day:,.10g} a day: {settings_for(load)}")


if __name__ == "__main__":
    main()
