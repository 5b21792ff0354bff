"""What PynamoDB raises becomes one of Callscribe's errors here, and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

from pynamodb.exceptions import PynamoDBException

from callscribe.aws import AwsError, map_aws_errors
from callscribe.errors import StoreError

CONDITION_FAILED_CODE = "ConditionalCheckFailedException"

ADVICE = {
    "ResourceNotFoundException": "A table or index is missing: redeploy the stack.",
    "TableDoesNotExist": "A table is missing: redeploy the stack.",
    "AccessDeniedException": "The function's role lacks a permission: redeploy the stack's own policies.",
    "ProvisionedThroughputExceededException": "DynamoDB is throttling; the next run continues.",
    "ThrottlingException": "DynamoDB is throttling; the next run continues.",
}


class ConditionFailed(Exception):
    """The condition of a write did not hold: another process was faster. Not an error; it never leaves the store.

    `was_retried`: botocore sent the write more than once because a response was lost. Then the earlier attempt of this
    same write may be what changed the item.
    """

    def __init__(self, *, was_retried: bool) -> None:
        super().__init__()
        self.was_retried = was_retried


@contextmanager
def map_dynamodb_errors() -> Iterator[None]:
    """Raise ConditionFailed for a condition that did not hold, StoreError for everything else."""
    try:
        with map_aws_errors(_to_store_error):
            yield
    except PynamoDBException as error:
        # PynamoDB's own `cause_response_code` fails on a broken connection: it has no response to read the code from
        aws_error = AwsError(error.cause or error)
        if aws_error.code != CONDITION_FAILED_CODE:
            raise _to_store_error(aws_error) from error
        # PynamoDB hides botocore's exception, which knows of retries, behind one of its own
        original = AwsError(error.cause.__cause__) if error.cause and error.cause.__cause__ else aws_error
        raise ConditionFailed(was_retried=original.retries > 0) from error


def _to_store_error(error: AwsError) -> StoreError:
    advice = ADVICE.get(error.code)
    if advice or error.has_response:
        advice = advice or "The next run continues; if it lasts, check the AWS Health Dashboard for DynamoDB."
        return StoreError(f"DynamoDB refused a request ({error.code}). {advice}")
    return StoreError(f"DynamoDB could not be reached ({error.code}). Check credentials, region and network.")
