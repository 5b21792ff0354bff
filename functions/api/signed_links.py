"""Addresses of audio that want no header: a player in a browser can send none. They are signed, and soon expire.

The signature is made with the key of who asks for it, and good as long as that key is: who takes a key away, takes its
links.
"""

import hmac
import re
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from functions.api import auth

LIFETIME_SECONDS = 3600
"""How long a link is good: a long call, listened to with pauses."""

AUDIO_PATH = re.compile("/api/call-recordings/([a-z2-7]{20})/audio")


def sign(recording_id: str, key_name: str) -> tuple[str, int]:
    """The link to the audio of this recording, relative to the API, and the Unix time when it expires.

    `key_name` is that of the key which was asked with. Raises ApiError 401 if it was taken away this moment.
    """
    expires = int(time.time()) + LIFETIME_SECONDS
    key = auth.load_keys().get(key_name)
    if key is None:
        raise auth.UNAUTHORIZED
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
    return _is_signed_by_any(*signed_fields, auth.load_keys()) or _is_signed_by_any(
        *signed_fields, auth.load_keys(refresh=True)
    )  # one that was added a moment ago


def _is_signed_by_any(signature: str, recording_id: str, expires: int, valid_keys: Mapping[str, str]) -> bool:
    """Whether it is one of these keys' signatures; all are compared, whichever fits."""
    valid_signatures = [_signature(key, recording_id, expires).encode() for key in valid_keys.values()]
    return any([hmac.compare_digest(signature.encode(errors="replace"), each) for each in valid_signatures])  # noqa: C419


def _signature(key: str, recording_id: str, expires: int) -> str:
    return hmac.new(key.encode(errors="replace"), f"audio {recording_id} {expires}".encode(), sha256).hexdigest()
