"""Bodies as this API takes them: JSON, in UTF-8. Made sure of before the resolver sees the request."""

import base64
import binascii
import json
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import content_types

from functions.api.errors import ApiError

MAX_BODY_BYTES = 256 * 1024
"""Bytes. The largest that is meant, settings with 20 patterns, has some 10 kB."""

FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
"""What `curl -d` calls a body unless told otherwise. There are no forms here, so it is taken as JSON."""


def require_json_body(event: dict[str, Any]) -> dict[str, Any]:
    """The event with its body as text that is a JSON object; without a content type, where there is no body.

    Raises ApiError 413 for what is too large, 415 for another content type, 400 for what is no JSON object.
    """
    body = event.get("body")
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    content_type = headers.pop("content-type", "").partition(";")[0].strip().lower()
    if not body:
        return {**event, "headers": headers}
    if content_type not in ("", content_types.APPLICATION_JSON, FORM_CONTENT_TYPE):
        message = "Send the body as JSON, with the header Content-Type: application/json."
        raise ApiError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    try:
        content = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        if len(content) > MAX_BODY_BYTES:
            message = f"The body is larger than {MAX_BODY_BYTES // 1024} kB."
            raise ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", message)
        text = content.decode()
        is_object = isinstance(json.loads(text), dict)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", "The body is not JSON.") from error
    if not is_object:  # Powertools would take the first of a list
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_request", "The body must be a JSON object, such as {}.")
    headers["content-type"] = content_types.APPLICATION_JSON
    return {**event, "headers": headers, "body": text, "isBase64Encoded": False}
