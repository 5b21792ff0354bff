"""The bearer key on everything below /api: compared in constant time with each key in the secret."""

import hmac
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError

from callscribe.errors import ConfigurationError
from functions.api.errors import ApiError, response
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


def require_key(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Response[Any]:
    """A middleware: lets a request below /api pass only with a key, whether its route exists or not."""
    path = app.current_event.path
    if (path == "/api" or path.startswith("/api/")) and not _holds_key(app.current_event.headers):
        return response(UNAUTHORIZED)
    return next_middleware(app)


def _holds_key(headers: dict[str, str]) -> bool:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    given = key.strip().encode()
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
