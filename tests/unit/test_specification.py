"""The specification as who generates a client from it reads it."""

import re

import pytest

from functions.api.app import app
from functions.api.specification import specification

DOCUMENT = specification(app)
OPERATIONS = [
    (path, method, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]
IDS = [operation["operationId"] for _, _, operation in OPERATIONS]

OBVIOUS = {
    *("id", "path", "status", "code", "message", "method", "attempt", "count", "enabled", "paused", "version", "limit"),
    *("codec", "language", "channels", "extension", "callId", "phoneSystem", "duration", "slug", "nextCursor"),
    *("startedAt", "finishedAt", "createdAt", "expiresAt", "statusSince", "since", "at", "items", "command", "module"),
    *("pending", "queued", "processing", "completed", "failed", "total", "bytesSent", "bytesReceived", "errorCode"),
    *("scheduleExpression", "recordedAt", "names", "examples", "ok", "notUnderstood", "recordingId", "baseUrl"),
}

operations = pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=IDS)


def references(node):
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        node = list(node.values())
    for each in node if isinstance(node, list) else ():
        yield from references(each)


def test_each_operation_has_a_name_of_its_own_that_makes_a_good_method():
    assert len(set(IDS)) == len(IDS)
    assert [name for name in IDS if not re.fullmatch("[a-z]+([A-Z][a-z]+)+", name)] == []


@operations
def test_an_operation_says_what_it_does_and_what_it_may_answer(path, method, operation):
    assert operation["description"].endswith(".")
    assert operation["summary"]
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    for parameter in operation.get("parameters", ()):
        assert parameter["description"], parameter["name"]
        assert parameter["in"] == "header" or re.fullmatch("[a-z]+([A-Z][a-z]+)*", parameter["name"])
    statuses = {int(status) for status in operation["responses"]}
    assert "422" not in operation["responses"]
    assert {400, 405} < statuses
    assert ("requestBody" in operation) == ({413, 415} <= statuses and method != "get")
    for status, answer in operation["responses"].items():
        assert answer["description"]
        if int(status) >= 400:
            error = {"$ref": "#/components/schemas/Error"}
            assert (answer["content"]["application/json"]["schema"] == error) is (status != "429")


@operations
def test_all_below_api_wants_the_key_and_only_audio_takes_a_link_instead(path, method, operation):
    wants = [{"bearer": []}] if path.startswith("/api/") else []
    assert operation["security"] == wants + ([{"link": []}] if path.endswith("/audio") else [])
    assert ("401" in operation["responses"]) is bool(wants)


def test_nothing_is_referred_to_that_is_not_there():
    for reference in references(DOCUMENT):
        kind, name = reference.removeprefix("#/components/").split("/")
        assert name in DOCUMENT["components"][kind], reference


def test_every_member_of_what_is_sent_and_answered_is_in_camel_case():
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for member in schema.get("properties", {}):
            assert re.fullmatch("[a-z]+([A-Z][a-z]*)*", member), (name, member)


def test_every_member_says_what_it_is_unless_its_name_or_its_kind_says_it():
    """Those that are left out are called as the docs call them, or are a model or a list of one that has words."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert schema.get("description") or "enum" in schema, name
        for member, told in schema.get("properties", {}).items():
            kind = list(references(told))
            assert told.get("description") or kind or member in OBVIOUS, (name, member)


def test_what_is_sent_takes_no_member_that_is_not_known():
    sent = {
        reference.rpartition("/")[2]
        for _, _, operation in OPERATIONS
        for reference in references(operation.get("requestBody", {}))
    }
    assert len(sent) > 8
    for name in sent:
        assert DOCUMENT["components"]["schemas"][name]["additionalProperties"] is False, name


def test_the_key_of_the_service_is_never_in_an_answer():
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if "apiKey" in schema.get("properties", {}):
            assert name in ("WhisperXTrial", "WhisperXChange")
            assert schema["properties"]["apiKey"]["anyOf"][0]["writeOnly"] is True
