"""Every route: its requests to AWS, and the keys it accepts."""

import json
from unittest.mock import Mock

import pytest

from functions.api import invoke
from local.cloud.client import aws_client
from testing.handlers import read_api_key
from tests.integration.operations import OPERATIONS, documented

BUDGETS = {"listRecordings": 1, "getRecording": 1, "getStatusSummary": 6}
"""Maximum requests to AWS of a warm function, from section 12 of the design."""

MAX_REQUESTS = 8
"""Of any other route."""


@pytest.fixture
def send(handlers, put, list_recordings, stack, monkeypatch):
    """Send the example request of an operation, on a stack with one completed recording."""
    handlers.clear_caches()
    put("in-2025550100-2025550143.wav")
    handlers.sync()
    handlers.queue()
    handlers.process()
    (item,) = list_recordings().values()
    run = handlers.api("GET", "/api/scheduler/runs", query="limit=1").json["items"][0]["id"]
    finished_run = {
        "id": run,
        "task": "sync_recordings",
        "trigger": "api",
        "status": "succeeded",
        "counts": {},
        "startedAt": "2026-11-27T12:00:00Z",
        "ok": True,
        "code": "ok",
        "message": "It responds.",
    }
    placeholders = {"{recordingId}": item["id"], "{runId}": run, "{command}": "sync_recordings", "{path}": item["path"]}
    invoked = Mock(return_value=finished_run)
    # other functions are counted as one request each and not run: nothing listens at their address
    monkeypatch.setattr(invoke, "invoke_and_wait", invoked)
    monkeypatch.setattr(invoke, "invoke_async", invoked)

    def fill(text):
        for name, value in placeholders.items():
            text = text.replace(name, value)
        return text

    def send(name, key=""):
        operation = OPERATIONS[name]
        body = operation.body and {member: fill(v) if isinstance(v, str) else v for member, v in operation.body.items()}
        invoked.reset_mock()
        response = handlers.api(operation.method, fill(operation.path), query=operation.query, body=body, key=key)
        return response, invoked.call_count

    return send


def test_every_operation_has_an_example_request():
    assert {name: (operation.method, operation.path) for name, operation in OPERATIONS.items()} == documented()


def test_each_operation_makes_the_expected_requests_to_aws(send, stack, count_requests):
    key = read_api_key(stack)
    for name, operation in OPERATIONS.items():
        if operation.method == "GET":
            send(name, key)  # warm up: load keys and create clients
        with count_requests() as requests:
            response, invoked = send(name, key)
        assert response.status < 400, (name, response.body)
        costs = dict(requests) | ({"POST Lambda": invoked} if invoked else {})
        assert costs == operation.costs, (name, costs)
        assert sum(costs.values()) <= BUDGETS.get(name, MAX_REQUESTS)


def test_every_route_accepts_exactly_the_current_keys_during_a_rotation(send, stack):
    """A rotation as in docs/api.md: a key is added, clients switch to it, the old key is removed."""
    secrets, secret_id = aws_client("secretsmanager", stack.endpoint), stack.secrets["ApiKeySecret"]
    before = secrets.get_secret_value(SecretId=secret_id)["SecretString"]
    old = json.loads(before)["default"]
    new = "the-new-key-of-the-rotation"
    names = [name for name in OPERATIONS if name not in ("getHealth", "deleteRecording")]

    def statuses_by_key(keys):
        return {who: {name: int(send(name, key)[0].status) for name in names} for who, key in keys.items()}

    invalid_keys = {"no key": None, "a wrong key": old[:-1] + "!", "an empty key": " ", "the name of a key": "default"}
    statuses = statuses_by_key({**invalid_keys, "the old key": old, "the new key, before": new})
    secrets.put_secret_value(SecretId=secret_id, SecretString=json.dumps({"default": old, "second": new}))
    from functions.api import auth

    auth._cache.clear()  # as after a second
    statuses |= {
        f"{who}, both valid": row for who, row in statuses_by_key({"the old key": old, "the new key": new}).items()
    }
    secrets.put_secret_value(SecretId=secret_id, SecretString=json.dumps({"second": new}))
    auth._cache.clear()  # as after a minute
    statuses |= {
        f"{who}, old one removed": row for who, row in statuses_by_key({"the old key": old, "the new key": new}).items()
    }
    secrets.put_secret_value(SecretId=secret_id, SecretString=before)
    auth._cache.clear()

    accepted = {"the old key", "the old key, both valid", "the new key, both valid", "the new key, old one removed"}
    for who, row in statuses.items():
        assert all((status != 401) is (who in accepted) for status in row.values()), (who, row)
        assert all(status < 500 for status in row.values())
