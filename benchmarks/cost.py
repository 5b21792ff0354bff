"""What Callscribe costs on AWS, by service: `python -m benchmarks.cost [--calls-per-day N …]`.

A day of calls is simulated (simulation.py), each step is charged with the requests and units that were counted
(stories.json), and these at list prices (prices.py). docs/cost.md says what comes of it, and what is left out.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from benchmarks import load, prices, usage
from benchmarks.prices import Prices
from benchmarks.simulation import MINUTE, Outcome, Parameters, Service, Simulation
from benchmarks.usage import Site
from callscribe.whisperx import DIALECTS

CALLS_PER_DAY = (100, 10_000, 100_000)

LINES = {
    "Lambda: time": ("lambda_gb_second", "lambda_storage_gb_second"),
    "Lambda: requests": ("lambda_request",),
    "DynamoDB: writes": ("dynamodb_write_unit",),
    "DynamoDB: reads": ("dynamodb_read_unit",),
    "DynamoDB: storage": ("dynamodb_gb_month",),
    "DynamoDB: recovery": ("dynamodb_recovery_gb_month",),
    "S3: requests": ("s3_put_or_list", "s3_get"),
    "S3: transcripts": ("s3_gb_month",),
    "EventBridge": ("events_event",),
    "API Gateway": ("api_request",),
    "Secrets Manager": ("secret_month", "secret_request"),
    "CloudWatch: logs": ("logs_gb", "logs_gb_month"),
    "CloudWatch: metrics, alarms, dashboard": ("metric_month", "alarm_month", "dashboard_month"),
    "X-Ray": ("trace",),
    "audio out to the server": ("out_gb",),
}
"""Of the bill: what each adds up."""

MOST_SLOTS, MOST_A_RUN = 100, 1000
"""What the template allows of MaxConcurrentTranscriptions and of RecordingsPerRun."""


@dataclass(frozen=True, slots=True)
class Bill:
    """Dollars of a month, by line, for so many calls."""

    lines: dict[str, float]
    calls: int

    @property
    def total(self) -> float:
        return sum(self.lines.values())

    @property
    def per_thousand(self) -> float:
        return 1000 * self.total / self.calls


def bill(month: dict[str, float], calls: int, asked: Prices, architecture: str) -> Bill:
    """What these quantities cost."""

    def dollars(name: str) -> float:
        price = asked.gb_second(architecture) if name == "lambda_gb_second" else getattr(asked, name)
        return float(month[name] * price)

    return Bill({line: sum(map(dollars, names)) for line, names in LINES.items()}, calls)


def settings_for(calls_per_day: float, seconds: float, dialect: str) -> Parameters:
    """What the template is to be set to, so that nobody waits for long at the busiest hour of a working day.

    A slot is held for a transcription, and for what lies between its end and the next poll.
    """
    a_second = calls_per_day / load.HOUR / 24 * max(load.WORKING_DAY)
    interval = 60 if dialect != "tasks" or a_second < 1 else 10
    held = seconds + (interval if dialect == "tasks" else 3)
    slots = min(MOST_SLOTS, ceil(1.2 * a_second * held))
    if slots == 1:
        return Parameters(dialect=dialect)
    return Parameters(slots=slots, per_run=MOST_A_RUN, interval=interval, queue_minutes=1, dialect=dialect)


def simulated(calls_per_day: float, site: Site, seconds: float, parameters: Parameters) -> Outcome:
    """A working day, with a server that is as fast as told, for as many at once as there are slots."""
    length = 60 * site.minutes_per_call
    calls = load.day(calls_per_day / (24 * MINUTE), length, load.WORKING_DAY)
    service = Service(servers=parameters.slots, speed=seconds / length, each=0.0)
    return Simulation(calls.arrive, calls.lengths, parameters, service).run()


def cost(calls_per_day: float, seconds: float, dialect: str, site: Site, asked: Prices) -> Bill:
    """Of a month of working days."""
    parameters = settings_for(calls_per_day, seconds, dialect)
    day = simulated(calls_per_day, site, seconds, parameters)
    month = usage.of_month(day, parameters, site)
    return bill(month, usage.DAYS * len(day.arrivals), asked, site.architecture)


def show(bills: Sequence[Bill], heads: Sequence[str]) -> None:
    """As a table in Markdown."""
    print(f"| $ a month | {' | '.join(heads)} |\n|---{'|---' * len(heads)}|")
    for line in LINES:
        print(f"| {line} | {' | '.join(show_amount(each.lines[line]) for each in bills)} |")
    print(f"| **in all** | {' | '.join(f'**{show_amount(each.total)}**' for each in bills)} |")
    print(f"| **for 1,000 calls** | {' | '.join(f'**{show_amount(each.per_thousand)}**' for each in bills)} |")


def show_amount(dollars: float) -> str:
    return f"{dollars:,.2f}" if dollars < 100 else f"{dollars:,.0f}"


def main() -> None:
    site = Site()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls-per-day", type=float, action="append", help="may be given several times")
    parser.add_argument("--minutes-per-call", type=float, default=site.minutes_per_call)
    parser.add_argument("--seconds-to-transcribe", type=float, default=30.0, help="one such call (%(default)g)")
    parser.add_argument("--dialect", choices=tuple(DIALECTS), default="asr")
    parser.add_argument("--architecture", choices=("x86_64", "arm64"), default=site.architecture)
    parser.add_argument("--sweep-minutes", type=float, default=site.sweep_minutes, help="SyncSchedule (%(default)g)")
    parser.add_argument("--kept-days", type=int, default=site.kept_days, help="recordings in the bucket (%(default)d)")
    parser.add_argument("--page-hours", type=float, default=site.page_hours, help="of the admin page, a day")
    parser.add_argument("--server-in-aws", action="store_true", help="in the same region: the audio does not go out")
    parser.add_argument("--metrics", type=int, default=site.metrics, help="custom ones that are sent (%(default)d)")
    parser.add_argument("--alarms", type=int, default=site.alarms, help="metrics that alarms look at (%(default)d)")
    parser.add_argument("--dashboards", type=int, default=site.dashboards, help="(%(default)d)")
    parser.add_argument("--region-prices", type=Path, metavar="FILE", help="JSON with the names of prices.py")
    given = parser.parse_args()
    site = replace(
        site,
        minutes_per_call=given.minutes_per_call,
        kept_days=given.kept_days,
        sweep_minutes=given.sweep_minutes,
        architecture=given.architecture,
        page_hours=given.page_hours,
        outside=not given.server_in_aws,
        metrics=given.metrics,
        alarms=given.alarms,
        dashboards=given.dashboards,
    )
    asked = prices.read(given.region_prices) if given.region_prices else Prices()
    loads = given.calls_per_day or CALLS_PER_DAY
    seconds = given.seconds_to_transcribe
    show([cost(each, seconds, given.dialect, site, asked) for each in loads], [f"{each:,.0f} a day" for each in loads])
    print(f"\nList prices of {prices.OF_MONTH}, without the free tier; {site.kept_days} days of recordings. Set to:")
    for each in loads:
        print(f"  {each:,.0f} a day: {settings_for(each, seconds, given.dialect)}")


if __name__ == "__main__":
    main()
