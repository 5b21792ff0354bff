"""Authentication: named bearer keys for everything below /api, and signed links to audio."""

import hmac
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from callscribe import aws
from callscribe.aws import AwsError
from callscribe.errors import ConfigurationError
from callscribe.observability import logger
from functions.api.errors import ApiError
from functions.api.http_request import request_header
from functions.api.settings import settings

KEY_CACHE_SECONDS = 60
"""How long a removed key may still be accepted, as long as Secrets Manager responds."""

MIN_REFRESH_SECONDS = 1
"""An unknown key makes the secret be read again, so that a new key works immediately, but not again within this time: a
client that guesses keys cannot run up the cost of Secrets Manager."""

STALE_KEYS_SECONDS = 900
"""How long cached keys are accepted while Secrets Manager does not respond: its outage should not become the API's."""

LINK_LIFETIME_SECONDS = 3600
"""How long a link is valid: enough to listen to a long call with breaks."""

AUDIO_PATH = re.compile("/api/call-recordings/([a-z2-7]{20})/audio")


@dataclass(slots=True)
class _CachedKeys:
    """Keys by name; when they were read and when the secret was last requested, by the monotonic clock."""

    keys: dict[str, str] = field(repr=False)
    read_at: float
    requested_at: float


_cache: dict[str, _CachedKeys] = {}
"""By the secret's name."""


def is_guarded(event: Mapping[str, Any]) -> bool:
    """Whether the request needs a key: everything below /api does, even where no route exists."""
    path = event["rawPath"]
    return bool(path == "/api" or path.startswith("/api/"))


def require_key(event: Mapping[str, Any]) -> str:
    """Return the name of the request's key.

    Raises: ApiError 401, without a valid key; ConfigurationError, when the stack has no usable keys.
    """
    scheme, _, key = request_header(event, "authorization").partition(" ")
    presented_key = key.strip() if scheme.lower() == "bearer" else ""
    name = _find_key_name(presented_key, load_keys())
    if name is None and presented_key:
        name = _find_key_name(presented_key, load_keys(refresh=True))
    if name is None:
        raise _unauthorized()
    return name


def _unauthorized() -> ApiError:
    """Return the same error for a missing and a wrong key: it reveals nothing about valid ones."""
    return ApiError(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        "Send a valid API key in the header: Authorization: Bearer KEY. The key is in the stack's API-key secret. "
        "If this is a link to audio, it is no longer valid: request another one from the recording's audio-link.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _find_key_name(presented_key: str, valid_keys: Mapping[str, str]) -> str | None:
    """Return the name of this key. All keys are compared, as digests, so that timing reveals nothing about them."""
    digest = _digest(presented_key)
    names = [name for name, key in valid_keys.items() if hmac.compare_digest(digest, _digest(key))]
    return names[0] if names else None


def _digest(key: str) -> bytes:
    return sha256(key.encode(errors="replace")).digest()


def load_keys(*, refresh: bool = False) -> dict[str, str]:
    """Return all API keys by name. There are several so that a new key can be added before an old one is removed.

    With `refresh`, cached keys are used only if the secret was requested within MIN_REFRESH_SECONDS.

    Raises: ConfigurationError, when the secret cannot be read or contains no key.
    """
    secret_id, now = settings().api_key_secret, time.monotonic()
    cached_keys = _cache.get(secret_id)
    if cached_keys and now - cached_keys.requested_at < (MIN_REFRESH_SECONDS if refresh else KEY_CACHE_SECONDS):
        return cached_keys.keys
    try:
        secret = json.loads(aws.read_secret(secret_id))
        loaded_keys = {name: key for name, key in secret.items() if isinstance(key, str) and key}
    except AwsError as error:
        if cached_keys and now - cached_keys.read_at < STALE_KEYS_SECONDS:
            logger.warning("using cached API keys", reason="the API-key secret could not be read")
            cached_keys.requested_at = now
            return cached_keys.keys
        raise ConfigurationError(f"The API-key secret cannot be read ({error.code}).") from error
    except (ValueError, AttributeError):  # the cause may quote the secret, so it must not reach a message or the log
        raise ConfigurationError("The API-key secret is not a JSON object.") from None
    if not loaded_keys:
        raise ConfigurationError(
            'The API-key secret contains no key. It must be a JSON object like {"default": "KEY"}.'
        )
    _cache[secret_id] = _CachedKeys(loaded_keys, now, now)
    return loaded_keys


def sign_audio_link(recording_id: str, key_name: str) -> tuple[str, int]:
    """Return a link to the recording's audio, relative to the API, and the Unix time at which it expires.

    A player in a browser cannot send headers, so the link carries a signature instead. It is made with the client's
    key, named `key_name`, and is valid only as long as that key: removing the key revokes its links.

    Raises: ApiError 401, when the key was removed a moment ago; ConfigurationError, see `load_keys`.
    """
    expires = int(time.time()) + LINK_LIFETIME_SECONDS
    key = load_keys().get(key_name)
    if key is None:
        raise _unauthorized()
    query = urlencode({"expires": expires, "signature": _signature(key, recording_id, expires)})
    return f"/api/call-recordings/{recording_id}/audio?{query}", expires


def is_link(event: Mapping[str, Any]) -> bool:
    """Whether the request has the form of a signed link, valid or not."""
    query = event.get("queryStringParameters") or {}
    return AUDIO_PATH.fullmatch(event["rawPath"]) is not None and "signature" in query


def is_valid_link(event: Mapping[str, Any]) -> bool:
    """Whether the request is a signed link that has not expired. Raises: ConfigurationError, see `load_keys`."""
    path_match = AUDIO_PATH.fullmatch(event["rawPath"])
    query = event.get("queryStringParameters") or {}
    expires, signature = query.get("expires", ""), query.get("signature", "")
    if not path_match or not signature or not re.fullmatch("[0-9]{1,12}", expires) or int(expires) < time.time():
        return False
    signed_fields = (signature, path_match[1], int(expires))
    return _is_signed_by_any(*signed_fields, load_keys()) or _is_signed_by_any(
        *signed_fields, load_keys(refresh=True)
    )  # with a key that was added a moment ago


def _is_signed_by_any(signature: str, recording_id: str, expires: int, valid_keys: Mapping[str, str]) -> bool:
    """Whether one of these keys made the signature. All are compared, even after a match."""
    valid_signatures = [_signature(key, recording_id, expires).encode() for key in valid_keys.values()]
    return any([hmac.compare_digest(signature.encode(errors="replace"), valid) for valid in valid_signatures])  # noqa: C419


def _signature(key: str, recording_id: str, expires: int) -> str:
    return hmac.new(key.encode(errors="replace"), f"audio {recording_id} {expires}".encode(), sha256).hexdigest()
