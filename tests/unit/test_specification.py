"""The specification as who generates a client from it reads it."""

import re

import pytest

from functions.api.app import app, load_all_routes
from functions.api.openapi import build_openapi

load_all_routes()
DOCUMENT = build_openapi(app)
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = [
    (path, method, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]
IDS = [operation["operationId"] for _, _, operation in OPERATIONS]
ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}


def references(node):
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        node = list(node.values())
    for each in node if isinstance(node, list) else ():
        yield from references(each)


def test_each_operation_has_a_name_of_its_own_that_makes_a_good_method():
    assert len(set(IDS)) == len(IDS)
    assert [name for name in IDS if not re.fullmatch("[a-z]+([A-Z][a-z]+)+", name)] == []


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=IDS)
def test_an_operation_says_what_it_does_who_may_and_what_it_answers(path, method, operation):
    assert operation["description"].endswith(".")
    assert operation["summary"]
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    for parameter in operation.get("parameters", ()):
        assert parameter["description"], parameter["name"]
        assert parameter["in"] == "header" or re.fullmatch("[a-z]+([A-Z][a-z]+)*", parameter["name"])
    key: list[dict[str, list[str]]] = [{"bearer": []}] if path.startswith("/api/") else []
    assert operation.get("security", []) == key + ([{"link": []}] if path.endswith("/audio") else [])
    answers = {int(status): answer for status, answer in operation["responses"].items()}
    assert 422 not in answers
    assert ({400, 401, 429, 500, 503} if key else {400}) <= set(answers)
    assert ("requestBody" in operation) == ({413, 415} <= set(answers) and method != "get")
    for status, answer in answers.items():
        assert (answer["content"] == ERROR) is (status >= 400 and status != 429)  # which API Gateway sends


def test_schemas_are_complete_described_and_in_camel_case():
    assert {reference.removeprefix("#/components/schemas/") for reference in references(DOCUMENT)} <= set(SCHEMAS)
    for name, schema in SCHEMAS.items():
        assert not name.endswith("Response")
        assert schema.get("description") or "enum" in schema, name
        for member in schema.get("properties", {}):
            assert re.fullmatch("[a-z]+([A-Z][a-z]*)*", member), (name, member)


def test_a_body_may_be_left_out_but_not_null_and_takes_no_member_that_is_not_known():
    bodies = [
        content["schema"]
        for _, _, operation in OPERATIONS
        for content in operation.get("requestBody", {"content": {}})["content"].values()
    ]
    assert len(bodies) > 8
    for body in bodies:
        assert SCHEMAS[body["$ref"].rpartition("/")[2]]["additionalProperties"] is False


def test_the_key_of_the_service_is_never_in_an_answer():
    holders = {name for name, schema in SCHEMAS.items() if "apiKey" in schema.get("properties", {})}
    assert holders == {"WhisperXTestRequest", "WhisperXUpdateRequest"}
    for name in holders:
        assert SCHEMAS[name]["properties"]["apiKey"]["anyOf"][0]["writeOnly"] is True
