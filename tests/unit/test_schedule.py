"""Schedule expressions and the local scheduler fire when EventBridge would."""

import re
import threading
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.api.schedule import parse_schedule
from local.cloud.scheduler import Scheduler, scheduled_event
from local.cloud.stack import Rule, Stack
from testing.waiting import LIMIT_SECONDS

# a Sunday
NOW = datetime(2026, 11, 22, 12, 34, 56, tzinfo=UTC)


def firings(expression: str, count: int, start: datetime = NOW) -> list[str]:
    schedule, timestamp, fired = parse_schedule(expression), start, []
    for _ in range(count):
        following = schedule.next_run_after(timestamp)
        if following is None:
            break
        assert following > timestamp
        timestamp = following
        fired.append(f"{timestamp:%Y-%m-%d %H:%M}")
    return fired


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # defaults of the template
        ("cron(* * * * ? *)", ["2026-11-22 12:35", "2026-11-22 12:36"]),
        ("cron(0/5 * * * ? *)", ["2026-11-22 12:35", "2026-11-22 12:40"]),
        ("cron(0/10 * * * ? *)", ["2026-11-22 12:40", "2026-11-22 12:50", "2026-11-22 13:00"]),
        # Steps and lists
        ("cron(3/20 * * * ? *)", ["2026-11-22 12:43", "2026-11-22 13:03"]),
        ("cron(*/30 * * * ? *)", ["2026-11-22 13:00", "2026-11-22 13:30"]),
        (
            "cron(10-20/5 * * * ? *)",
            ["2026-11-22 13:10", "2026-11-22 13:15", "2026-11-22 13:20", "2026-11-22 14:10"],
        ),
        ("cron(0,45 9 * * ? *)", ["2026-11-23 09:00", "2026-11-23 09:45"]),
        # examples of the AWS documentation
        ("cron(15 10 ? * 6L 2026-2030)", ["2026-11-27 10:15", "2026-12-25 10:15", "2027-01-29 10:15"]),
        ("cron(15 12 * * ? *)", ["2026-11-23 12:15"]),
        ("cron(0 18 ? * MON-FRI *)", ["2026-11-23 18:00", "2026-11-24 18:00"]),
        ("cron(0 8 1 * ? *)", ["2026-12-01 08:00", "2027-01-01 08:00"]),
        ("cron(0/10 * ? * MON-FRI *)", ["2026-11-23 00:00"]),
        ("cron(0/5 8-17 ? * MON-FRI *)", ["2026-11-23 08:00"]),
        # Sunday is 1, Saturday 7
        ("cron(0 0 ? * 1 *)", ["2026-11-29 00:00", "2026-12-06 00:00"]),
        ("cron(0 0 ? * 7 *)", ["2026-11-28 00:00", "2026-12-05 00:00"]),
        ("cron(0 0 ? * 2-3 *)", ["2026-11-23 00:00", "2026-11-24 00:00", "2026-11-30 00:00"]),
        ("cron(0 0 ? * SUN-SAT *)", ["2026-11-23 00:00", "2026-11-24 00:00"]),
        ("cron(0 0 ? * 1-7 *)", ["2026-11-23 00:00", "2026-11-24 00:00"]),
        ("cron(0 0 ? * * *)", ["2026-11-23 00:00", "2026-11-24 00:00"]),
        ("cron(0 0 ? * mon,5 *)", ["2026-11-23 00:00", "2026-11-26 00:00"]),
        (
            "cron(0 0 ? * FRI-MON *)",
            ["2026-11-23 00:00", "2026-11-27 00:00", "2026-11-28 00:00", "2026-11-29 00:00"],
        ),
        (
            "cron(0 0 ? * 2/2 *)",
            ["2026-11-23 00:00", "2026-11-25 00:00", "2026-11-27 00:00", "2026-11-30 00:00"],
        ),
        ("cron(0 0 ? * */3 *)", ["2026-11-25 00:00", "2026-11-28 00:00", "2026-11-29 00:00"]),
        ("cron(0 0 ? * L *)", ["2026-11-28 00:00"]),
        ("cron(0 0 ? * FRIL *)", ["2026-11-27 00:00", "2026-12-25 00:00"]),
        ("cron(0 0 ? * 3#2 *)", ["2026-12-08 00:00", "2027-01-12 00:00"]),
        ("cron(0 0 ? * TUE#2 *)", ["2026-12-08 00:00"]),
        # Days, months, years
        (
            "cron(0 0 L * ? *)",
            ["2026-11-30 00:00", "2026-12-31 00:00", "2027-01-31 00:00", "2027-02-28 00:00"],
        ),
        ("cron(0 0 31 * ? *)", ["2026-12-31 00:00", "2027-01-31 00:00", "2027-03-31 00:00"]),
        ("cron(0 0 29 2 ? *)", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("cron(0 12 1 JAN,jul ? *)", ["2027-01-01 12:00", "2027-07-01 12:00"]),
        ("cron(0 0 1 1 ? 2030)", ["2030-01-01 00:00"]),
        ("cron(0 0 1 1 ? 2026/3)", ["2029-01-01 00:00", "2032-01-01 00:00"]),
        ("cron(0 0 1 12 ? 2026,2040)", ["2026-12-01 00:00", "2040-12-01 00:00"]),
        ("cron(0 0 1 1 ? 2020)", []),
        ("cron(0 0 22 11 ? 2026)", []),
        # Rates
        ("rate(1 minute)", ["2026-11-22 12:35", "2026-11-22 12:36"]),
        ("rate(5 minutes)", ["2026-11-22 12:39"]),
        ("rate(2 hours)", ["2026-11-22 14:34"]),
        ("rate(1 day)", ["2026-11-23 12:34"]),
    ],
)
def test_expressions_fire_when_eventbridge_would(expression: str, expected: list[str]) -> None:
    assert firings(expression, len(expected) or 1) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * * *",
        "at(2026-11-22T12:00:00)",
        "cron(* * * * *)",
        "cron(* * * * * *)",
        "cron(* * ? * ? *)",
        "cron(0 0 1 * MON *)",
        "cron(60 * * * ? *)",
        "cron(* 24 * * ? *)",
        "cron(* * 0 * ? *)",
        "cron(* * * 13 ? *)",
        "cron(* * ? * 0 *)",
        "cron(* * ? * 8 *)",
        "cron(* * ? * MON#6 *)",
        "cron(* * ? * XYZ *)",
        "cron(0/0 * * * ? *)",
        "cron(0 0 15W * ? *)",
        "cron(0 0 30 2 ? *)",
        "cron(0 0 1 1 ? 1969)",
        "cron(0 0 1 1 ? 2200)",
        "cron(0 0 1 1 ? 2030-2028)",
        "cron(0 0 1 1 ? soon)",
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(30 seconds)",
        "rate(-5 minutes)",
        "rate(99999999999 days)",
    ],
)
def test_unsupported_expression_is_rejected_and_quoted(expression: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(expression))):
        parse_schedule(expression)


def test_next_run_is_in_utc_for_a_timestamp_in_any_zone() -> None:
    east = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert parse_schedule("cron(0 13 * * ? *)").next_run_after(east) == datetime(2026, 11, 22, 13, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("rate(1 minute)", "every minute"),
        ("rate(5 minutes)", "every 5 minutes"),
        ("rate(60 minutes)", "every hour"),
        ("rate(90 minutes)", "every 90 minutes"),
        ("rate(48 hours)", "every 2 days"),
        ("cron(* * * * ? *)", "every minute"),
        ("cron(0/5 * * * ? *)", "every 5 minutes"),
        ("cron(*/30 * ? * * *)", "every 30 minutes"),
        ("cron(0 * * * ? *)", "every hour"),
        ("cron(0 0/2 * * ? *)", "every 2 hours"),
        ("cron(0 2 * * ? *)", "at 02:00 UTC every day"),
        ("cron(5 18 ? * MON-FRI *)", "at 18:05 UTC Monday to Friday"),
        ("cron(0 0 ? * 1 *)", "at 00:00 UTC every Sunday"),
    ],
)
def test_common_expressions_are_described_in_words(expression: str, words: str) -> None:
    assert parse_schedule(expression).describe() == words


@pytest.mark.parametrize(
    "expression",
    ["cron(0/7 * * * ? *)", "cron(0,45 9 * * ? *)", "cron(0 2 1 * ? *)", "cron(0 2 ? * 3#2 *)", "cron(0 2 * * ? 2030)"],
)
def test_other_expressions_are_returned_unchanged(expression: str) -> None:
    assert parse_schedule(expression).describe() == expression


@given(
    minutes=st.sampled_from(["*", "0", "59", "0/7", "5,10", "10-20", "10-20/3"]),
    hours=st.sampled_from(["*", "0", "23", "0/6", "8-17", "8,20"]),
    day=st.sampled_from(["?", "*", "1", "31", "1,15", "L", "1-7"]),
    month=st.sampled_from(["*", "2", "JAN,JUL", "3-5", "1/3"]),
    weekday=st.sampled_from(["*", "SUN", "2-6", "SAT-MON", "6L", "3#2", "2/2"]),
    year=st.sampled_from(["*", "2027", "2027-2029", "2027/5"]),
)
def test_supported_expressions_have_a_description(
    minutes: str, hours: str, day: str, month: str, weekday: str, year: str
) -> None:
    weekday = weekday if day == "?" else "?"
    try:
        schedule = parse_schedule(f"cron({minutes} {hours} {day} {month} {weekday} {year})")
    except ValueError:  # the 31st of February
        return
    assert schedule.describe()
    following = schedule.next_run_after(NOW)
    assert following is None or following > NOW


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)


def rule(name: str, schedule: str, text: str | None = None) -> Rule:
    return Rule(f"arn:aws:events:us-east-1:123456789012:rule/{name}", schedule, f"stack-{name}", text)


def stack(*rules: Rule) -> Stack:
    return Stack("http://nowhere", "us-east-1", "123456789012", {}, {}, {}, {}, rules)


def test_scheduled_event_has_the_format_of_eventbridge() -> None:
    every_minute = rule("process", "cron(* * * * ? *)")
    event = scheduled_event(every_minute, NOW, stack())
    assert len(event.pop("id")) == 36
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-11-22T12:34:56Z",
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/process"],
        "detail": {},
    }


def test_rule_with_an_input_sends_it_as_the_event() -> None:
    assert scheduled_event(rule("sync", "rate(1 day)", '{"trigger": "timer"}'), NOW, stack()) == {"trigger": "timer"}


def test_rules_fire_only_when_due() -> None:
    clock, fired = Clock(), list[tuple[str, str]]()
    scheduler = Scheduler(
        stack(rule("sync", "cron(0/5 * * * ? *)"), rule("process", "cron(* * * * ? *)")),
        lambda name, event: fired.append((name, event["time"])),
        clock,
    )
    assert scheduler.tick() == datetime(2026, 11, 22, 12, 35, tzinfo=UTC)
    assert fired == []
    clock.pass_time(seconds=4)
    assert scheduler.tick() == datetime(2026, 11, 22, 12, 36, tzinfo=UTC)
    assert fired == [("stack-sync", "2026-11-22T12:35:00Z"), ("stack-process", "2026-11-22T12:35:00Z")]
    clock.pass_time(seconds=59)
    scheduler.tick()
    assert len(fired) == 2
    clock.pass_time(seconds=1)
    scheduler.tick()
    assert fired[2:] == [("stack-process", "2026-11-22T12:36:00Z")]


def test_missed_schedule_fires_once_after_sleep() -> None:
    clock, fired = Clock(), list[str]()
    scheduler = Scheduler(
        stack(rule("process", "cron(* * * * ? *)")), lambda _, event: fired.append(event["time"]), clock
    )
    clock.pass_time(hours=3)
    assert scheduler.tick() == datetime(2026, 11, 22, 15, 35, tzinfo=UTC)
    assert len(fired) == 1


def test_unsupported_schedule_fails_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="neither"):
        Scheduler(stack(rule("sync", "sometimes")), lambda *_: None)


def test_scheduler_thread_fires_and_stops_on_exit() -> None:
    clock, fired, has_fired = Clock(), list[Any](), threading.Event()

    def fire(name: str, event: Any) -> None:
        fired.append((name, event["time"]))
        has_fired.set()

    with Scheduler(stack(rule("process", "cron(* * * * ? *)")), fire, lambda: clock.now):
        clock.pass_time(seconds=4)
        assert has_fired.wait(LIMIT_SECONDS)
    assert fired == [("stack-process", "2026-11-22T12:35:00Z")]
    assert "scheduler" not in [thread.name for thread in threading.enumerate()]


def test_stack_without_schedules_has_no_next_run() -> None:
    with Scheduler(stack(), lambda *_: None) as scheduler:
        assert scheduler.tick() is None
