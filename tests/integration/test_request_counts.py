"""The request counts of the cost calculator are those of the code."""

import json

import pytest

from benchmarks import request_counts
from benchmarks.request_ledger import RequestCounter, TableSpec
from testing.dynalite import read_table_definitions
from testing.signing import signing_as


@pytest.fixture
def ledger_signs_for_itself(monkeypatch):
    """Sign the reads of the request counter, before and after each write, as another caller than the functions."""
    item = RequestCounter._item

    def read(*arguments):
        with signing_as("ledger"):
            return item(*arguments)

    monkeypatch.setattr(RequestCounter, "_item", read)


@pytest.mark.usefixtures("ledger_signs_for_itself")
def test_stored_request_counts_and_write_units_are_current(handlers, service, put, stack):
    """If this fails, run `python -m benchmarks.request_counts` and update docs/cost.md."""
    tables = {
        stack.tables[name]: TableSpec.from_declaration(name, table) for name, table in read_table_definitions().items()
    }
    bucket = stack.buckets["RecordingsBucket"]
    bench = request_counts.RequestBench(handlers, service, put, bucket, RequestCounter(tables), seconds=10)
    counted = {name: ledger.to_dict() for name, ledger in request_counts.measure_all(bench).items()}
    stored = json.loads(request_counts.RESULTS_FILE.read_text())["steps"]
    assert counted.keys() == stored.keys()
    for name in stored:
        for kind in request_counts.STABLE_COUNTS:
            assert counted[name][kind] == stored[name][kind], name
