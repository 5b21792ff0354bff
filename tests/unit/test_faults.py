"""Whatever PynamoDB and botocore raise comes out of the store as one of our errors."""

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from pynamodb.exceptions import QueryError, TableDoesNotExist, UpdateError

from callscribe.errors import StoreError
from callscribe.store.errors import ConditionFailed, map_dynamodb_errors

REFUSED = {"Error": {"Code": "ConditionalCheckFailedException"}, "ResponseMetadata": {}}
THROTTLED = {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {}}


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (QueryError("x", ConnectionClosedError(endpoint_url="x")), "ConnectionClosedError"),
        (UpdateError("x", ReadTimeoutError(endpoint_url="x")), "ReadTimeoutError"),
        (QueryError("x", ClientError(THROTTLED, "Query")), "ThrottlingException"),
        (TableDoesNotExist("x"), "TableDoesNotExist"),
        (ConnectionClosedError(endpoint_url="x"), "ConnectionClosedError"),
    ],
)
def test_an_error_of_dynamodb_or_on_the_way_to_it_is_a_store_error_that_says_which(error, says):
    with pytest.raises(StoreError, match=says), map_dynamodb_errors():
        raise error


def test_a_condition_that_did_not_hold_is_a_lost_race():
    with pytest.raises(ConditionFailed), map_dynamodb_errors():
        raise UpdateError("x", ClientError(REFUSED, "UpdateItem"))
