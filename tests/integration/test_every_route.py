"""Over all routes: what each costs, and whom it lets in."""

import json
from unittest.mock import Mock

import pytest

from functions.api import invoke
from local.cloud.client import aws_client
from testing.handlers import read_api_key
from tests.integration.operations import OPERATIONS, documented

BUDGETS = {"listRecordings": 1, "getRecording": 1, "getStatusSummary": 6}
"""Of section 12 of the design: requests to AWS on a warm function."""

MOST = 8
"""What no route takes more than."""


@pytest.fixture
def ask(handlers, put, listed, stack, monkeypatch):
    """Asks for an operation, on a stack where one recording is completed."""
    handlers.clear_caches()
    put("in-2025550100-2025550143.wav")
    handlers.sync()
    handlers.queue()
    handlers.process()
    (item,) = listed().values()
    run = handlers.api("GET", "/api/scheduler/runs", query="limit=1").json["items"][0]["id"]
    ended = {
        "id": run,
        "task": "sync_recordings",
        "trigger": "api",
        "status": "succeeded",
        "counts": {},
        "startedAt": "2026-11-27T12:00:00Z",
        "ok": True,
        "code": "ok",
        "message": "It answers.",
    }
    filled = {"{recordingId}": item["id"], "{runId}": run, "{command}": "sync_recordings", "{path}": item["path"]}
    invoked = Mock(return_value=ended)
    # the other functions are counted as one request each, and not run: nobody listens at their address
    monkeypatch.setattr(invoke, "invoke_and_wait", invoked)
    monkeypatch.setattr(invoke, "invoke_async", invoked)

    def fill(text):
        for name, value in filled.items():
            text = text.replace(name, value)
        return text

    def ask(name, key=""):
        operation = OPERATIONS[name]
        body = operation.body and {member: fill(v) if isinstance(v, str) else v for member, v in operation.body.items()}
        invoked.reset_mock()
        answer = handlers.api(operation.method, fill(operation.path), query=operation.query, body=body, key=key)
        return answer, invoked.call_count

    return ask


def test_every_operation_has_its_request_here():
    assert {name: (each.method, each.path) for name, each in OPERATIONS.items()} == documented()


def test_a_request_costs_what_it_is_said_to(ask, stack, counted):
    key = read_api_key(stack)
    for name, operation in OPERATIONS.items():
        if operation.method == "GET":
            ask(name, key)  # warms up: keys and clients are there
        with counted() as requests:
            answer, invoked = ask(name, key)
        assert answer.status < 400, (name, answer.body)
        costs = dict(requests) | ({"POST Lambda": invoked} if invoked else {})
        assert costs == operation.costs, (name, costs)
        assert sum(costs.values()) <= BUDGETS.get(name, MOST)


def test_every_route_lets_in_whom_the_secret_names_at_this_moment(ask, stack):
    """A rotation as docs/api.md describes it: a new key is added, clients change over, the old one goes."""
    secrets, secret_id = aws_client("secretsmanager", stack.endpoint), stack.secrets["ApiKeySecret"]
    before = secrets.get_secret_value(SecretId=secret_id)["SecretString"]
    old = json.loads(before)["default"]
    new = "the-new-key-of-the-rotation"
    names = [name for name in OPERATIONS if name not in ("getHealth", "deleteRecording")]

    def asked(keys):
        return {who: {name: int(ask(name, key)[0].status) for name in names} for who, key in keys.items()}

    refused = {"no key": None, "a wrong key": old[:-1] + "!", "an empty key": " ", "the name of a key": "default"}
    seen = asked({**refused, "the old key": old, "the new key, before": new})
    secrets.put_secret_value(SecretId=secret_id, SecretString=json.dumps({"default": old, "second": new}))
    from functions.api import auth

    auth._cache.clear()  # a second later
    seen |= {f"{who}, both there": row for who, row in asked({"the old key": old, "the new key": new}).items()}
    secrets.put_secret_value(SecretId=secret_id, SecretString=json.dumps({"second": new}))
    auth._cache.clear()  # a minute later
    seen |= {f"{who}, old one gone": row for who, row in asked({"the old key": old, "the new key": new}).items()}
    secrets.put_secret_value(SecretId=secret_id, SecretString=before)
    auth._cache.clear()

    good = {"the old key", "the old key, both there", "the new key, both there", "the new key, old one gone"}
    for who, row in seen.items():
        assert all((status != 401) is (who in good) for status in row.values()), (who, row)
        assert all(status < 500 for status in row.values())
