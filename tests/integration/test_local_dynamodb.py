"""Queries of the local DynamoDB: the results of moto's own code, and of dynalite, with sorted indexes."""

import uuid
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table

from local.cloud.client import aws_client
from local.cloud.dynamodb import queries
from testing import dynalite
from testing.waiting import wait_until

KEYS = {"table": "pq", "by-text": "gq", "by-number": "gn", "all-by-number": "gn"}
PROJECTIONS = {
    "by-text": {"ProjectionType": "KEYS_ONLY"},
    "by-number": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x"]},
    "all-by-number": {"ProjectionType": "ALL"},
}
CONDITIONS = {
    "": 0,
    "AND {} = :a": 1,
    "AND {} < :a": 1,
    "AND {} <= :a": 1,
    "AND {} > :a": 1,
    "AND {} >= :a": 1,
    "AND {} BETWEEN :a AND :b": 2,
    "AND begins_with({}, :a)": 1,
}
TEXTS = st.sampled_from(["a", "aa", "ab", "b", "ba", "é", "ü"])
NUMBERS = st.sampled_from(["-3", "0", "2", "10", "10.5"])
ITEMS = st.fixed_dictionaries(
    {"p": TEXTS, "q": TEXTS}, optional={"g": st.sampled_from("uv"), "n": NUMBERS, "x": TEXTS, "y": TEXTS}
)
WRITES = st.lists(st.tuples(st.sampled_from(["put", "put", "update", "delete"]), ITEMS), max_size=15)


def schema(keys):
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(list(keys), ("HASH", "RANGE"), strict=True)]


DEFINITION = {
    "KeySchema": schema(KEYS["table"]),
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "N" if name == "n" else "S"} for name in "pqgn"],
    "GlobalSecondaryIndexes": [
        {"IndexName": name, "KeySchema": schema(KEYS[name]), "Projection": projection}
        for name, projection in PROJECTIONS.items()
    ],
}


def to_values(item):
    return {name: {"N" if name == "n" else "S": value} for name, value in item.items()}


@st.composite
def query_requests(draw):
    """The arguments of a Query on any index, without those that depend on earlier results."""
    index = draw(st.sampled_from(list(KEYS)))
    hash_key, sort_key = list(KEYS[index])
    condition = draw(st.sampled_from([text for text in CONDITIONS if sort_key != "n" or "begins" not in text]))
    values = sorted(draw(st.lists(NUMBERS if sort_key == "n" else TEXTS, min_size=2, max_size=2)), key=sort_value)
    request = {
        "KeyConditionExpression": f"{hash_key} = :h {condition.format(sort_key)}".strip(),
        "ExpressionAttributeValues": {
            ":h": {"S": draw(st.sampled_from("uv") if index != "table" else TEXTS)},
            **{
                name: {"N" if sort_key == "n" else "S": value}
                for name, value in zip([":a", ":b"][: CONDITIONS[condition]], values, strict=False)
            },
        },
        "ScanIndexForward": draw(st.booleans()),
    }
    if index != "table":
        request["IndexName"] = index
    if limit := draw(st.integers(0, 4)):
        request["Limit"] = limit
    if draw(st.booleans()):
        request["FilterExpression"] = "attribute_exists(x)"
    if draw(st.booleans()):
        request["ProjectionExpression"] = "q, x"
    elif draw(st.booleans()):
        request["Select"] = "COUNT"
    return request


def sort_value(text):
    try:
        return float(text), ""
    except ValueError:
        return 0.0, text


class Engine:
    """A table at an endpoint. `pages` returns all pages of a query: items, counts, and the keys to continue with."""

    def __init__(self, endpoint, name):
        self.client, self.name = aws_client("dynamodb", endpoint), name
        indexes = [index | dynalite.THROUGHPUT for index in DEFINITION["GlobalSecondaryIndexes"]]
        definition = DEFINITION | dynalite.THROUGHPUT | {"GlobalSecondaryIndexes": indexes}
        self.client.create_table(TableName=name, **definition)
        wait_until(lambda: self.client.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE")

    def write(self, kind, item):
        key = {name: {"S": item[name]} for name in "pq"}
        if kind == "put":
            self.client.put_item(TableName=self.name, Item=to_values(item))
        elif kind == "delete":
            self.client.delete_item(TableName=self.name, Key=key)
        else:
            changes = {
                name: {"Value": to_values(item)[name], "Action": "PUT"} if name in item else {"Action": "DELETE"}
                for name in "gnxy"
            }
            self.client.update_item(TableName=self.name, Key=key, AttributeUpdates=changes)

    def pages(self, request):
        pages: list[dict[str, Any]] = []
        start: dict[str, Any] = {}
        while True:
            page = self.client.query(TableName=self.name, **request, **start)
            pages.append(page)
            if "LastEvaluatedKey" not in page:
                return pages
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def result(self, request):
        """What a caller of the query sees, however it is cut into pages: the items, their order, and the counts.

        The order of items with equal sort keys differs between implementations, and is not part of it.
        """
        pages = self.pages(request)
        items = [item for page in pages for item in page.get("Items", ())]
        sort_key = KEYS[request.get("IndexName", "table")][1]
        order = [item[sort_key] for item in items if sort_key in item]
        counts = [sum(page[name] for page in pages) for name in ("Count", "ScannedCount")]
        return sorted(items, key=str_of), order, counts


def str_of(item):
    return str(sorted(item.items()))


def fill(engines, writes):
    for kind, item in writes:
        for engine in engines:
            engine.write(kind, item)


def without_metadata(pages):
    return [{name: value for name, value in page.items() if name != "ResponseMetadata"} for page in pages]


@settings(max_examples=25)
@given(before=WRITES, after=WRITES, requests=st.lists(query_requests(), min_size=1, max_size=5))
def test_query_returns_what_motos_own_code_returns(deployed, before, after, requests):
    engine = Engine(deployed.endpoint, uuid.uuid4().hex)
    fill([engine], before)
    for request in requests:  # builds the indexes, which later writes must keep up to date
        engine.pages(request)
    fill([engine], after)
    indexed = [without_metadata(engine.pages(request)) for request in requests]
    with mock.patch.object(Table, "query", queries.moto_query):
        assert indexed == [without_metadata(engine.pages(request)) for request in requests]


@pytest.mark.slow
@settings(max_examples=20)
@given(before=WRITES, after=WRITES, requests=st.lists(query_requests(), min_size=1, max_size=4))
def test_query_returns_what_dynalite_returns(deployed, second_engine, before, after, requests):
    engines = [Engine(endpoint, uuid.uuid4().hex) for endpoint in (deployed.endpoint, second_engine[0])]
    for writes in (before, after):
        fill(engines, writes)
        for request in requests:
            first, second = (engine.result(request) for engine in engines)
            assert first == second, request


def test_page_of_an_index_ends_after_a_megabyte_of_what_the_index_contains(deployed):
    engine = Engine(deployed.endpoint, uuid.uuid4().hex)
    count = 30
    for number in range(count):
        item = {"p": "p", "q": f"{number:02}", "g": "u", "n": "0", "y": "y" * 100_000}
        engine.write("put", item)
    request = {"KeyConditionExpression": "g = :h", "ExpressionAttributeValues": {":h": {"S": "u"}}}
    for index, page_count in (("by-text", 1), ("all-by-number", 4)):
        pages = engine.pages(request | {"IndexName": index})
        assert len(pages) == page_count
        assert [item["q"]["S"] for page in pages for item in page["Items"]] == [f"{each:02}" for each in range(count)]


def test_items_that_were_removed_without_a_request_are_not_found(deployed):
    engine = Engine(deployed.endpoint, uuid.uuid4().hex)
    request = {"KeyConditionExpression": "p = :h", "ExpressionAttributeValues": {":h": {"S": "a"}}}
    engine.write("put", {"p": "a", "q": "a"})
    assert engine.result(request)[2] == [1, 1]
    dynamodb_backends[deployed.account_id][deployed.region].get_table(engine.name).items.clear()
    assert engine.result(request)[2] == [0, 0]
    engine.write("put", {"p": "a", "q": "b"})
    assert engine.result(request)[0] == [{"p": {"S": "a"}, "q": {"S": "b"}}]


def test_failed_transaction_leaves_the_indexes_as_they_were(deployed):
    engine = Engine(deployed.endpoint, uuid.uuid4().hex)
    request = {"KeyConditionExpression": "p = :h", "ExpressionAttributeValues": {":h": {"S": "a"}}}
    engine.write("put", {"p": "a", "q": "a"})
    assert engine.result(request)[2] == [1, 1]
    put = {"TableName": engine.name, "Item": {"p": {"S": "a"}, "q": {"S": "b"}}}
    check = {"TableName": engine.name, "Key": {"p": {"S": "z"}, "q": {"S": "z"}}}
    with pytest.raises(engine.client.exceptions.TransactionCanceledException):
        engine.client.transact_write_items(
            TransactItems=[{"Put": put}, {"ConditionCheck": check | {"ConditionExpression": "attribute_exists(p)"}}]
        )
    assert engine.result(request)[2] == [1, 1]


def test_binary_values_are_returned_as_stored(deployed):
    engine = Engine(deployed.endpoint, uuid.uuid4().hex)
    item = {"p": {"S": "a"}, "q": {"S": "a"}, "x": {"B": b"\0\xff"}, "y": {"L": [{"BS": [b"1"]}, {"NULL": True}]}}
    engine.client.put_item(TableName=engine.name, Item=item)
    request = {"KeyConditionExpression": "p = :h", "ExpressionAttributeValues": {":h": {"S": "a"}}}
    assert engine.result(request)[0] == [item]
    assert engine.client.get_item(TableName=engine.name, Key={"p": {"S": "a"}, "q": {"S": "a"}})["Item"] == item
