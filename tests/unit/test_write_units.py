"""Write units by DynamoDB's documented rules: sizes worked out by hand."""

import json

import pytest

from benchmarks import stories
from benchmarks.write_units import IndexSpec, item_size, read_indexes, stored_bytes, to_write_units, write_costs

BY_STATUS = IndexSpec("by-status", ("status", "sort_key"), frozenset({"id", "status", "sort_key"}))
WHOLE = IndexSpec("by-time", ("listing", "at"), None)


def item(**values):
    return {name: {"S": value} for name, value in values.items()}


def written(before, after):
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
def test_an_attribute_has_the_documented_size(value, bytes_of_value):
    assert item_size({"name": value}) == 4 + bytes_of_value
    assert [to_write_units(each) for each in (0, 1, 1024, 1025, 2049)] == [1, 1, 1, 2, 3]


def test_only_the_indexes_whose_entry_changes_are_written():
    new, done = (item(id="a", status=status, sort_key="1") for status in ("pending", "done"))
    whole, moved = (each | item(listing="all", at="1") for each in (new, done))
    large = item(id="a", listing="all", at="1", error="x" * 3000)
    table = ("recordings", 1)
    assert written(None, new) == [table, ("by-status", 1)]  # it lacks a key of the other index
    assert written(whole, moved) == [table, ("by-status", 1), ("by-status", 1), ("by-time", 1)]  # a key has changed
    assert written(new, new | item(error="y")) == [table]  # the index holds nothing of that
    assert written(large, large) == [("recordings", 3)]  # the condition did not hold
    assert written(large, item(id="a", listing="all", at="1")) == [("recordings", 3), ("by-time", 3)]


def test_an_index_holds_the_keys_of_the_table_and_what_is_declared():
    key = {"KeySchema": [{"AttributeName": "n1"}, {"AttributeName": "at"}], "IndexName": "by-number-1"}
    some = key | {"Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["numbers"]}}
    (index,) = read_indexes({"KeySchema": [{"AttributeName": "id"}], "GlobalSecondaryIndexes": [some]})
    held = item(id="a", n1="0143", at="1", numbers="1 2", status="queued")
    assert index.entry(held) == item(id="a", n1="0143", at="1", numbers="1 2")
    assert index.entry(item(id="a", at="1")) is None


def test_each_stored_item_and_each_index_entry_has_100_bytes_more():
    assert stored_bytes([BY_STATUS, WHOLE], item(id="a", status="q", sort_key="1")) == (
        3 + 7 + 9 + 100,
        3 + 7 + 9 + 100,
    )


def test_one_recording_costs_what_was_worked_out_by_hand():
    """Put: the table and eight indexes (one of the nine has nothing of a call with two numbers).

    Then three updates: 2 units of the table, as it is more than a kilobyte by then; 2 entries of by-status; one of
    by-time of 2 units; and by-status-and-time, from 1 to 2 units, from 2 to 2, and from 2 to 2. Two writes of the slot;
    and the run with its server request, which has an index.
    """
    kept = json.loads(stories.RESULTS_FILE.read_text())["stories"]
    total = {name: sum(story["writes"].values()) for name, story in kept.items()}
    put, run, request = 1 + 8, 1, 1 + 1
    assert total["sweep, each new"] == put
    assert total["upload"] == put + 2 * run
    assert total["queue, each"] == 2 + 2 + 2 + (1 + 2)
    assert total["asr, each more"] == 2 * (2 + 2 + 2 + (2 + 2)) + 2 + run + request
