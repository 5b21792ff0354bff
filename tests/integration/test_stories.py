"""What the cost calculator multiplies is what the code sends."""

import json

import pytest

from benchmarks import stories
from benchmarks.request_ledger import RequestCounter, TableSpec
from testing.dynalite import read_table_definitions
from testing.signing import signing_as


@pytest.fixture
def not_the_functions(monkeypatch):
    """What the ledger reads before and after each write is none of the functions' own requests."""
    item = RequestCounter._item

    def read(*arguments):
        with signing_as("somebody"):
            return item(*arguments)

    monkeypatch.setattr(RequestCounter, "_item", read)


@pytest.mark.usefixtures("not_the_functions")
def test_the_counted_requests_and_write_units_are_those_of_the_code(handlers, service, put, stack):
    """`python -m benchmarks.stories` counts them again; then update docs/cost.md."""
    tables = {
        stack.tables[name]: TableSpec.from_declaration(name, table) for name, table in read_table_definitions().items()
    }
    bucket = stack.buckets["RecordingsBucket"]
    bench = stories.RequestBench(handlers, service, put, bucket, RequestCounter(tables), seconds=10)
    counted = {name: ledger.to_dict() for name, ledger in stories.measure_all(bench).items()}
    kept = json.loads(stories.RESULTS_FILE.read_text())["stories"]
    assert counted.keys() == kept.keys()
    for name, story in kept.items():
        assert {what: counted[name][what] for what in stories.STABLE_COUNTS} == {
            what: story[what] for what in stories.STABLE_COUNTS
        }, name
