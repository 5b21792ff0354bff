"""The OpenAPI document is complete and usable for client generators."""

import re

import pytest

from callscribe.transcripts.transcript import MEASURES
from functions.api.app import app
from functions.api.openapi import build_openapi
from functions.api.routes import load_all_routes

load_all_routes(app)
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


def test_operation_ids_are_unique_and_usable_as_method_names():
    assert len(set(IDS)) == len(IDS)
    assert [name for name in IDS if not re.fullmatch("[a-z]+([A-Z][a-z]+)+", name)] == []


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=IDS)
def test_operation_documents_its_purpose_security_and_responses(path, method, operation):
    assert operation["description"].endswith(".")
    assert operation["summary"]
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    for parameter in operation.get("parameters", ()):
        assert parameter["description"], parameter["name"]
        assert parameter["in"] == "header" or re.fullmatch("[a-z]+([A-Z][a-z]+)*", parameter["name"])
    key: list[dict[str, list[str]]] = [{"bearer": []}] if path.startswith("/api/") else []
    assert operation.get("security", []) == key + ([{"link": []}] if path.endswith("/audio") else [])
    responses = {int(status): response for status, response in operation["responses"].items()}
    assert 422 not in responses
    assert ({400, 401, 429, 500, 503} if key else {400}) <= set(responses)
    assert ("requestBody" in operation) == ({413, 415} <= set(responses) and method != "get")
    for status, response in responses.items():
        assert (response["content"] == ERROR) is (status >= 400 and status != 429)  # which API Gateway sends


def test_schemas_are_complete_described_and_camel_case():
    assert {reference.removeprefix("#/components/schemas/") for reference in references(DOCUMENT)} <= set(SCHEMAS)
    for name, schema in SCHEMAS.items():
        assert not name.endswith("Response")
        assert schema.get("description") or "enum" in schema, name
        for member in schema.get("properties", {}):
            # the measures of a segment keep the names that all servers have for them
            assert member in MEASURES or re.fullmatch("[a-z]+([A-Z][a-z]*)*", member), (name, member)


def test_request_bodies_accept_no_null_and_no_unknown_members():
    bodies = [
        content["schema"]
        for _, _, operation in OPERATIONS
        for content in operation.get("requestBody", {"content": {}})["content"].values()
    ]
    assert len(bodies) > 8
    for body in bodies:
        assert SCHEMAS[body["$ref"].rpartition("/")[2]]["additionalProperties"] is False


def test_whisperx_key_is_in_no_response_schema():
    holders = {name for name, schema in SCHEMAS.items() if "apiKey" in schema.get("properties", {})}
    assert holders == {"WhisperXTestRequest", "WhisperXUpdateRequest"}
    for name in holders:
        assert SCHEMAS[name]["properties"]["apiKey"]["anyOf"][0]["writeOnly"] is True
