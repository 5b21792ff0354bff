"""Write units by DynamoDB's documented rules: the expected sizes are computed by hand."""

import json

import pytest

from benchmarks import request_counts
from benchmarks.write_units import IndexSpec, item_size, read_indexes, stored_bytes, to_write_units, write_costs

BY_STATUS = IndexSpec("by-status", ("status", "sort_key"), frozenset({"id", "status", "sort_key"}))
WHOLE = IndexSpec("by-time", ("listing", "at"), None)


def item(**values):
    return {name: {"S": value} for name, value in values.items()}


def writes(before, after):
    return list(write_costs("recordings", [BY_STATUS, WHOLE], before, after))


@pytest.mark.parametrize(
    ("value", "bytes_of_value"),
    [
        ({"S": "größe"}, 7),
        ({"N": "7"}, 2),
        ({"N": "-1234.50"}, 4),  # five significant digits in three bytes, and one
        ({"N": "1000"}, 2),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["ab", "cde"]}, 5),
        ({"M": {}}, 3),
        ({"M": {"a": {"S": "bc"}}}, 3 + 1 + 3),
        ({"L": [{"N": "1"}, {"S": "x"}]}, 3 + 2 + 2 + 1),
    ],
)
def test_attribute_has_the_documented_size(value, bytes_of_value):
    assert item_size({"name": value}) == 4 + bytes_of_value
    assert [to_write_units(size) for size in (0, 1, 1024, 1025, 2049)] == [1, 1, 1, 2, 3]


def test_only_indexes_with_a_changed_entry_are_written():
    new, done = (item(id="a", status=status, sort_key="1") for status in ("pending", "done"))
    whole, moved = (part | item(listing="all", at="1") for part in (new, done))
    large = item(id="a", listing="all", at="1", error="x" * 3000)
    table = ("recordings", 1)
    assert writes(None, new) == [table, ("by-status", 1)]  # it has no key of the other index
    assert writes(whole, moved) == [table, ("by-status", 1), ("by-status", 1), ("by-time", 1)]  # a key has changed
    assert writes(new, new | item(error="y")) == [table]  # the index does not contain that attribute
    assert writes(large, large) == [("recordings", 3)]  # the condition did not hold
    assert writes(large, item(id="a", listing="all", at="1")) == [("recordings", 3), ("by-time", 3)]


def test_index_contains_the_keys_of_the_table_and_the_declared_attributes():
    key = {"KeySchema": [{"AttributeName": "n1"}, {"AttributeName": "at"}], "IndexName": "by-number-1"}
    some = key | {"Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["numbers"]}}
    (index,) = read_indexes({"KeySchema": [{"AttributeName": "id"}], "GlobalSecondaryIndexes": [some]})
    stored = item(id="a", n1="0143", at="1", numbers="1 2", status="queued")
    assert index.entry(stored) == item(id="a", n1="0143", at="1", numbers="1 2")
    assert index.entry(item(id="a", at="1")) is None


def test_stored_items_and_index_entries_have_100_bytes_of_overhead():
    assert stored_bytes([BY_STATUS, WHOLE], item(id="a", status="q", sort_key="1")) == (
        3 + 7 + 9 + 100,
        3 + 7 + 9 + 100,
    )


def test_one_recording_costs_the_computed_write_units():
    """Put: the table and eight indexes (a call with two numbers is not in one of the nine).

    Then three updates: 2 units for the table, as the item is larger than 1 kB by then; 2 entries of by-status; one of
    by-time of 2 units; and by-status-and-time, from 1 to 2 units, then from 2 to 2 twice. Two writes for the slot; and
    the run with its service request, which has an index.
    """
    results = json.loads(request_counts.RESULTS_FILE.read_text())["steps"]
    total = {name: sum(counts["writes"].values()) for name, counts in results.items()}
    put, run, request = 1 + 8, 1, 1 + 1
    assert total["scan, each new"] == put
    assert total["upload"] == put + 2 * run
    assert total["queue, each"] == 2 + 2 + 2 + (1 + 2)
    assert total["asr, each more"] == 2 * (2 + 2 + 2 + (2 + 2)) + 2 + run + request
