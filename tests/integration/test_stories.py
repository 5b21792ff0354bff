"""What is reckoned with in the benchmarks of cost and scale is what the code does."""

import json

import pytest

from benchmarks import stories
from benchmarks.day import Parameters, Service
from benchmarks.ledger import Counting, Table
from benchmarks.simulation import Simulation
from testing.dynalite import declared_tables
from testing.signing import signing_as


@pytest.fixture
def not_the_functions(monkeypatch):
    """What the ledger reads before and after each write is none of the functions' own requests."""
    item = Counting._item

    def read(*arguments):
        with signing_as("somebody"):
            return item(*arguments)

    monkeypatch.setattr(Counting, "_item", read)


@pytest.mark.usefixtures("not_the_functions")
def test_the_counted_requests_and_write_units_are_those_of_the_code(handlers, service, reply, put, stack):
    """`python -m benchmarks.stories` writes them anew; then look at docs/cost.md."""
    tables = {stack.tables[name]: Table.declared(name, table) for name, table in declared_tables().items()}
    stage = stories.Stage(
        handlers=handlers,
        service=service,
        reply=reply,
        put=put,
        bucket=stack.buckets["RecordingsBucket"],
        counting=Counting(tables),
        seconds=10,
    )
    told = {name: ledger.document() for name, ledger in stories.tell(stage).items()}
    kept = json.loads(stories.FILE.read_text())["stories"]
    for name in kept.keys() | told.keys():
        assert {what: told[name][what] for what in stories.COUNTS} == {
            what: kept[name][what] for what in stories.COUNTS
        }, name


def test_the_simulation_begins_as_many_in_each_run_as_the_code_does(handlers, service, reply, put):
    """`python -m benchmarks.validation` compares their times as well."""
    slots, per_run, calls = 3, 7, 10
    handlers.overrides |= {"MAX_CONCURRENT_TRANSCRIPTIONS": str(slots), "RECORDINGS_PER_RUN": str(per_run)}
    service.replies = [reply(wait=0.05)]
    for number in range(calls):
        put(f"{number}.wav")
    handlers.sync()
    handlers.queue()
    completed = [handlers.process()["counts"]["completed"] for _ in range(3)]
    parameters, quick = Parameters(slots=slots, per_run=per_run, queue_minutes=1), Service(servers=slots, speed=0.01)
    day = Simulation([0.0] * calls, [5.0] * calls, parameters, quick, ticks=[120, 180, 240], until=600).run()
    assert completed == [run.completed for run in day.runs] == [7, 3, 0]
    assert service.most_at_once <= day.most_slots == slots
