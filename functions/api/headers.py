"""What goes with every answer: headers that keep browsers out of trouble, CORS where it is set, the request's id."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import CORSConfig

from functions.api.compression import compressed

SECURITY: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}
"""Unless the route says otherwise. What is answered is data: it is neither run, framed nor kept."""

METHODS = "DELETE, GET, POST, PUT"
EXPOSED = ["Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "X-Request-Id"]
PREFLIGHT_SECONDS = 600


def request_id(event: Mapping[str, Any]) -> str:
    """API Gateway's own."""
    return str(event["requestContext"].get("requestId", ""))


def preflight(event: Mapping[str, Any], origins: str) -> dict[str, Any] | None:
    """The answer to a browser that asks beforehand whether it may; None for anything else."""
    asks = event["requestContext"]["http"]["method"] == "OPTIONS"
    if not asks or "Access-Control-Allow-Origin" not in cors(event, origins):
        return None
    return {"statusCode": HTTPStatus.NO_CONTENT, "headers": {"Access-Control-Allow-Methods": METHODS}, "body": ""}


def sent(event: Mapping[str, Any], name: str) -> str:
    """A header of the request. API Gateway has their names in small letters, `sam local` with a capital."""
    return next((value for each, value in (event.get("headers") or {}).items() if each.lower() == name), "")


def cors(event: Mapping[str, Any], origins: str) -> dict[str, str]:
    """The headers for this request's origin, if it is one of `origins`, which are parted by spaces."""
    if not origins:
        return {}
    allowed = CORSConfig(
        "", origins.split(), ["If-None-Match", "If-Range", "Range"], EXPOSED, max_age=PREFLIGHT_SECONDS
    )
    return {**allowed.to_dict(sent(event, "origin") or None), "Vary": "Origin"}


def finished(answer: dict[str, Any], event: Mapping[str, Any], origins: str, *, linked: bool) -> dict[str, Any]:
    """The answer with all of them, an error with the request's id, and text compressed.

    What was `linked` may be played by any page.
    """
    identity, given = request_id(event), answer.get("headers") or {}
    headers = {**SECURITY, "X-Request-Id": identity}
    shared = cors(event, origins)
    if linked or "Access-Control-Allow-Origin" in shared:
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    vary = ", ".join(each for each in (given.pop("Vary", ""), shared.pop("Vary", "")) if each)
    headers |= {**shared, **given} | ({"Vary": vary} if vary else {})
    answer = {**answer, "headers": headers}
    if answer["statusCode"] >= HTTPStatus.BAD_REQUEST:
        document = json.loads(answer["body"])
        document["error"]["requestId"] = identity
        answer["body"] = json.dumps(document, ensure_ascii=False)
    return compressed(answer, sent(event, "accept-encoding"))
