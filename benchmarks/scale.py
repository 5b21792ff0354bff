"""How far it scales: `python -m benchmarks.scale` simulates days of 1, 100 and 1,000 calls a minute, in some minutes.

`--calls-per-minute N` with the parameters of the template simulates one day as one likes. docs/scale.md says what
comes of it; `--svg FILE` draws its picture.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import chart, limits, load, usage
from benchmarks.cost import bill, show_amount
from benchmarks.prices import Prices
from benchmarks.simulation import DAY, Outcome, Parameters, Service, Simulation
from benchmarks.usage import Site
from callscribe.whisperx import DIALECTS

SECONDS = 300.0
"""Of a call, on the average."""
SITE = Site(minutes_per_call=SECONDS / 60, sweep_minutes=360)
CURVES = {"flat": load.FLAT, "working day": load.WORKING_DAY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A day with so many `calls` a minute on the average. `line` is how the picture draws it."""

    calls: float
    curve: str
    parameters: Parameters
    service: Service
    what: str
    line: str = ""


def high(slots: int, *, queue_minutes: float = 1, interval: int = 60, dialect: str = "asr") -> Parameters:
    """Set for high volume."""
    return Parameters(slots=slots, per_run=1000, queue_minutes=queue_minutes, interval=interval, dialect=dialect)


def at_one(curve: str, parameters: Parameters, what: str, line: str = "") -> Case:
    """A call of five minutes takes half a minute."""
    return Case(calls=1, curve=curve, parameters=parameters, service=Service(servers=4), what=what, line=line)


def at_hundred(curve: str, parameters: Parameters, what: str, line: str = "", speed: float = 0.05) -> Case:
    """A call takes a quarter of a minute."""
    service = Service(servers=100, speed=speed)
    return Case(calls=100, curve=curve, parameters=parameters, service=service, what=what, line=line)


def at_thousand(curve: str, parameters: Parameters, what: str, line: str = "", calls: float = 1000) -> Case:
    """A call takes three and a half seconds."""
    service = Service(servers=100, speed=0.01)
    return Case(calls=calls, curve=curve, parameters=parameters, service=service, what=what, line=line)


FLAT, DAYTIME = CURVES
SLOWLY, AT_ONCE = "queue every 10 minutes", "queue each minute"

CASES = (
    at_one(FLAT, Parameters(), "as deployed"),
    at_one(DAYTIME, Parameters(), "as deployed", "a short"),
    at_one(DAYTIME, high(4), f"4 slots, {AT_ONCE}", "a"),
    at_one(DAYTIME, high(4, dialect="tasks"), "the same, `tasks`"),
    at_hundred(FLAT, high(60, queue_minutes=10), f"60 slots, {SLOWLY}"),
    at_hundred(FLAT, high(60), f"60 slots, {AT_ONCE}"),
    at_hundred(DAYTIME, high(100, queue_minutes=10), f"100 slots, {SLOWLY}", "b short"),
    at_hundred(DAYTIME, high(100), f"100 slots, {AT_ONCE}", "b"),
    at_hundred(DAYTIME, high(100), "the same, a server half as fast", speed=0.1),
    at_hundred(DAYTIME, high(100, dialect="tasks"), "100 slots, `tasks`"),
    at_hundred(DAYTIME, high(100, interval=10, dialect="tasks"), "the same, ProcessIntervalSeconds 10"),
    at_thousand(FLAT, high(100, queue_minutes=10), f"100 slots, {SLOWLY}"),
    at_thousand(FLAT, high(100), f"100 slots, {AT_ONCE}"),
    at_thousand(DAYTIME, high(100), f"100 slots, {AT_ONCE}", "c short"),
    at_thousand(DAYTIME, high(100), "one of three such stacks", "c", calls=333),
)


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a case. Ages in seconds, from the upload to the beginning of the transcription."""

    case: Case
    day: Outcome
    ages: Sequence[float]
    hottest: tuple[str, float]
    dollars: float

    def age(self, part: float) -> float:
        return self.ages[min(len(self.ages) - 1, int(part * len(self.ages)))]

    @property
    def left(self) -> int:
        """Calls that nobody had begun when the day was over."""
        return len(self.day.arrivals) - len(self.ages)


def simulated(case: Case, stories: Mapping[str, Any]) -> Row:
    calls = load.day(case.calls, SECONDS, CURVES[case.curve])
    day = Simulation(calls.arrive, calls.lengths, case.parameters, case.service).run()
    ages = sorted(begun - came for came, begun in zip(day.arrivals, day.begun, strict=True) if begun >= 0)
    for at in day.arrivals:
        day.happened("arrived", at)
    hot = max(limits.busiest(day, case.parameters, stories).items(), key=lambda each: each[1])
    month = usage.of_month(day, case.parameters, SITE)
    dollars = bill(month, usage.DAYS * len(day.arrivals), Prices(), SITE.architecture).per_thousand
    return Row(case, day, ages, hot, dollars)


def duration(seconds: float) -> str:
    """As a person says it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


HEADS = (
    *("calls a minute", "set to", "waits: half", "95 %", "longest", "not begun by midnight"),
    *("slots: most", "mean", "runs at once", "run time a day", "hottest partition", "$ for 1,000"),
)


def cells(row: Row) -> list[str]:
    day, case = row.day, row.case
    return [
        f"{case.calls:,g}, {case.curve}",
        case.what,
        *(duration(row.age(part)) for part in (0.5, 0.95, 1.0)),
        f"{row.left:,}",
        f"{day.most_slots}",
        f"{day.slot_seconds / DAY:.1f}",
        f"{max(day.running)}",
        duration(usage.process_seconds(day)),
        f"{row.hottest[1]:.0f}/s, {row.hottest[0]}",
        show_amount(row.dollars),
    ]


def show_limits(case: Case, stories: Mapping[str, Any]) -> None:
    print(f"\nSet for {case.calls:,g} calls a minute ({case.what}), calls a minute that each part carries:")
    for each in limits.limits(case.parameters, case.service, SECONDS, stories):
        print(f"  {each.calls:12,.0f}  {each.what:44}{each.moved_by}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls-per-minute", type=float, help="one day of so many, set as follows")
    parser.add_argument("--curve", choices=tuple(CURVES), default="working day")
    parser.add_argument("--slots", type=int, default=100, help="MaxConcurrentTranscriptions (%(default)d)")
    parser.add_argument("--per-run", type=int, default=1000, help="RecordingsPerRun (%(default)d)")
    parser.add_argument("--interval", type=int, default=60, help="ProcessIntervalSeconds (%(default)d)")
    parser.add_argument("--queue-minutes", type=float, default=1.0, help="QueueSchedule (%(default)g)")
    parser.add_argument("--batch", type=int, default=1000, help="a constant of queue: what a run puts in line")
    parser.add_argument("--dialect", choices=tuple(DIALECTS), default="asr")
    parser.add_argument("--servers", type=int, default=100, help="recordings that the server works on at once")
    parser.add_argument("--speed", type=float, default=0.1, help="its seconds for a second of audio (%(default)g)")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="where to draw the picture")
    given = parser.parse_args()
    stories, _ = usage.counted()
    cases: Sequence[Case] = CASES
    if given.calls_per_minute:
        parameters = replace(
            high(given.slots, queue_minutes=given.queue_minutes, interval=given.interval, dialect=given.dialect),
            per_run=given.per_run,
            batch=given.batch,
        )
        service = Service(servers=given.servers, speed=given.speed)
        calls, curve = given.calls_per_minute, given.curve
        cases = [Case(calls=calls, curve=curve, parameters=parameters, service=service, what="as told", line="a")]
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    lines = []
    for case in cases:
        row = simulated(case, stories)
        print(f"| {' | '.join(cells(row))} |", flush=True)
        if case.line:
            lines.append(chart.Series(f"{case.calls:,g} a minute, {case.what}", case.line, row.day.oldest))
    for case in {(each.parameters, each.service): each for each in reversed(cases)}.values():
        show_limits(case, stories)
    if given.svg:
        title = "How long the recording that has waited longest has waited, over a working day"
        given.svg.write_text(chart.chart(title, lines), encoding="utf-8")


if __name__ == "__main__":
    main()
