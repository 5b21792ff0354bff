"""How the API reports functions that cannot be started or that fail."""

import json
from io import BytesIO

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError
from botocore.stub import Stubber

from callscribe import aws
from functions.api import invoke
from functions.api.errors import ApiError


@pytest.fixture
def function(monkeypatch):
    """Stub the responses of Lambda."""
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "eu-central-1")
    aws._create_client.cache_clear()
    with Stubber(aws.client("lambda")) as stubber:
        yield stubber
    aws._create_client.cache_clear()


@pytest.mark.parametrize(
    ("code", "status", "expected_code", "message_part"),
    [
        ("TooManyRequestsException", 503, "function_busy", "is busy. Try again in a moment"),
        ("ResourceNotFoundException", 502, "function_failed", "could not be started (ResourceNotFoundException)"),
        ("AccessDeniedException", 502, "function_failed", "could not be started (AccessDeniedException)"),
    ],
)
def test_start_errors_are_reported_by_code(function, code, status, expected_code, message_part):
    function.add_client_error("invoke", code, "arn:aws:lambda:…", http_status_code=429)
    with pytest.raises(ApiError) as raised:
        invoke.invoke_and_wait("process", {})
    assert (raised.value.status, raised.value.code) == (status, expected_code)
    assert message_part in raised.value.message
    assert "arn:" not in raised.value.message


def test_function_errors_are_reported_by_type(function):
    payload = BytesIO(json.dumps({"errorType": "KeyError", "errorMessage": "secret"}).encode())
    function.add_response("invoke", {"FunctionError": "Unhandled", "Payload": payload})
    with pytest.raises(ApiError) as raised:
        invoke.invoke_and_wait("process", {})
    assert (raised.value.status, raised.value.code) == (502, "function_failed")
    assert "failed with an error (KeyError)" in raised.value.message


def test_result_of_the_function_is_returned(function):
    function.add_response("invoke", {"Payload": BytesIO(b'{"ok": true}')})
    assert invoke.invoke_and_wait("process", {}) == {"ok": True}


def test_failed_async_invocation_is_left_to_the_schedule(function):
    function.add_client_error("invoke", "TooManyRequestsException", http_status_code=429)
    invoke.invoke_async("process", {})


@pytest.mark.parametrize(
    ("exception", "message_part"),
    [
        (EndpointConnectionError(endpoint_url="https://lambda"), "could not be started (EndpointConnectionError)"),
        (ConnectionClosedError(endpoint_url="https://lambda"), "may have run"),
    ],
)
def test_function_that_was_never_reached_is_not_reported_as_failed(function, monkeypatch, exception, message_part):
    def fail(**_):
        raise exception

    monkeypatch.setattr(aws.client("lambda"), "invoke", fail)
    with pytest.raises(ApiError) as raised:
        invoke.invoke_and_wait("process", {})
    assert (raised.value.status, raised.value.code) == (502, "function_failed")
    assert message_part in raised.value.message
