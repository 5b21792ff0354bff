"""PynamoDB's errors become ours here, and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

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
    """Raises LostRace for a condition that did not hold, StoreError for everything else that DynamoDB refuses."""
    try:
        yield
    except PynamoDBException as error:
        # PynamoDB's own `cause_response_code` fails on a connection that broke: there is no response to read it from
        cause = error.cause or error
        code = cause.response["Error"]["Code"] if isinstance(cause, ClientError) else type(cause).__name__
        if code == CONDITION_FAILED_CODE:
            raise ConditionFailed(was_retried=_retry_attempts(error) > 0) from error
        advice = ADVICE.get(code, "The next run goes on; if it lasts, look at the health of DynamoDB in this region.")
        raise StoreError(f"DynamoDB refused a request ({code}). {advice}") from error
    except BotoCoreError as error:
        raise StoreError(
            f"DynamoDB could not be reached ({type(error).__name__}). Check credentials, region and network."
        ) from error


def _retry_attempts(error: PynamoDBException) -> int:
    """How often botocore sent the request again. PynamoDB hides botocore's own error behind one of its own."""
    original = error.cause.__cause__ if error.cause else None
    return original.response["ResponseMetadata"].get("RetryAttempts", 0) if isinstance(original, ClientError) else 0
