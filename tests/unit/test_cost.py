"""The cost calculator, and the figures in docs/cost.md, which are recalculated here."""

import json
import re
import sys
import uuid
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from benchmarks import cost, prices
from benchmarks.cost import (
    CALLS_PER_DAY,
    TEMPLATE,
    Load,
    StackSettings,
    choose_settings,
    count_steps,
    format_dollars,
    monthly_usage,
    render_table,
)
from benchmarks.prices import BILL_LINES, Prices
from callscribe.store.admission import Slot
from tests.unit import test_monitoring

REQUEST_COUNTS = json.loads(cost.REQUEST_COUNTS.read_text())["steps"]
PAGE = (TEMPLATE.parent / "docs/cost.md").read_text()
TEXT = " ".join(PAGE.split())
BUSY, SIX_HOURS = 10_000, dict[str, Any](scan_minutes=360)


def bill(calls=BUSY, **options):
    load = Load(calls_per_day=calls, **options)
    return Prices().bill(monthly_usage(load), load.architecture)


def total(calls=BUSY, **options):
    return sum(bill(calls, **options).values())


def units(step, kind="writes", tables=None):
    return sum(number for name, number in REQUEST_COUNTS[step][kind].items() if tables is None or name in tables)


def test_every_quantity_has_a_price_and_is_charged_once():
    names = [name for price_names in BILL_LINES.values() for name in price_names]
    assert len(names) == len(set(names))
    assert set(names) == set(monthly_usage(Load(calls_per_day=500)))
    priced = {field.name for field in fields(Prices)} - {"lambda_gb_second_x86_64", "lambda_gb_second_arm64"}
    assert priced | {"lambda_gb_second"} == set(names)


def test_call_costs_the_counted_write_units_of_its_steps():
    few, more = (monthly_usage(Load(calls_per_day=calls))["dynamodb_write_unit"] for calls in (200, 400))
    steps = ("upload", "queue, each", "asr, each more")
    assert (more - few) / (200 * cost.DAYS_PER_MONTH) == pytest.approx(sum(units(step) for step in steps))


def test_without_calls_only_schedules_and_fixed_costs_are_charged():
    idle = bill(0)
    assert {line for line, dollars in idle.items() if not dollars} == {
        "S3: transcripts", "EventBridge", "audio out to the server",
    }  # fmt: skip
    assert render_table([Load(calls_per_day=0)]).endswith("| **for 1,000 calls** | **–** |")


def test_jobs_cost_polls_but_no_waiting_time():
    asr, tasks = (Load(calls_per_day=BUSY, dialect=name, seconds_to_transcribe=150) for name in ("asr", "tasks"))
    assert monthly_usage(tasks)["lambda_gb_second"] < monthly_usage(asr)["lambda_gb_second"] / 2
    occurrences = count_steps(tasks, choose_settings(tasks))
    assert occurrences["job, polled"] == 2 * occurrences["job, sent"] == 2 * occurrences["job, fetched"]


def test_next_scan_does_not_start_before_the_last_has_finished():
    lists = [
        monthly_usage(Load(calls_per_day=0.001, retention_days=days))["s3_put_or_list"] for days in (1e9, 1e12, 1e15)
    ]
    assert lists[0] == pytest.approx(8640 * 1000, rel=0.01)
    assert lists[1] == lists[2] == pytest.approx(30 * 86_400 / cost.LIST_PAGE_SECONDS, rel=0.01)


def test_metrics_of_alarms_are_those_of_the_template():
    for monitoring in cost.MONITORING:
        deployed = test_monitoring.deployed(Monitoring=monitoring)
        alarms = [deployed[name] for name in test_monitoring.ALARMS if name in deployed]
        assert cost.count_alarm_metrics(monitoring) == sum(len(test_monitoring.metrics_of(alarm)) for alarm in alarms)


def test_monitoring_costs_nothing_when_it_is_off_and_most_when_it_is_full():
    line = "CloudWatch: metrics, alarms, dashboard"
    for calls in CALLS_PER_DAY:
        off, essential, full = (bill(calls, monitoring=mode)[line] for mode in ("off", "essential", "full"))
        assert off == 0 < essential < full / 2


def test_limits_and_memory_match_the_template():
    template = TEMPLATE.read_text()
    for parameter, maximum in (("MaxConcurrentTranscriptions", cost.MAX_SLOTS), ("RecordingsPerRun", cost.MAX_PER_RUN)):
        assert f"MaxValue: {maximum}\n" in template.split(f"\n  {parameter}:\n")[1].split("Description")[0]
    for function, gigabytes in cost.MEMORY_GB.items():
        declared = template.split(f"\n  {function.capitalize()}Function:\n")[1].split("Policies:")[0]
        assert f"MemorySize: {int(1024 * gigabytes)}" in declared
    assert choose_settings(Load(calls_per_day=100)) == StackSettings()
    assert choose_settings(Load(calls_per_day=10_000_000)).slots == cost.MAX_SLOTS
    assert "use 2" in str(choose_settings(Load(calls_per_day=BUSY, seconds_to_transcribe=300)))


def test_admission_item_grows_with_each_slot_in_use():
    assert len(Slot(token=uuid.uuid4().hex, lease_expires_at=datetime.now(UTC)).set_member) == cost.SLOT_BYTES
    few, many = (Load(calls_per_day=calls) for calls in (100, 100_000))
    assert [cost.slot_write_units(load, choose_settings(load)) for load in (few, many)] == [
        2,
        2 * 3,
    ]  # 36 in use: 2.2 kB


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--calls-per-day", "-1"),
        ("--calls-per-day", "nan"),
        ("--minutes-per-call", "0"),
        ("--seconds-to-transcribe", "inf"),
        ("--seconds-to-transcribe", "900"),
        ("--retention-days", "many"),
        ("--region-prices", "missing.json"),
    ],
)
def test_invalid_option_is_rejected(option, value, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cost", f"{option}={value}"])
    with pytest.raises(SystemExit):
        cost.main()
    message = capsys.readouterr().err.splitlines()[-1]
    assert value in message or "880 seconds" in message


def test_prices_of_another_region_are_validated(tmp_path):
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"metric_month": 0.5}))
    assert prices.load(file) == replace(Prices(), metric_month=0.5)
    for invalid in [{"metrics": 0.5}, {"metric_month": -1}, {"metric_month": "0.5"}, []]:
        file.write_text(json.dumps(invalid))
        with pytest.raises(ValueError, match=r"price|metric_month"):
            prices.load(file)


# docs/cost.md ---------------------------------------------------------------------------------------------------------

STEPS = {
    "scan": "a scan without new recordings, of up to 1,000 files",
    "scan, each new": "each new file that a scan finds",
    "upload": "a batch of one uploaded file, with its run",
    "upload, each more": "each further uploaded file of a batch",
    "queue": "queue without pending recordings",
    "queue, each": "each recording that is queued",
    "process": "process without queued recordings",
    "asr": "process with a recording, `asr`",
    "asr, each more": "each further recording of the same run",
    "stereo": "process with a stereo call, transcribed by channel",
    "job, sent": "process that sends a job",
    "job, polled": "process that polls a job",
    "job, fetched": "process that fetches a transcript",
    "status summary": "the status summary of the admin page",
}


def test_page_has_the_counts_of_each_step():
    assert REQUEST_COUNTS.keys() == STEPS.keys()
    for step, name in STEPS.items():
        table_units = units(step, tables=("recordings", "control", "runs"))
        counts = f"{units(step, 'requests'):g} | {units(step):g} | {table_units:g} | {units(step, 'reads'):g}"
        assert f"| {name} | {counts} |" in PAGE


def test_page_has_the_bills_that_the_calculator_prints():
    assert f"\n{render_table([Load(calls_per_day=calls, **SIX_HOURS) for calls in CALLS_PER_DAY])}\n" in PAGE
    for name, options in (
        ("total with a scan every 5 minutes, the default", {}),
        ("total with `tasks`", {"dialect": "tasks", **SIX_HOURS}),
        ("total on arm64", {"architecture": "arm64", **SIX_HOURS}),
    ):
        assert f"| {name} | {' | '.join(format_dollars(total(calls, **options)) for calls in CALLS_PER_DAY)} |" in PAGE
    for monitoring in cost.MONITORING:
        line = "CloudWatch: metrics, alarms, dashboard"
        amounts = [bill(calls, monitoring=monitoring)[line] for calls in (0, 100)]
        amounts += [total(calls, monitoring=monitoring, **SIX_HOURS) for calls in (0, 100, BUSY)]
        (cells,) = re.findall(rf"^\| `{monitoring}` \| [^|]+ \| (.+) \|$", PAGE, re.MULTILINE)
        assert cells == " | ".join(map(format_dollars, amounts))
    for seconds in (30, 120, 300):
        row = f"| {seconds} |"
        for dialect in ("asr", "tasks"):
            lines = bill(dialect=dialect, seconds_to_transcribe=seconds, server_in_aws=True, **SIX_HOURS)
            row += f" {format_dollars(lines['Lambda: time'])} | {format_dollars(lines['DynamoDB: writes'])}"
            row += f" | {format_dollars(sum(lines.values()))} |"
        assert row in PAGE


def test_page_has_the_figures_of_the_calculator():
    deployed, month, polls = total(), total(retention_days=30), monthly_usage(Load(calls_per_day=0))["sqs_request"]
    idle, few, many = (f"{total(calls, server_in_aws=True, **SIX_HOURS):.0f}" for calls in (0, 100, BUSY))
    scans = deployed - total(scan_minutes=cost.MAX_NUMBER)
    steps = ("upload", "queue, each", "asr, each more")
    indexes = sum(units(step) - units(step, tables=("recordings", "control", "runs")) for step in steps)
    metrics, total_cost = bill(100)["CloudWatch: metrics, alarms, dashboard"], total(100, **SIX_HOURS)
    for figure in (
        f"about ${idle} a month when nothing happens, ${few} with 100 calls a day, and ${many} with 10,000",
        f"add ${idle} a month for the second",
        f"it uses: {cost.count_alarm_metrics('essential')} with `essential`, {cost.count_alarm_metrics('full')} with",
        f"write {cost.METRICS_OF_SCHEDULES} metrics every hour, and calls write {cost.METRICS_OF_CALLS} more",
        f"every 5 minutes is ${format_dollars(scans)} a month; half of it is LIST",
        f"{sum(map(units, steps))} write units a call, {indexes} of them",
        f"{sum(map(units, steps)) * Prices().dynamodb_write_unit * 100_000:.1f} cents for 1,000 calls",
        f"${format_dollars(metrics)} of ${format_dollars(total_cost)} are metrics",
        f"${format_dollars(deployed - total(**SIX_HOURS))} of ${format_dollars(deployed)} a month",
        f"30 days kept instead of 365 are ${format_dollars(month)} instead of ${format_dollars(deployed)}",
        f"${format_dollars(total(100) - total(100, page_hours=0))} a month for each that is open 8 hours",
        f"{100 * 30 * 0.5 * Prices().lambda_gb_second_x86_64:.3f} cents where it waits for one call",
        f"is ${bill(0)['SQS']:.2f} a month, even when nothing is uploaded: {polls:,.0f} requests",
        f"a poll every minute costs {units('job, polled')} write units",
    ):
        assert figure in TEXT
    assert total(100_000, **SIX_HOURS) < total(100_000, dialect="tasks", **SIX_HOURS)
    assert bill(**SIX_HOURS)["audio out to the server"] / total(**SIX_HOURS) == pytest.approx(2 / 3, abs=0.1)
