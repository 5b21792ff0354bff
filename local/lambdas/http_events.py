"""Converts HTTP requests to events of an API Gateway HTTP API (payload format 2.0), and results to HTTP responses.

Follows https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from werkzeug.wrappers import Request, Response

API_ID = "local"
_TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")
"""Types that API Gateway passes on as text; everything else, including forms, is in base64."""
_STATUSES = range(100, 600)


def request_to_event(request: Request, now: datetime, account_id: str) -> dict[str, Any]:
    """Build the event that API Gateway would send for a request to the `$default` route and stage."""
    host = request.host.rpartition(":")[0] if ":" in request.host else request.host
    source_ip = request.remote_addr or ""
    headers = {name.lower(): value for name, value in request.headers.items() if name.lower() != "cookie"}
    headers |= {
        "x-amzn-trace-id": f"Root=1-{int(now.timestamp()):08x}-{uuid.uuid4().hex[:24]}",
        "x-forwarded-for": source_ip,
        "x-forwarded-port": str(request.environ["SERVER_PORT"]),
        "x-forwarded-proto": request.scheme,
    }
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        # decoded, as in API Gateway
        "rawPath": request.path,
        "rawQueryString": request.query_string.decode("latin-1"),
        "headers": headers,
        "requestContext": {
            "accountId": account_id,
            "apiId": API_ID,
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": request.environ["SERVER_PROTOCOL"],
                "sourceIp": source_ip,
                "userAgent": request.headers.get("User-Agent", ""),
            },
            "requestId": uuid.uuid4().hex[:16],
            "routeKey": "$default",
            "stage": "$default",
            "time": now.astimezone(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies := [cookie.strip() for cookie in request.headers.get("Cookie", "").split(";") if cookie.strip()]:
        event["cookies"] = cookies
    if request.args:
        event["queryStringParameters"] = {name: ",".join(values) for name, values in request.args.lists()}
    if body := request.get_data():
        event["body"], event["isBase64Encoded"] = _body(body, request.content_type or "")
    return event


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    if content_type.lower().startswith(_TEXT_TYPES):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def payload_to_response(payload: Any) -> Response | None:
    """Convert a function's payload to the HTTP response; None if it is malformed.

    Without a `statusCode`, the payload itself is the JSON body.
    """
    if not isinstance(payload, Mapping) or "statusCode" not in payload:
        body = payload if isinstance(payload, str) else json.dumps(payload)
        return Response(body, 200, content_type="application/json")
    try:
        status = int(payload["statusCode"])
        body = payload.get("body") or ""
        content: bytes = base64.b64decode(body, validate=True) if payload.get("isBase64Encoded") else body.encode()
        headers = [(str(name), _header_value(value)) for name, value in (payload.get("headers") or {}).items()]
        headers += [("set-cookie", str(cookie)) for cookie in payload.get("cookies") or []]
    except (TypeError, ValueError, AttributeError):
        return None
    if status not in _STATUSES:
        return None
    response = Response(content, status, content_type="text/plain;charset=utf-8")
    for name, value in headers:
        # the server sets content-length itself, and a second content-type would contradict the first
        if name.lower() == "content-type":
            response.headers["content-type"] = value
        elif name.lower() != "content-length":
            response.headers.add(name, value)
    return response


def _header_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
