"""What the calculator of costs adds up."""

import json
from dataclasses import fields, replace

import pytest

from benchmarks import cost, prices, usage
from benchmarks.cost import LINES, bill, settings_for
from benchmarks.prices import Prices
from benchmarks.simulation import Parameters
from benchmarks.usage import Site

SITE = Site()


def month(calls=500, dialect="asr", site=SITE, seconds=30.0):
    parameters = settings_for(calls, seconds, dialect)
    day = cost.simulated(calls, site, seconds, parameters)
    return usage.of_month(day, parameters, site), len(day.arrivals) * usage.DAYS


def test_every_quantity_is_charged_once_at_a_price_that_there_is():
    quantities, _ = month()
    names = [name for line in LINES.values() for name in line]
    assert len(names) == len(set(names))
    assert set(names) == set(quantities)
    priced = {each.name for each in fields(Prices)} - {"lambda_gb_second_x86_64", "lambda_gb_second_arm64"}
    assert priced | {"lambda_gb_second"} == set(names)


def test_a_bill_is_the_sum_of_quantities_times_prices():
    quantities, calls = month()
    free = Prices(**{each.name: 0.0 for each in fields(Prices)})
    dollars = bill(quantities, calls, replace(free, dynamodb_write_unit=2.0, s3_get=3.0), "x86_64")
    assert dollars.total == pytest.approx(2 * quantities["dynamodb_write_unit"] + 3 * quantities["s3_get"])
    assert dollars.per_thousand == pytest.approx(1000 * dollars.total / calls)


def test_a_call_costs_the_units_that_were_counted_for_each_of_its_steps():
    stories, _ = usage.counted()
    each = sum(sum(stories[step]["writes"].values()) for step in ("upload", "queue, each", "asr, each more"))
    (few, calls), (more, more_calls) = month(200), month(400)
    # a run and an outcome more or less beside the recordings; and the runs are as many on both days
    assert (more["dynamodb_write_unit"] - few["dynamodb_write_unit"]) / (more_calls - calls) == pytest.approx(
        each, rel=0.01
    )


def test_arm64_costs_a_fifth_less_for_time_and_the_same_for_the_rest():
    quantities, calls = month()
    x86, arm = (bill(quantities, calls, Prices(), each).lines for each in ("x86_64", "arm64"))
    scratch = quantities["lambda_storage_gb_second"] * Prices().lambda_storage_gb_second
    assert arm["Lambda: time"] - scratch == pytest.approx(0.8 * (x86["Lambda: time"] - scratch), rel=0.001)
    assert {name for name in LINES if arm[name] != x86[name]} == {"Lambda: time"}


def test_jobs_cost_less_time_and_more_writes_than_waiting():
    (asr, _), (tasks, _) = (month(dialect=each, seconds=120) for each in ("asr", "tasks"))
    assert tasks["lambda_gb_second"] < asr["lambda_gb_second"] / 2
    assert tasks["dynamodb_write_unit"] > asr["dynamodb_write_unit"]


def test_sweeps_cost_by_the_recordings_that_are_kept_and_never_more_than_one_at_a_time():
    assert usage.swept(1_000_000, SITE)[0] == 288 * 1000
    assert usage.swept(100_000_000, SITE)[0] == 86_400 / usage.SWEEP
    assert usage.swept(1_000_000, replace(SITE, sweep_minutes=1440))[0] == 1000


def test_x_ray_records_the_first_of_each_second_and_a_twentieth_of_the_others():
    assert usage.sampled(0.5) == 0.5
    assert usage.sampled(21.0) == 2.0


def test_settings_stay_within_what_the_template_allows():
    declared = usage.TEMPLATE.read_text()
    for parameter, most in (("MaxConcurrentTranscriptions", cost.MOST_SLOTS), ("RecordingsPerRun", cost.MOST_A_RUN)):
        assert f"MaxValue: {most}\n" in declared.split(f"\n  {parameter}:\n")[1].split("Description")[0]
    assert settings_for(100, 30, "asr") == Parameters()
    assert settings_for(10_000_000, 30, "asr").slots == cost.MOST_SLOTS


def test_the_memory_that_is_charged_for_is_that_of_the_template():
    declared = usage.TEMPLATE.read_text()
    for function, gigabytes in usage.MEMORY.items():
        of_it = declared.split(f"\n  {function.capitalize()}Function:\n")[1]
        assert f"MemorySize: {int(1024 * gigabytes)}" in of_it.split("Policies:")[0]


def test_alarms_are_paid_for_by_the_metrics_that_they_look_at():
    assert SITE.alarms >= usage.declared(" Type: AWS::CloudWatch::Alarm") > 0
    assert SITE.dashboards == 1


STEPS = {
    "sweep": "a sweep with nothing new, besides its listing",
    "sweep, each new": "each new file that a sweep finds",
    "upload": "an upload, told at once, with its run",
    "queue": "queue with nothing pending",
    "queue, each": "each recording that queue puts in line",
    "process": "process with nothing to do",
    "asr": "process with a recording, `asr`",
    "asr, each more": "each further one of the same run",
    "stereo": "process with a stereo call, each channel apart",
    "job, sent": "process that sends a job",
    "job, polled": "process that polls for a job",
    "job, fetched": "process that fetches a transcript",
    "status summary": "the status summary of the admin page",
}


def test_the_page_on_costs_tells_each_step_as_it_was_counted():
    page = (usage.TEMPLATE.parent / "docs/cost.md").read_text()
    stories, _ = usage.counted()
    assert stories.keys() == STEPS.keys()
    for name, told in stories.items():
        requests, writes, reads = (sum(told[what].values()) for what in ("requests", "writes", "reads"))
        own = sum(told["writes"].get(table, 0) for table in ("recordings", "control", "runs"))
        assert f"| {STEPS[name]} | {requests:g} | {writes:g} | {own:g} | {reads:g} |" in page


def test_prices_of_another_region_are_read_and_unknown_names_refused(tmp_path):
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"metric_month": 0.5}))
    assert prices.read(file) == replace(Prices(), metric_month=0.5)
    file.write_text(json.dumps({"metrics": 0.5}))
    with pytest.raises(ValueError, match="metrics"):
        prices.read(file)
