"""Estimate what Callscribe costs on AWS in a month: `python -m benchmarks.cost --calls-per-day N …`.

The requests and DynamoDB units of each step were counted (request_counts.json). They are multiplied by how often the
step happens in a month, and by list prices (prices.py). Calls are assumed to be of equal length and to come evenly over
the month; docs/cost.md says what that leaves out.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import ceil, isnan, nan
from pathlib import Path

from benchmarks import prices
from benchmarks.prices import BILL_LINES, Prices
from benchmarks.write_units import WRITE_UNIT_BYTES
from callscribe.settings.whisperx import DIALECTS
from functions.process.app import MAX_PARALLEL

REQUEST_COUNTS = Path(__file__).with_name("request_counts.json")
TEMPLATE = Path(__file__).parents[1] / "template.yaml"
CALLS_PER_DAY, MAX_NUMBER = (0, 100, 10_000, 100_000), 1_000_000_000  # the default; the most that an option accepts

DAYS_PER_MONTH, SECONDS_PER_DAY = 30, 86_400
PROCESS_RUNS_PER_MONTH = DAYS_PER_MONTH * 1440  # runs of process in a month: one a minute
MEMORY_GB = {"sync": 1.0, "queue": 0.5, "process": 0.5, "api": 1.0}
EPHEMERAL_STORAGE_GB = 1.5  # of process; another 0.5 GB is free
MAX_SLOTS, MAX_PER_RUN = 100, 1000  # what the template allows
MAX_WAIT_SECONDS = 880  # a run of process lasts 15 minutes at most, and reserves 20 seconds to store the result
PEAK_FACTOR = 2.6  # peak-hour calls of a working day, relative to the mean; settings are sized for the peak

REQUEST_SECONDS = 0.012  # of a request from a function with 512 MB
RUN_SECONDS = 0.05  # of a warm run without its requests
LIST_PAGE_SECONDS = 0.2  # to list 1,000 objects and compare them
SEND_SECONDS = 1.0  # to send the audio of a job
READ_UNITS_PER_FILE = 0.0126  # read units that a scan uses for each known object: benchmarks/results.md
ADMIN_REQUESTS_PER_MINUTE = 9  # that an open admin page sends in a minute; measured on 2026-11-28 (commit a8cd679)
AUDIO_BYTES_PER_MINUTE = 960_000  # 8 kHz, 16 bits, one channel
ADMISSION_BYTES, SLOT_BYTES = 40, 60  # of the admission item, and of each slot in use
RUN_LOG_BYTES, LOG_LINE_BYTES = 400, 26  # of Lambda's three log lines of a run; added by CloudWatch to each line
LOG_COMPRESSION = 0.15  # stored bytes for each logged byte
KEY_CACHE_SECONDS, GB = 300, 1e9
TRACE_SAMPLING_RATE = 0.05  # X-Ray traces the first run in each second, and this share of the others
SQS_POLLERS, SQS_POLL_SECONDS = 5, 20  # Lambda's for the upload queue, and how long each waits for a message
SQS_REQUESTS_PER_BATCH = 3  # EventBridge sends the message, Lambda receives and deletes it
METRICS_OF_SCHEDULES, METRICS_OF_CALLS = 4, 4  # written in every hour; also written in each hour with calls
MONITORING = ("full", "essential", "off")

NUMERIC_OPTIONS = {
    "minutes_per_call": (0.01, "length of a call"),
    "seconds_to_transcribe": (0, "time that the server needs for one call"),
    "scan_minutes": (1, "SyncSchedule"),
    "retention_days": (0, "how long recordings, records and transcripts are kept"),
    "page_hours": (0, "hours a day that the admin page is open"),
}
"""The numeric options: the minimum of each, and its help text."""


def count_alarm_metrics(monitoring: str) -> int:
    """Return how many metrics the alarms of the template use with this `Monitoring`: each of them is charged."""
    _, *alarms = TEMPLATE.read_text("utf-8").split(" Type: AWS::CloudWatch::Alarm\n")
    conditions = {"full": ("HasAlarms", "HasAllAlarms"), "essential": ("HasAlarms",), "off": ()}[monitoring]
    starts = tuple(f"    Condition: {condition}\n" for condition in conditions)
    return sum(alarm.count(" MetricName: ") for alarm in alarms if alarm.startswith(starts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The options of the command."""

    calls_per_day: float
    minutes_per_call: float = 5
    seconds_to_transcribe: float = 30
    dialect: str = "asr"
    architecture: str = "x86_64"
    scan_minutes: float = 5
    retention_days: float = 365
    page_hours: float = 8
    server_in_aws: bool = False
    monitoring: str = "essential"


@dataclass(frozen=True, slots=True)
class StackSettings:
    """Parameters of the template, the minutes of QueueSchedule, and how many stacks with them the calls need."""

    slots: int = 1
    per_run: int = 1
    interval: int = 60
    queue_minutes: int = 10
    stacks: int = 1

    def __str__(self) -> str:
        warning = f"; too much for the one stack of this bill: use {self.stacks} (docs/scale.md)"
        text = f"MaxConcurrentTranscriptions {self.slots}, RecordingsPerRun {self.per_run}, ProcessIntervalSeconds "
        return f"{text}{self.interval}, queue every {self.queue_minutes} min{warning if self.stacks > 1 else ''}"


def choose_settings(load: Load) -> StackSettings:
    """Choose settings for the busiest hour of a working day, with a fifth more slots than are used then."""
    per_second = PEAK_FACTOR * load.calls_per_day / SECONDS_PER_DAY
    interval = 60 if load.dialect != "tasks" or per_second < 1 else 10
    # A slot is in use until the result is stored; that of a job, until the next poll.
    slots = ceil(1.2 * per_second * (load.seconds_to_transcribe + (interval if load.dialect == "tasks" else 3)))
    if slots <= 1:
        return StackSettings()
    stacks = max(ceil(slots / MAX_SLOTS), ceil(60 * per_second / MAX_PER_RUN))
    return StackSettings(min(slots, MAX_SLOTS), MAX_PER_RUN, interval, 1, stacks)


def count_steps(load: Load, settings: StackSettings) -> dict[str, float]:
    """Return how often each step of request_counts.json happens in a month."""
    calls = DAYS_PER_MONTH * load.calls_per_day
    occurrences = {
        "upload": calls,
        "scan": PROCESS_RUNS_PER_MONTH / load.scan_minutes,
        "queue": PROCESS_RUNS_PER_MONTH / settings.queue_minutes,
        "queue, each": calls,
        "status summary": DAYS_PER_MONTH * load.page_hours * 60 * ADMIN_REQUESTS_PER_MINUTE,
    }
    if load.dialect != "tasks":
        return occurrences | {"process": PROCESS_RUNS_PER_MONTH, "asr, each more": calls}
    jobs = {"job, sent": calls, "job, polled": calls * (load.seconds_to_transcribe // settings.interval)}
    jobs["job, fetched"] = calls
    return (
        occurrences | jobs | {"process": PROCESS_RUNS_PER_MONTH - sum(jobs.values())}
    )  # jobs were counted with a run each


def run_seconds(
    load: Load, settings: StackSettings, occurrences: dict[str, float], request_seconds: dict[str, float]
) -> dict[str, float]:
    """Return the seconds that each function runs in a month. `request_seconds`: the time of all requests, by step.

    A run of process waits for the recordings of its minute, up to eight in parallel.
    """
    per_run = occurrences["upload"] / PROCESS_RUNS_PER_MONTH
    waits_per_run = max(min(per_run, 1.0), per_run / min(settings.slots, MAX_PARALLEL))
    wait_seconds = SEND_SECONDS if load.dialect == "tasks" else load.seconds_to_transcribe
    process_seconds = (
        waits_per_run * wait_seconds
        + sum(request_seconds[step] for step in request_seconds if step.startswith(("process", "asr", "job")))
        / PROCESS_RUNS_PER_MONTH
    )
    return {
        "sync": RUN_SECONDS * (occurrences["upload"] + occurrences["scan"])
        + request_seconds["upload"]
        + request_seconds["scan"],
        "queue": RUN_SECONDS * occurrences["queue"] + request_seconds["queue"] + request_seconds["queue, each"],
        "process": PROCESS_RUNS_PER_MONTH * (RUN_SECONDS + max(process_seconds, 60 - settings.interval)),
        "api": RUN_SECONDS * occurrences["status summary"] + request_seconds["status summary"],
    }


def count_metrics(load: Load, occurrences: Mapping[str, float]) -> int:
    """Return how many custom metrics are written in a normal hour. Rare ones, such as failures, are left out."""
    if load.monitoring == "off":
        return 0
    jobs = int(occurrences.get("job, polled", 0) > 0)  # JobsInProgress
    return METRICS_OF_SCHEDULES + (METRICS_OF_CALLS + jobs if load.calls_per_day else 0)


def slot_write_units(load: Load, settings: StackSettings) -> float:
    """Return the write units to acquire and release a slot: the more slots are in use, the larger their item."""
    rounds = load.seconds_to_transcribe // settings.interval + 1
    slot_seconds = rounds * settings.interval if load.dialect == "tasks" else load.seconds_to_transcribe + 1
    in_use = min(settings.slots, max(1.0, load.calls_per_day / SECONDS_PER_DAY * slot_seconds))
    return 2 * ceil((ADMISSION_BYTES + SLOT_BYTES * in_use) / WRITE_UNIT_BYTES)


def monthly_usage(load: Load) -> dict[str, float]:
    """Return the quantities of a month by the names in prices.py; `lambda_gb_second` is for any architecture."""
    document = json.loads(REQUEST_COUNTS.read_text("utf-8"))
    steps, stored_bytes, settings = document["steps"], document["stored"], choose_settings(load)
    occurrences = count_steps(load, settings)

    def total_of(kind: str, *names: str) -> float:
        counts = ((times, steps[step][kind]) for step, times in occurrences.items())
        return float(sum(times * sum(count.get(name, 0) for name in names or count) for times, count in counts))

    calls, month = occurrences["upload"], DAYS_PER_MONTH * SECONDS_PER_DAY
    retained_recordings = load.calls_per_day * load.retention_days
    # a scan does not start before the previous one has finished
    pages = min(occurrences["scan"] * ceil(retained_recordings / 1000), month / LIST_PAGE_SECONDS)
    request_seconds = {
        step: times * REQUEST_SECONDS * sum(steps[step]["requests"].values()) for step, times in occurrences.items()
    }
    request_seconds["scan"] += LIST_PAGE_SECONDS * pages
    seconds = run_seconds(load, settings, occurrences, request_seconds)
    runs = calls + occurrences["scan"] + occurrences["queue"] + PROCESS_RUNS_PER_MONTH
    invocations = runs + occurrences["status summary"]
    in_tables = retained_recordings * stored_bytes["recordings"] + runs * stored_bytes["runs"]
    in_tables += calls * stored_bytes["service requests"]
    in_indexes = retained_recordings * stored_bytes["recordings, indexes"]
    in_indexes += calls * stored_bytes["service requests, indexes"]
    lines = total_of("sent", "log_lines") + 3 * invocations
    logs = (total_of("sent", "log_bytes") + LOG_LINE_BYTES * lines + RUN_LOG_BYTES * invocations) / GB
    audio = 0 if load.server_in_aws else calls * load.minutes_per_call * AUDIO_BYTES_PER_MINUTE / GB
    return {
        "lambda_request": invocations,
        "lambda_gb_second": sum(MEMORY_GB[name] * seconds[name] for name in seconds),
        "lambda_storage_gb_second": EPHEMERAL_STORAGE_GB * seconds["process"],
        "dynamodb_write_unit": total_of("writes")
        - total_of("writes", "control")
        + calls * slot_write_units(load, settings),
        "dynamodb_read_unit": total_of("reads") + 1000 * pages * READ_UNITS_PER_FILE,
        "dynamodb_gb_month": (in_tables + in_indexes) / GB,
        "dynamodb_recovery_gb_month": in_tables / GB,
        "s3_put_or_list": total_of("requests", "PutObject", "ListObjectsV2") + max(0, pages - occurrences["scan"]),
        "s3_get": total_of("requests", "GetObject"),
        "s3_gb_month": retained_recordings * load.minutes_per_call * stored_bytes["transcript, each minute"] / GB,
        "events_event": calls + total_of("sent", "events"),
        "sqs_request": SQS_POLLERS * month / SQS_POLL_SECONDS + SQS_REQUESTS_PER_BATCH * calls,
        "api_request": occurrences["status summary"],
        "secret_month": 2,
        "secret_request": (month + seconds["process"]) / KEY_CACHE_SECONDS,
        "logs_gb": logs,
        "logs_gb_month": logs * LOG_COMPRESSION,
        "metric_month": count_metrics(load, occurrences),
        "alarm_month": count_alarm_metrics(load.monitoring),
        "dashboard_month": int(load.monitoring == "full"),
        "trace": min(invocations, month) + TRACE_SAMPLING_RATE * max(0.0, invocations - month),
        "out_gb": audio,
    }


def render_table(loads: Sequence[Load], unit_prices: Prices = Prices()) -> str:  # noqa: B008 — frozen
    """Render the monthly bills of these loads as one Markdown table."""
    bills = [unit_prices.bill(monthly_usage(load), load.architecture) for load in loads]
    rows = [["$ a month", *(f"{load.calls_per_day:,.10g} a day" for load in loads)], ["---"] * (len(loads) + 1)]
    rows += [[line, *(format_dollars(bill[line]) for bill in bills)] for line in BILL_LINES]
    totals = [sum(bill.values()) for bill in bills]
    thousands_of_calls = [DAYS_PER_MONTH * load.calls_per_day / 1000 or nan for load in loads]
    shares = [total / thousands for total, thousands in zip(totals, thousands_of_calls, strict=True)]
    for name, amounts in (("total", totals), ("for 1,000 calls", shares)):
        rows.append([f"**{name}**", *(f"**{format_dollars(amount)}**" for amount in amounts)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def format_dollars(dollars: float) -> str:
    return "–" if isnan(dollars) else f"{dollars:,.{2 if dollars < 100 else 0}f}"


def parse_number(text: str, minimum: float = 0) -> float:
    """Parse a numeric option. Raises argparse.ArgumentTypeError."""
    with suppress(ValueError):
        if minimum <= float(text) <= MAX_NUMBER:  # False for NaN
            return float(text)
    raise argparse.ArgumentTypeError(f"{text} is not a number from {minimum:g} to {MAX_NUMBER:,}")


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--calls-per-day", type=parse_number, action="append", metavar="N", help="may be repeated")
    defaults = Load(calls_per_day=0)
    for name, (minimum, description) in NUMERIC_OPTIONS.items():
        option, default = f"--{name.replace('_', '-')}", getattr(defaults, name)
        kind, text = partial(parse_number, minimum=minimum), f"{description} ({default:g})"
        parser.add_argument(option, type=kind, default=default, metavar="N", help=text)
    parser.add_argument("--dialect", choices=tuple(DIALECTS), default=defaults.dialect)
    parser.add_argument("--architecture", choices=("x86_64", "arm64"), default=defaults.architecture)
    parser.add_argument("--monitoring", choices=MONITORING, default=defaults.monitoring)
    parser.add_argument("--server-in-aws", action="store_true", help="in the stack's region, so sending audio is free")
    parser.add_argument("--region-prices", type=Path, metavar="FILE", help="JSON with the names in prices.py")
    options = vars(parser.parse_args())
    file, per_day = options.pop("region_prices"), options.pop("calls_per_day") or CALLS_PER_DAY
    loads = [Load(calls_per_day=calls, **options) for calls in per_day]
    if loads[0].dialect != "tasks" and loads[0].seconds_to_transcribe > MAX_WAIT_SECONDS:
        parser.error(f"a run can wait for {MAX_WAIT_SECONDS} seconds at most: use --dialect tasks")
    try:
        unit_prices = prices.load(file) if file else Prices()
    except (OSError, ValueError) as error:
        parser.error(f"{file}: {error}")
    print(
        f"{render_table(loads, unit_prices)}\n\nList prices of {prices.PRICE_MONTH}, without the free tier. Settings:"
    )
    for load in loads:
        print(f"  {load.calls_per_day:,.10g} a day: {choose_settings(load)}")


if __name__ == "__main__":
    main()
