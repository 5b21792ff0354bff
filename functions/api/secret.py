"""The key of the WhisperX server in Secrets Manager, as the API sets it. Nothing here gives it out."""

import json
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from callscribe.errors import StoreError
from functions.api.settings import settings

NAME = "apiKey"
"""What the key is called in the secret, a JSON object."""


@cache
def _client() -> Any:
    import boto3  # here, for it costs a cold start a tenth

    config = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard"})
    return boto3.client("secretsmanager", config=config)


def write(key: str) -> None:
    """Sets the key; an empty one means that none is sent. Raises StoreError, which quotes nothing."""
    try:
        _client().put_secret_value(SecretId=settings().whisperx_secret, SecretString=json.dumps({NAME: key}))
    except (ClientError, BotoCoreError) as error:
        raise _trouble(error, "take the key, and nothing was changed") from None


def is_set() -> bool:
    """Whether there is a key. Raises StoreError."""
    try:
        secret = _client().get_secret_value(SecretId=settings().whisperx_secret)["SecretString"]
        return bool(json.loads(secret)[NAME])
    except (ValueError, KeyError, TypeError):  # somebody wrote something else; the runs of process say so
        return False
    except (ClientError, BotoCoreError) as error:
        raise _trouble(error, "tell whether there is a key") from None


def _trouble(error: Exception, what: str) -> StoreError:
    why = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    return StoreError(f"Secrets Manager did not {what} ({why}). Try again.")
