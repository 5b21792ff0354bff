"""The bearer key on everything below /api: compared in constant time with each key in the secret."""

import hmac
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError

from callscribe.errors import ConfigurationError
from functions.api.errors import ApiError
from functions.api.settings import settings

KEY_CACHE_SECONDS = 60
"""How long a removed key is still good, and a new one not yet."""

UNAUTHORIZED = ApiError(
    HTTPStatus.UNAUTHORIZED,
    "unauthorized",
    "Send a valid API key in the header: Authorization: Bearer KEY. The key is in the stack's API-key secret.",
    headers={"WWW-Authenticate": "Bearer"},
)
"""One answer for no key and a wrong one: it tells nothing about the right one."""


def is_guarded(event: Mapping[str, Any]) -> bool:
    """Whether a request wants a key: everything below /api does, whether the route exists or not."""
    path = event["rawPath"]
    return bool(path == "/api" or path.startswith("/api/"))


def require_key(event: Mapping[str, Any]) -> None:
    """Raises ApiError 401 for a request without a good key, ConfigurationError when there is none to compare with."""
    if not _holds_key(event.get("headers") or {}):
        raise UNAUTHORIZED


def _holds_key(headers: Mapping[str, str]) -> bool:
    # API Gateway sends header names in small letters, `sam local` with a capital
    authorization = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    scheme, _, key = authorization.partition(" ")
    given = key.strip().encode(errors="replace")
    matches = [hmac.compare_digest(given, known.encode()) for known in _keys()]
    return scheme.lower() == "bearer" and any(matches)


def _keys() -> list[str]:
    """Every key of the secret, a JSON object of names and keys: a new one is added before an old one goes."""
    try:
        secret: Any = parameters.get_secret(settings().api_key_secret, transform="json", max_age=KEY_CACHE_SECONDS)
        keys = [key for key in secret.values() if isinstance(key, str) and key]
    except (GetParameterError, TransformParameterError, AttributeError) as error:
        # the cause may quote the secret: it goes into no message and no log
        raise ConfigurationError(f"The API-key secret cannot be read ({type(error).__name__}).") from None
    if not keys:
        raise ConfigurationError('The API-key secret holds no key. It must be a JSON object like {"default": "KEY"}.')
    return keys
