"""Whether an invalid request or response is a client error or a server error."""

import json

import pytest
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from functions.api import errors


@pytest.mark.parametrize(
    ("location", "status", "code"),
    [
        (("query", "limit"), 400, "invalid_request"),
        (("body", "items", 0), 400, "invalid_request"),
        (("path", "command"), 404, "not_found"),
        (("response",), 500, "internal_error"),
        (("response", "items", 0, "id"), 500, "internal_error"),
    ],
)
def test_invalid_response_is_a_server_error_not_a_client_error(location, status, code):
    response = errors._handle_validation_error(
        RequestValidationError([{"loc": location, "msg": "planted", "type": "missing"}])
    )
    error = json.loads(response.body or "")["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert ("planted" in response.body) is (status < 500)
