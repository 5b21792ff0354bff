"""The bearer key on everything below /api: one of several named ones, compared in constant time."""

import hmac
import time
from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError

from callscribe.errors import ConfigurationError
from functions.api.errors import ApiError
from functions.api.settings import settings

KEY_CACHE_SECONDS = 60
"""How long a removed key may still be good."""

REFRESH_SECONDS = 5
"""So long after the secret was read, a key that is not in it is refused without reading it again: a new key is good at
once, and who guesses keys does not run up the costs of Secrets Manager."""

UNAUTHORIZED = ApiError(
    HTTPStatus.UNAUTHORIZED,
    "unauthorized",
    "Send a valid API key in the header: Authorization: Bearer KEY. The key is in the stack's API-key secret.",
    headers={"WWW-Authenticate": "Bearer"},
)
"""One answer for no key and a wrong one: it tells nothing about the right one."""

_read_at: dict[str, float] = {}
"""When each secret was last read, by its name and the clock that never goes back."""


def is_guarded(event: Mapping[str, Any]) -> bool:
    """Whether a request wants a key: everything below /api does, whether the route exists or not."""
    path = event["rawPath"]
    return bool(path == "/api" or path.startswith("/api/"))


def require_key(event: Mapping[str, Any]) -> str:
    """The name of the key that the request holds.

    Raises ApiError 401 without a good key, ConfigurationError when there is none to compare with.
    """
    # API Gateway sends header names in small letters, `sam local` with a capital
    headers = event.get("headers") or {}
    authorization = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    scheme, _, key = authorization.partition(" ")
    given = key.strip() if scheme.lower() == "bearer" else ""
    name = _name_of(given, keys()) or _name_of(given, keys(anew=True))
    if name is None:
        raise UNAUTHORIZED
    return name


def _name_of(given: str, known: Mapping[str, str]) -> str | None:
    """The name of this key; all are compared, as digests, so that time tells neither how much fits nor of which."""
    digest = _digest(given)
    names = [name for name, key in known.items() if hmac.compare_digest(digest, _digest(key))]
    return names[0] if names else None


def _digest(key: str) -> bytes:
    return sha256(key.encode(errors="replace")).digest()


def keys(*, anew: bool = False) -> dict[str, str]:
    """Every key of the secret, by name: a new one is added before an old one goes.

    `anew`: as they are now, unless they were read a moment ago. Raises ConfigurationError.
    """
    secret_id = settings().api_key_secret
    age = time.monotonic() - _read_at.get(secret_id, -KEY_CACHE_SECONDS)
    fetch = age >= (REFRESH_SECONDS if anew else KEY_CACHE_SECONDS)
    try:
        secret: Any = parameters.get_secret(
            secret_id, transform="json", max_age=2 * KEY_CACHE_SECONDS, force_fetch=fetch
        )
        known = {name: key for name, key in secret.items() if isinstance(key, str) and key}
    except (GetParameterError, TransformParameterError, AttributeError) as error:
        # the cause may quote the secret: it goes into no message and no log
        raise ConfigurationError(f"The API-key secret cannot be read ({type(error).__name__}).") from None
    if fetch:
        _read_at[secret_id] = time.monotonic()
    if not known:
        raise ConfigurationError('The API-key secret holds no key. It must be a JSON object like {"default": "KEY"}.')
    return known
