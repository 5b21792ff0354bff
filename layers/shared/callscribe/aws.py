"""The clients for AWS services, and what errors of AWS mean. DynamoDB is reached through PynamoDB, in `store`."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from threading import Lock
from typing import Any, Literal

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from callscribe.errors import StoreError

type AwsService = Literal["s3", "events", "lambda", "secretsmanager"]

CLIENT_OPTIONS: Mapping[AwsService, Mapping[str, Any]] = {
    "s3": {
        "connect_timeout": 5,
        "read_timeout": 60,
        "retries": {"mode": "standard"},
        "max_pool_connections": 32,
        "signature_version": "s3v4",  # botocore would sign presigned URLs with the previous version
    },
    "events": {
        "connect_timeout": 5,
        "read_timeout": 10,
        "retries": {"mode": "standard", "total_max_attempts": 2},
    },
    "lambda": {
        "connect_timeout": 3,
        "read_timeout": 22,  # API Gateway times out after 30 s, the api function after 29
        "retries": {"total_max_attempts": 1},  # a repeated invocation would run the task twice
    },
    "secretsmanager": {
        "connect_timeout": 3,
        "read_timeout": 7,  # a slot is held, or a client of the API is waiting
        "retries": {"mode": "standard", "total_max_attempts": 2},
    },
}
"""botocore's configuration of each client; timeouts in seconds."""

NOT_FOUND_CODES = ("NoSuchKey", "404")
"""How S3 reports that an object does not exist: 404 for HEAD, whose response has no body."""

CONDITION_FAILED_CODE = "ConditionalCheckFailedException"

DYNAMODB_ADVICE = {
    "ResourceNotFoundException": "A table or index is missing: redeploy the stack.",
    "TableDoesNotExist": "A table is missing: redeploy the stack.",
    "AccessDeniedException": "The function's role lacks a permission: redeploy the stack's own policies.",
    "ProvisionedThroughputExceededException": "DynamoDB is throttling; the next run continues.",
    "ThrottlingException": "DynamoDB is throttling; the next run continues.",
}

_client_lock = Lock()


class AwsError(Exception):
    """A failed request to AWS. It does not repeat botocore's message, which may quote a parameter such as a secret.

    `code`: the error code in AWS's response or, when no response came, the class name of botocore's exception.
    `retries`: how many times botocore repeated the request.
    `mentions_kms`: whether S3 names a permission of KMS as the reason.
    `has_no_value`: whether Secrets Manager has the secret, but no value of it.
    """

    def __init__(self, error: BaseException) -> None:
        response: Mapping[str, Any] = error.response if isinstance(error, ClientError) else {}
        self.code: str = response["Error"]["Code"] if response else type(error).__name__
        self.retries: int = response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        self.has_response = bool(response)
        message = response.get("Error", {}).get("Message", "").lower()
        self.mentions_kms = "kms:" in message
        # the code alone, ResourceNotFoundException, is also that of a secret that does not exist
        self.has_no_value = "find the specified secret value" in message
        super().__init__(self.code)

    @property
    def is_not_found(self) -> bool:
        """Whether S3 has no such object."""
        return self.has_response and self.code in NOT_FOUND_CODES


@contextmanager
def map_aws_errors(to_error: Callable[[AwsError], Exception] = lambda error: error) -> Iterator[None]:
    """Raise what `to_error` makes of a botocore exception, with the exception as its cause; AwsError by default."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise to_error(AwsError(error)) from error


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
    advice = DYNAMODB_ADVICE.get(error.code)
    if advice or error.has_response:
        advice = advice or "The next run continues; if it lasts, check the AWS Health Dashboard for DynamoDB."
        return StoreError(f"DynamoDB refused a request ({error.code}). {advice}")
    return StoreError(f"DynamoDB could not be reached ({error.code}). Check credentials, region and network.")


def read_secret(name: str) -> str:
    """Read the text of a secret, empty if it has no value yet. Nothing is cached. Raises: AwsError."""
    try:
        with map_aws_errors():
            text: str = client("secretsmanager").get_secret_value(SecretId=name).get("SecretString", "")
    except AwsError as error:
        if error.has_no_value:
            return ""
        raise
    return text


def client(service: AwsService) -> Any:
    """The client for a service: one per OS process, created by the first thread that needs it."""
    with _client_lock:
        return _create_client(service)


@cache
def _create_client(service: AwsService) -> Any:
    import boto3  # imported here: it lengthens a cold start by a tenth

    config = Config(**CLIENT_OPTIONS[service])
    if service != "s3":
        return boto3.client(service, config=config)
    import botocore.session

    session = botocore.session.get_session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_parse_timestamp)
    has_custom_endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not has_custom_endpoint:  # the global hostname serves neither newer regions nor, for a day, a new bucket
        config = config.merge(Config(s3={"addressing_style": "virtual"}))
    return boto3.Session(botocore_session=session).client("s3", config=config)


def _parse_timestamp(text: str) -> datetime:
    """Parse a time in an S3 response.

    botocore's parser, half the cost of listing a bucket, is only used for the format in headers.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        from botocore.utils import parse_timestamp

        return parse_timestamp(text)  # type: ignore[no-any-return]
