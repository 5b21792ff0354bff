"""PynamoDB's errors become ours here, and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

from pynamodb.exceptions import PynamoDBException

from callscribe.aws import AwsError, map_aws_errors
from callscribe.errors import StoreError

CONDITION_FAILED_CODE = "ConditionalCheckFailedException"

ADVICE = {
    "ResourceNotFoundException": "A table or index is missing: deploy the stack again.",
    "TableDoesNotExist": "A table is missing: deploy the stack again.",
    "AccessDeniedException": "The function's role may not do this: deploy the stack's own policies again.",
    "ProvisionedThroughputExceededException": "DynamoDB is throttling; the next run goes on.",
    "ThrottlingException": "DynamoDB is throttling; the next run goes on.",
}


class ConditionFailed(Exception):
    """The condition of a write did not hold: someone else was faster. No error, and never seen outside the store.

    `repeated` where the write was sent more than once, for the answer to it was lost: then it may have been this very
    write that was faster.
    """

    def __init__(self, *, was_retried: bool) -> None:
        super().__init__()
        self.repeated = was_retried


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
