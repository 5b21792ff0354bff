"""The simulated day keeps the rules that it is about, and loses nobody."""

import pytest

from benchmarks import load
from benchmarks.simulation import Parameters, Service, Simulation

HOURS = 2
UNTIL = HOURS * load.HOUR
FAST = Service(servers=100, speed=0.01)


def a_day(calls_a_minute=2.0, parameters=Parameters(), service=FAST, seconds=300):  # noqa: B008
    calls = load.day(calls_a_minute, seconds, load.FLAT[:HOURS])
    simulation = Simulation(calls.arrive, calls.lengths, parameters, service, until=UNTIL)
    return simulation.run()


HIGH = Parameters(slots=20, per_run=1000, queue_minutes=1)


@pytest.mark.parametrize("dialect", ["asr", "tasks"])
@pytest.mark.parametrize(("calls", "slots", "per_run"), [(2, 1, 1), (30, 4, 1000), (30, 20, 10)])
def test_every_call_is_done_or_still_waits(dialect, calls, slots, per_run):
    day = a_day(calls, Parameters(slots=slots, per_run=per_run, dialect=dialect))
    done, begun, queued = (sum(at >= 0 for at in each) for each in (day.done, day.begun, day.queued))
    assert 0 < done <= begun <= queued <= len(day.arrivals)
    assert day.total("done") == done == sum(run.completed for run in day.runs)
    if dialect == "asr":
        assert done == begun  # what is under way at the end comes to its end
    assert all(run.ended is not None for run in day.runs)


@pytest.mark.parametrize("dialect", ["asr", "tasks"])
def test_the_steps_of_a_call_follow_each_other(dialect):
    day = a_day(10, Parameters(slots=8, per_run=1000, dialect=dialect))
    for steps in zip(day.arrivals, day.queued, day.begun, day.done, strict=True):
        known = [at for at in steps if at >= 0]
        assert known == sorted(known)


def test_no_more_are_under_way_than_there_are_slots():
    assert a_day(60, Parameters(slots=5, per_run=1000)).most_slots == 5


def test_one_run_works_on_eight_at_once_so_slots_fill_run_by_run():
    slow = Service(servers=100, speed=1.0)
    calls = load.Calls([0.0] * 40, [600.0] * 40)
    day = Simulation(
        calls.arrive, calls.lengths, Parameters(slots=40, per_run=40, queue_minutes=1), slow, until=600
    ).run()
    assert day.most_slots == 40
    assert [day.minutes["begun"][minute] for minute in range(2, 7)] == [8] * 5


def test_a_run_begins_as_many_as_it_may_and_no_more():
    day = a_day(60, Parameters(slots=20, per_run=3, queue_minutes=1))
    assert day.busiest("begun") <= 3 + 3  # of two runs, where one is late
    assert max(run.completed for run in day.runs) == 3


def test_a_run_of_queue_puts_a_thousand_in_line():
    calls = load.Calls([0.0] * 2500, [60.0] * 2500)
    day = Simulation(calls.arrive, calls.lengths, HIGH, FAST, queue_ticks=[60, 660], until=UNTIL).run()
    assert sum(at >= 0 for at in day.queued) == 2000


def test_a_job_holds_its_slot_until_it_is_polled():
    """A server that needs three seconds is asked a minute later, so a slot serves one call a minute."""
    asr, tasks = (
        a_day(60, Parameters(slots=10, per_run=1000, queue_minutes=1, dialect=each)) for each in ("asr", "tasks")
    )
    assert tasks.total("done") <= 10 * HOURS * 60 < asr.total("done")
    oftener = Parameters(slots=10, per_run=1000, queue_minutes=1, interval=10, dialect="tasks")
    assert a_day(60, oftener).total("done") > 3 * tasks.total("done")


def test_a_job_costs_no_lambda_time_while_the_server_works():
    slow = Service(servers=20, speed=0.2)
    seconds = {}
    for dialect in ("asr", "tasks"):
        day = a_day(2, Parameters(slots=20, per_run=1000, queue_minutes=1, dialect=dialect), slow)
        seconds[dialect] = sum(run.ended - run.began for run in day.runs)
    assert seconds["tasks"] < seconds["asr"] / 5


def test_what_a_run_cannot_finish_is_given_up_and_begun_again():
    calls = load.Calls([0.0], [2000.0])
    day = Simulation(calls.arrive, calls.lengths, Parameters(), Service(speed=0.6), until=UNTIL).run()
    assert day.given_up > 1
    assert day.done == [-1.0]


def test_a_day_of_calls_has_as_many_as_it_is_told_and_more_at_noon_than_at_night():
    calls = load.day(10, 120, load.WORKING_DAY)
    assert len(calls.arrive) == pytest.approx(14_400, rel=0.05)
    assert sum(calls.lengths) / len(calls.lengths) == pytest.approx(120, rel=0.05)
    by_hour = [sum(hour <= at / load.HOUR < hour + 1 for at in calls.arrive) for hour in range(24)]
    assert max(by_hour) == by_hour[10] > 10 * by_hour[3]
