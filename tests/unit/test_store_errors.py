"""Everything that PynamoDB and botocore raise leaves the store as one of Callscribe's errors."""

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from pynamodb.exceptions import QueryError, TableDoesNotExist, UpdateError

from callscribe.aws import ConditionFailed, map_dynamodb_errors
from callscribe.errors import StoreError

THROTTLED = {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {}}


def condition_failed(retries: int) -> UpdateError:
    """As PynamoDB raises it: with an exception of its own, made of botocore's, as the cause."""
    response = {"Error": {"Code": "ConditionalCheckFailedException"}, "ResponseMetadata": {"RetryAttempts": retries}}
    cause = ClientError(response, "UpdateItem")
    cause.__cause__ = ClientError(response, "UpdateItem")
    return UpdateError("x", cause)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (QueryError("x", ConnectionClosedError(endpoint_url="x")), "ConnectionClosedError"),
        (UpdateError("x", ReadTimeoutError(endpoint_url="x")), "ReadTimeoutError"),
        (QueryError("x", ClientError(THROTTLED, "Query")), "ThrottlingException"),
        (TableDoesNotExist("x"), "TableDoesNotExist"),
        (ConnectionClosedError(endpoint_url="x"), "ConnectionClosedError"),
    ],
)
def test_error_from_dynamodb_or_the_network_becomes_a_store_error_with_its_code(error, code):
    with pytest.raises(StoreError, match=code), map_dynamodb_errors():
        raise error


@pytest.mark.parametrize(("retries", "was_retried"), [(0, False), (1, True)])
def test_failed_condition_reports_whether_the_write_was_sent_more_than_once(retries, was_retried):
    with pytest.raises(ConditionFailed) as raised, map_dynamodb_errors():
        raise condition_failed(retries)
    assert raised.value.was_retried is was_retried
