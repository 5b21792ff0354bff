"""Cursors of lists: where the next page begins, sealed so that nothing but what was given out comes back.

The seal is a digest over the position and the list it belongs to: it catches a cut, changed or mixed-up cursor. It is
no secret, for a cursor opens nothing that the key does not open.
"""

import binascii
import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from http import HTTPStatus
from typing import Any, TypeIs

from callscribe.store.recording_queries import Cursor
from functions.api.errors import ApiError

CHECKSUM_BYTES = 12


def encode(position: Cursor | None, scope: str) -> str | None:
    """The cursor for a list that is described by `of`; None on its last page."""
    if position is None:
        return None
    text = json.dumps(position, separators=(",", ":")).encode()
    return urlsafe_b64encode(_checksum(text, scope) + text).decode().rstrip("=")


def decode(cursor: str | None, scope: str) -> Cursor | None:
    """The position in a cursor. Raises ApiError 400 for one that was not given out for this list."""
    if cursor is None:
        return None
    try:
        data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):
        data = b""
    checksum, text = data[:CHECKSUM_BYTES], data[CHECKSUM_BYTES:]
    position = _parse_position(text)
    if position is None or checksum != _checksum(text, scope) or urlsafe_b64encode(data).decode().rstrip("=") != cursor:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            "invalid_cursor",
            "This cursor does not belong to this list. Send `nextCursor` as it was given, with the same filters, "
            "or begin again without a cursor.",
        )
    return position


def _parse_position(text: bytes) -> Cursor | None:
    """A key as DynamoDB writes it, `{"id": {"S": "…"}, …}`, or several by the index of each; None for anything else."""
    try:
        position: Cursor = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return (
        position
        if _is_key(position) or (_is_non_empty_dict(position) and all(map(_is_key, position.values())))
        else None
    )


def _is_key(value: object) -> bool:
    return _is_non_empty_dict(value) and all(
        isinstance(each, dict) and list(each) == ["S"] and isinstance(each["S"], str) for each in value.values()
    )


def _is_non_empty_dict(value: object) -> TypeIs[dict[str, Any]]:
    return isinstance(value, dict) and bool(value)


def _checksum(text: bytes, scope: str) -> bytes:
    return hashlib.sha256(scope.encode() + b"\0" + text).digest()[:CHECKSUM_BYTES]
