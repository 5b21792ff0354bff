"""What goes with every answer: headers that keep browsers out of trouble, CORS where it is set, the request's id."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import CORSConfig

from functions.api.compression import compress_response

SECURITY_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}
"""Unless the route says otherwise. What is answered is data: it is neither run, framed nor kept."""

ALLOWED_METHODS = "DELETE, GET, POST, PUT"
EXPOSED_HEADERS = ["Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "X-Request-Id"]
PREFLIGHT_CACHE_SECONDS = 600


def request_id(event: Mapping[str, Any]) -> str:
    """API Gateway's own."""
    return str(event["requestContext"].get("requestId", ""))


def preflight_response(event: Mapping[str, Any], origins: str) -> dict[str, Any] | None:
    """The answer to a browser that asks beforehand whether it may; None for anything else."""
    is_preflight = event["requestContext"]["http"]["method"] == "OPTIONS"
    if not is_preflight or "Access-Control-Allow-Origin" not in build_cors_headers(event, origins):
        return None
    return {
        "statusCode": HTTPStatus.NO_CONTENT,
        "headers": {"Access-Control-Allow-Methods": ALLOWED_METHODS},
        "body": "",
    }


def request_header(event: Mapping[str, Any], name: str) -> str:
    """A header of the request. API Gateway has their names in small letters, `sam local` with a capital."""
    return next((value for each, value in (event.get("headers") or {}).items() if each.lower() == name), "")


def build_cors_headers(event: Mapping[str, Any], origins: str) -> dict[str, str]:
    """The headers for this request's origin, if it is one of `origins`, which are parted by spaces."""
    if not origins:
        return {}
    cors_config = CORSConfig(
        "", origins.split(), ["If-None-Match", "If-Range", "Range"], EXPOSED_HEADERS, max_age=PREFLIGHT_CACHE_SECONDS
    )
    return {**cors_config.to_dict(request_header(event, "origin") or None), "Vary": "Origin"}


def finalize(
    response: dict[str, Any], event: Mapping[str, Any], origins: str, *, is_signed_link: bool
) -> dict[str, Any]:
    """The answer with all of them, an error with the request's id, and text compressed.

    What was `linked` may be played by any page.
    """
    correlation_id, route_headers = request_id(event), response.get("headers") or {}
    headers = {**SECURITY_HEADERS, "X-Request-Id": correlation_id}
    cors_headers = build_cors_headers(event, origins)
    if is_signed_link or "Access-Control-Allow-Origin" in cors_headers:
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    vary = ", ".join(each for each in (route_headers.pop("Vary", ""), cors_headers.pop("Vary", "")) if each)
    headers |= {**cors_headers, **route_headers} | ({"Vary": vary} if vary else {})
    response = {**response, "headers": headers}
    if response["statusCode"] >= HTTPStatus.BAD_REQUEST:
        error_body = json.loads(response["body"])
        error_body["error"]["requestId"] = correlation_id
        response["body"] = json.dumps(error_body, ensure_ascii=False)
    return compress_response(response, request_header(event, "accept-encoding"))
