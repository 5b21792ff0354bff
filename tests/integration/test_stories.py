"""The request counts that the cost calculator uses are those of the code."""

import json

import pytest

from benchmarks import stories
from benchmarks.request_ledger import RequestCounter, TableSpec
from testing.dynalite import read_table_definitions
from testing.signing import signing_as


@pytest.fixture
def ledger_requests_excluded(monkeypatch):
    """The ledger reads items before and after each write: these requests are not the functions'."""
    item = RequestCounter._item

    def read(*arguments):
        with signing_as("ledger"):
            return item(*arguments)

    monkeypatch.setattr(RequestCounter, "_item", read)


@pytest.mark.usefixtures("ledger_requests_excluded")
def test_stored_request_counts_and_write_units_match_the_code(handlers, service, put, stack):
    """To update them, run `python -m benchmarks.stories`, and docs/cost.md."""
    tables = {
        stack.tables[name]: TableSpec.from_declaration(name, table) for name, table in read_table_definitions().items()
    }
    bucket = stack.buckets["RecordingsBucket"]
    bench = stories.RequestBench(handlers, service, put, bucket, RequestCounter(tables), seconds=10)
    counted = {name: ledger.to_dict() for name, ledger in stories.measure_all(bench).items()}
    stored = json.loads(stories.RESULTS_FILE.read_text())["stories"]
    assert counted.keys() == stored.keys()
    for name, story in stored.items():
        assert {count: counted[name][count] for count in stories.STABLE_COUNTS} == {
            count: story[count] for count in stories.STABLE_COUNTS
        }, name
