"""The key of the WhisperX server in Secrets Manager, as the API sets it. Nothing here gives it out."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from callscribe import aws
from callscribe.errors import StoreError
from functions.api.settings import settings

KEY_FIELD, SERVER_FIELD = "apiKey", "server"
"""What the key is called in the secret, a JSON object, and the server that it is for."""


@contextmanager
def replaced_key(key: str | None, server: str) -> Iterator[None]:
    """Sets the key, if one is given, before what is done inside; should that fail, the former is put back.

    With it stands the `server` that it is for: whatever two who change settings at once do to each other, process sends
    it to no other. An empty one means that none is sent. Raises StoreError, which quotes nothing. Who dies in between
    leaves the new key with the former settings: whoever asked had no answer, and sets both again.
    """
    if key is None:
        yield
        return
    previous_secret, secret = _read_secret(), json.dumps({KEY_FIELD: key, SERVER_FIELD: server})
    _write_secret(secret, "take the key, and nothing was changed")
    try:
        yield
    except BaseException:
        with suppress(StoreError):  # what went wrong first is what is told
            if _read_secret() == secret:  # nobody else has set another meanwhile
                _write_secret(previous_secret, "take the former key back")
        raise


def is_set() -> bool:
    """Whether there is a key. Raises StoreError."""
    try:
        return bool(json.loads(_read_secret())[KEY_FIELD])
    except (ValueError, KeyError, TypeError):  # somebody wrote something else; the runs of process say so
        return False


def _read_secret() -> str:
    with _secret_errors("tell whether there is a key"):
        secret: str = (
            aws.client("secretsmanager").get_secret_value(SecretId=settings().whisperx_secret).get("SecretString", "")
        )
    return secret


def _write_secret(secret: str, action: str) -> None:
    with _secret_errors(action):
        aws.client("secretsmanager").put_secret_value(SecretId=settings().whisperx_secret, SecretString=secret)


@contextmanager
def _secret_errors(action: str) -> Iterator[None]:
    try:
        with aws.map_aws_errors():
            yield
    except aws.AwsError as error:
        # no cause: botocore's message about a wrong parameter quotes it, and here it is the secret
        raise StoreError(f"Secrets Manager did not {action} ({error.code}). Try again.") from None
