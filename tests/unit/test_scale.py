"""Where the first limit lies: what each part carries by its rules is what the simulated day shows."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from benchmarks import chart, limits, load, scale, usage
from benchmarks.simulation import ADMISSION_BYTES, SLOT_BYTES, Parameters, Service, Simulation
from callscribe.store.admission import Slot

SECONDS = 300.0
STORIES, _ = usage.counted()
QUICK = Service(servers=100, speed=0.01)

FIRST = [
    ("what runs begin", Parameters(queue_minutes=1), QUICK),
    ("queue, 1,000 a run", scale.high(100, queue_minutes=10), QUICK),
    ("slots", scale.high(3), Service(servers=100, speed=0.1)),
    ("slots", scale.high(10, dialect="tasks"), QUICK),
    ("the server", scale.high(100), Service(servers=5, speed=0.05)),
]


def left_over(calls, parameters, service):
    """Calls that wait at the end of two hours, of those of the last hour."""
    some = load.day(calls, SECONDS, load.FLAT[:2])
    day = Simulation(some.arrive, [SECONDS] * len(some.arrive), parameters, service, until=2 * load.HOUR).run()
    return (len(some.arrive) - day.total("begun")) / (60 * calls)


@pytest.mark.parametrize(("what", "parameters", "service"), FIRST)
def test_calls_pile_up_beyond_the_first_limit_and_not_below_it(what, parameters, service):
    first = limits.limits(parameters, service, SECONDS, STORIES)
    first = [each for each in first if not each.what.startswith("Lambda")][0]  # noqa: RUF015 — the first of the rest
    assert first.what == what
    assert left_over(1.5 * first.calls, parameters, service) > 0.5
    assert left_over(0.6 * first.calls, parameters, service) < 0.2


def test_queue_every_minute_carries_ten_times_as_many():
    often, seldom = (limits.limits(scale.high(100, queue_minutes=each), QUICK, SECONDS, STORIES) for each in (1, 10))
    assert [each.calls for each in seldom if each.what.startswith("queue")] == [100]
    assert [each.calls for each in often if each.what.startswith("queue")] == [1000]


def test_the_item_of_slots_grows_by_each_that_is_held():
    slot = Slot(token=uuid.uuid4().hex, lease_expires_at=datetime.now(UTC))
    assert len(slot.holder) == SLOT_BYTES
    assert len("nameadmissionslots") <= ADMISSION_BYTES
    assert [limits.slot_units(each) for each in (1, 16, 17, 100)] == [1, 1, 2, 6]


def test_the_hottest_partition_is_that_of_the_lists_until_many_slots_are_in_use():
    assert limits.hottest(Parameters(), STORIES) == ("by-time all", 7)
    assert limits.hottest(scale.high(100), STORIES) == ("control admission", 12)


def test_the_picture_is_well_formed_and_names_every_line():
    lines = [chart.Series(f"a < {number}", "a", [0.0, 60.0, 3600.0] * 480) for number in range(4)]
    drawn = chart.chart("waits", lines)
    texts = [each.text for each in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert {each.name for each in lines} < set(texts)
    assert "prefers-color-scheme: dark" in drawn


def test_a_row_has_a_cell_for_each_head():
    case = replace(scale.CASES[2], calls=0.2)
    row = scale.simulated(case, STORIES)
    assert len(scale.cells(row)) == len(scale.HEADS)
    assert row.left + len(row.ages) == len(row.day.arrivals)
    assert row.age(0.5) <= row.age(0.95) <= row.age(1.0) == row.ages[-1]
