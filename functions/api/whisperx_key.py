"""The key of the WhisperX server in Secrets Manager, as the API sets it. Nothing here gives it out."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from callscribe.errors import StoreError
from functions.api.settings import settings

KEY_FIELD, SERVER_FIELD = "apiKey", "server"
"""What the key is called in the secret, a JSON object, and the server that it is for."""


@cache
def _secrets_client() -> Any:
    import boto3  # here, for it costs a cold start a tenth

    config = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard"})
    return boto3.client("secretsmanager", config=config)


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
    try:
        secret: str = _secrets_client().get_secret_value(SecretId=settings().whisperx_secret).get("SecretString", "")
    except (ClientError, BotoCoreError) as error:
        raise _to_store_error(error, "tell whether there is a key") from None
    return secret


def _write_secret(secret: str, action: str) -> None:
    try:
        _secrets_client().put_secret_value(SecretId=settings().whisperx_secret, SecretString=secret)
    except (ClientError, BotoCoreError) as error:
        raise _to_store_error(error, action) from None


def _to_store_error(error: Exception, action: str) -> StoreError:
    reason = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    return StoreError(f"Secrets Manager did not {action} ({reason}). Try again.")
