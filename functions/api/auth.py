"""Who may use the API: bearer keys, and signed links to audio."""

import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from callscribe.errors import ConfigurationError
from callscribe.observability import logger
from functions.api.errors import ApiError
from functions.api.http_request import request_header
from functions.api.settings import settings

KEY_CACHE_SECONDS = 60
"""How long a removed key may still be good, as long as Secrets Manager answers."""

MIN_REFRESH_SECONDS = 1
"""So long after the secret was read, a key that is not in it is refused without reading it again: a new key is good at
once, and who guesses keys does not run up the costs of Secrets Manager."""

UNAUTHORIZED = ApiError(
    HTTPStatus.UNAUTHORIZED,
    "unauthorized",
    "Send a valid API key in the header: Authorization: Bearer KEY. The key is in the stack's API-key secret.",
    headers={"WWW-Authenticate": "Bearer"},
)
"""One answer for no key and a wrong one: it tells nothing about the right one."""

STALE_KEYS_SECONDS = 900
"""So long the keys of before are good where Secrets Manager does not answer: a hiccup of it is none of the API."""


@dataclass(slots=True)
class _CachedKeys:
    """The keys by their names; when they were read, and last asked for, by the clock that never goes back."""

    keys: dict[str, str]
    read_at: float
    requested_at: float


_cache: dict[str, _CachedKeys] = {}
"""By the secret's name."""


def is_guarded(event: Mapping[str, Any]) -> bool:
    """Whether a request wants a key: everything below /api does, whether the route exists or not."""
    path = event["rawPath"]
    return bool(path == "/api" or path.startswith("/api/"))


def require_key(event: Mapping[str, Any]) -> str:
    """The name of the key that the request holds.

    Raises ApiError 401 without a good key, ConfigurationError when there is none to compare with.
    """
    scheme, _, key = request_header(event, "authorization").partition(" ")
    presented_key = key.strip() if scheme.lower() == "bearer" else ""
    name = _find_key_name(presented_key, load_keys())
    if name is None and presented_key:
        name = _find_key_name(presented_key, load_keys(refresh=True))
    if name is None:
        raise UNAUTHORIZED
    return name


def _find_key_name(presented_key: str, valid_keys: Mapping[str, str]) -> str | None:
    """The name of this key; all are compared, as digests, so that time tells neither how much fits nor of which."""
    digest = _digest(presented_key)
    names = [name for name, key in valid_keys.items() if hmac.compare_digest(digest, _digest(key))]
    return names[0] if names else None


def _digest(key: str) -> bytes:
    return sha256(key.encode(errors="replace")).digest()


def load_keys(*, refresh: bool = False) -> dict[str, str]:
    """Every key of the secret, by name: a new one is added before an old one goes.

    `anew`: as they are now, unless they were asked for a moment ago. Raises ConfigurationError.
    """
    # here, for they bring boto3 along, which costs a cold start a tenth
    from aws_lambda_powertools.utilities import parameters
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError

    secret_id, now = settings().api_key_secret, time.monotonic()
    cached_keys = _cache.get(secret_id)
    if cached_keys and now - cached_keys.requested_at < (MIN_REFRESH_SECONDS if refresh else KEY_CACHE_SECONDS):
        return cached_keys.keys
    try:
        secret: Any = parameters.get_secret(secret_id, transform="json", force_fetch=True)
        loaded_keys = {name: key for name, key in secret.items() if isinstance(key, str) and key}
    except (GetParameterError, TransformParameterError, AttributeError) as error:
        if cached_keys and isinstance(error, GetParameterError) and now - cached_keys.read_at < STALE_KEYS_SECONDS:
            logger.warning("the API-key secret could not be read; the keys of before are good for now")
            cached_keys.requested_at = now
            return cached_keys.keys
        # the cause may quote the secret: it goes into no message and no log
        raise ConfigurationError(f"The API-key secret cannot be read ({type(error).__name__}).") from None
    if not loaded_keys:
        raise ConfigurationError('The API-key secret holds no key. It must be a JSON object like {"default": "KEY"}.')
    _cache[secret_id] = _CachedKeys(loaded_keys, now, now)
    return loaded_keys


LINK_LIFETIME_SECONDS = 3600
"""How long a link is good: a long call, listened to with pauses."""

AUDIO_PATH = re.compile("/api/call-recordings/([a-z2-7]{20})/audio")


def sign_audio_link(recording_id: str, key_name: str) -> tuple[str, int]:
    """The link to the audio of this recording, relative to the API, and the Unix time when it expires.

    `key_name` is that of the key which was asked with. Raises ApiError 401 if it was taken away this moment.
    """
    expires = int(time.time()) + LINK_LIFETIME_SECONDS
    key = load_keys().get(key_name)
    if key is None:
        raise UNAUTHORIZED
    query = urlencode({"expires": expires, "signature": _signature(key, recording_id, expires)})
    return f"/api/call-recordings/{recording_id}/audio?{query}", expires


def is_valid_link(event: Mapping[str, Any]) -> bool:
    """Whether the request is such a link that is still good. Raises ConfigurationError."""
    path_match = AUDIO_PATH.fullmatch(event["rawPath"])
    query = event.get("queryStringParameters") or {}
    expires, signature = query.get("expires", ""), query.get("signature", "")
    if not path_match or not signature or not re.fullmatch("[0-9]{1,12}", expires) or int(expires) < time.time():
        return False
    signed_fields = (signature, path_match[1], int(expires))
    return _is_signed_by_any(*signed_fields, load_keys()) or _is_signed_by_any(
        *signed_fields, load_keys(refresh=True)
    )  # one that was added a moment ago


def _is_signed_by_any(signature: str, recording_id: str, expires: int, valid_keys: Mapping[str, str]) -> bool:
    """Whether it is one of these keys' signatures; all are compared, whichever fits."""
    valid_signatures = [_signature(key, recording_id, expires).encode() for key in valid_keys.values()]
    return any([hmac.compare_digest(signature.encode(errors="replace"), each) for each in valid_signatures])  # noqa: C419


def _signature(key: str, recording_id: str, expires: int) -> str:
    return hmac.new(key.encode(errors="replace"), f"audio {recording_id} {expires}".encode(), sha256).hexdigest()
