"""Whose fault an answer says that it is."""

import json

import pytest
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from functions.api import errors


@pytest.mark.parametrize(
    ("place", "status", "code"),
    [
        (("query", "limit"), 400, "invalid_request"),
        (("body", "items", 0), 400, "invalid_request"),
        (("path", "command"), 404, "not_found"),
        (("response",), 500, "internal_error"),
        (("response", "items", 0, "id"), 500, "internal_error"),
    ],
)
def test_an_answer_of_ours_that_is_not_valid_is_no_fault_of_the_caller(place, status, code):
    answer = errors._handle_validation_error(
        RequestValidationError([{"loc": place, "msg": "planted", "type": "missing"}])
    )
    error = json.loads(answer.body or "")["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert ("planted" in answer.body) is (status < 500)
