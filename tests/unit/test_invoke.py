"""What the API tells of another function that it could not start, or that ended in an error."""

import json
from io import BytesIO

import pytest
from botocore.stub import Stubber

from callscribe import aws
from functions.api import invoke
from functions.api.errors import ApiError


@pytest.fixture
def function(monkeypatch):
    """Answers as Lambda does."""
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "eu-central-1")
    aws._create_client.cache_clear()
    with Stubber(aws.client("lambda")) as stubber:
        yield stubber
    aws._create_client.cache_clear()


@pytest.mark.parametrize(
    ("code", "status", "told", "words"),
    [
        ("TooManyRequestsException", 503, "function_busy", "is busy. Try again in a moment"),
        ("ResourceNotFoundException", 502, "function_failed", "could not be started (ResourceNotFoundException)"),
        ("AccessDeniedException", 502, "function_failed", "could not be started (AccessDeniedException)"),
    ],
)
def test_a_function_that_was_not_started_has_not_ended_in_an_error(function, code, status, told, words):
    function.add_client_error("invoke", code, "arn:aws:lambda:…", http_status_code=429)
    with pytest.raises(ApiError) as raised:
        invoke.invoke_and_wait("process", {})
    assert (raised.value.status, raised.value.code) == (status, told)
    assert words in raised.value.message
    assert "arn:" not in raised.value.message


def test_a_function_that_ended_in_an_error_is_told_by_its_type(function):
    payload = BytesIO(json.dumps({"errorType": "KeyError", "errorMessage": "secret"}).encode())
    function.add_response("invoke", {"FunctionError": "Unhandled", "Payload": payload})
    with pytest.raises(ApiError) as raised:
        invoke.invoke_and_wait("process", {})
    assert (raised.value.status, raised.value.code) == (502, "function_failed")
    assert "failed with an error (KeyError)" in raised.value.message


def test_what_a_function_answers_is_handed_on(function):
    function.add_response("invoke", {"Payload": BytesIO(b'{"ok": true}')})
    assert invoke.invoke_and_wait("process", {}) == {"ok": True}


def test_a_function_that_cannot_be_started_at_once_is_left_to_its_schedule(function):
    function.add_client_error("invoke", "TooManyRequestsException", http_status_code=429)
    invoke.invoke_async("process", {})
