"""PynamoDB's errors become ours here, and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError
from pynamodb.exceptions import PynamoDBException

from callscribe.errors import StoreError

LOST_RACE = "ConditionalCheckFailedException"

ADVICE = {
    "ResourceNotFoundException": "A table or index is missing: deploy the stack again.",
    "TableDoesNotExist": "A table is missing: deploy the stack again.",
    "AccessDeniedException": "The function's role may not do this: deploy the stack's own policies again.",
    "ProvisionedThroughputExceededException": "DynamoDB is throttling; the next run goes on.",
    "ThrottlingException": "DynamoDB is throttling; the next run goes on.",
}


class LostRace(Exception):
    """The condition of a write did not hold: someone else was faster. No error, and never seen outside the store."""


@contextmanager
def translated() -> Iterator[None]:
    """Raises LostRace for a condition that did not hold, StoreError for everything else that DynamoDB refuses."""
    try:
        yield
    except PynamoDBException as error:
        code = error.cause_response_code or type(error).__name__
        if code == LOST_RACE:
            raise LostRace from error
        advice = ADVICE.get(code, "The next run goes on; if it lasts, look at the health of DynamoDB in this region.")
        raise StoreError(f"DynamoDB refused a request ({code}). {advice}") from error
    except BotoCoreError as error:
        raise StoreError(
            f"DynamoDB could not be reached ({type(error).__name__}). Check credentials, region and network."
        ) from error
