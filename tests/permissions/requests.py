"""Derives the permission that a signed AWS request needs: the function that signed it, the action and the resource.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

from tests.permissions.granted import EXTERNAL_BUCKET, logical_id, named_arn

_BY_HEADER = re.compile(r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d+/[^/]+/(?P<service>[^/]+)/aws4_request")
_BY_URL = re.compile(r"(?P<key>[^/]+)/\d+/[^/]+/(?P<service>[^/]+)/aws4_request")


class UsedPermission(NamedTuple):
    """A permission that was used. `function` is a logical id; `resource` is an ARN with logical ids as names."""

    function: str
    action: str
    resource: str


class UnknownRequestError(Exception):
    """This module does not know which permission the request needs."""


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is decoded; `target` is the header X-Amz-Target; `copies` says whether X-Amz-Copy-Source is set.

    `body` is empty if the permission does not depend on it.
    """

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    target: str = ""
    copies: bool = False
    body: bytes = b""


def find_signer(authorization: str, query: str) -> tuple[str, str] | None:
    """Return the access key that signed a request, in its header or URL, and the service; None if it is not signed."""
    if match := _BY_HEADER.match(authorization):
        return match["key"], match["service"]
    if "X-Amz-Credential" in query:
        match = _BY_URL.fullmatch(parse_qs(query)["X-Amz-Credential"][0])
        return (match["key"], match["service"]) if match else None
    return None


def required_permissions(service: str, request: Request, status: int) -> set[tuple[str, str]]:
    """Return the actions and ARNs that a request needs. `status` is that of the response.

    Of an object's key, the ARN contains only the first folder.

    Raises: UnknownRequestError, when the request is not one of those that the functions make.
    """
    if service not in _SERVICES:
        raise UnknownRequestError(f"{service}: {request.method} {request.path}")
    needed = set(_SERVICES[service](request))
    if status == HTTPStatus.NOT_FOUND and "X-Amz-Signature" not in request.query:
        # without permission to list the bucket, S3 responds with 403 instead of 404 for a missing object; for a client
        # that follows a presigned URL this makes no difference
        requested = [arn for action, arn in needed if action == "s3:GetObject"]
        needed |= {("s3:ListBucket", arn.partition("/")[0]) for arn in requested}
    return needed


# services with one operation per request, which X-Amz-Target names ----------------------------------------------------

_ON_ONE_TABLE = ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "DescribeTable")
_ON_TABLES = ("BatchGetItem", "BatchWriteItem")


def _dynamodb(request: Request) -> Iterator[tuple[str, str]]:
    operation, body = _operation(request), json.loads(request.body)
    if operation in _ON_ONE_TABLE:
        index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
        tables = [body["TableName"] + index]
    elif operation in _ON_TABLES:
        tables = list(body["RequestItems"])
    else:
        raise UnknownRequestError(f"dynamodb: {operation}")
    for table in tables:
        name, slash, rest = table.partition("/")
        yield f"dynamodb:{operation}", named_arn("dynamodb", f"table/{logical_id(name)}{slash}{rest}")


def _secretsmanager(request: Request) -> Iterator[tuple[str, str]]:
    secret = json.loads(request.body)["SecretId"].rpartition(":")[2]
    yield f"secretsmanager:{_operation(request)}", named_arn("secretsmanager", f"secret:{logical_id(secret)}")


def _events(request: Request) -> Iterator[tuple[str, str]]:
    if (operation := _operation(request)) != "PutEvents":
        raise UnknownRequestError(f"events: {operation}")
    for entry in json.loads(request.body)["Entries"]:
        yield "events:PutEvents", named_arn("events", f"event-bus/{entry.get('EventBusName', 'default')}")


def _lambda(request: Request) -> Iterator[tuple[str, str]]:
    invoked = re.fullmatch(r"/2015-03-31/functions/(?P<name>[^/]+)/invocations", request.path)
    if request.method != "POST" or not invoked:
        raise UnknownRequestError(f"lambda: {request.method} {request.path}")
    name = invoked["name"].rpartition(":")[2]
    yield "lambda:InvokeFunction", named_arn("lambda", f"function:{logical_id(name)}")


def _operation(request: Request) -> str:
    return request.target.rpartition(".")[2]


# S3: by method, by whether the path names an object, and by the rest of the query -------------------------------------

_IRRELEVANT = re.compile(
    r"(?i)(x-amz-|response-).+|x-id|list-type|prefix|delimiter|max-keys|start-after|continuation-token|encoding-type"
)
"""Query parameters that do not change the permission."""

_S3 = {
    ("HEAD", "object", ""): "s3:GetObject",
    ("GET", "object", ""): "s3:GetObject",
    ("PUT", "object", ""): "s3:PutObject",
    ("DELETE", "object", ""): "s3:DeleteObject",
    ("POST", "bucket", "delete"): "s3:DeleteObject",
    ("HEAD", "bucket", ""): "s3:ListBucket",
    ("GET", "bucket", ""): "s3:ListBucket",
}


def _s3(request: Request) -> Iterator[tuple[str, str]]:
    bucket, _, key = request.path.removeprefix("/").partition("/")
    operation = " ".join(sorted(name for name in request.query if not _IRRELEVANT.fullmatch(name)))
    action = _S3.get((request.method, "object" if key else "bucket", operation))
    if action is None or request.copies:
        raise UnknownRequestError(f"s3: {request.method} {'object' if key else 'bucket'} {operation}")
    arn = f"arn:aws:s3:::{logical_id(bucket, otherwise=EXTERNAL_BUCKET)}"
    if action == "s3:ListBucket":
        yield action, arn
    for name in _deleted(request.body) if operation == "delete" else [key] if key else ():
        folder, slash, _ = name.partition("/")
        yield action, f"{arn}/{folder + slash if slash else ''}…"


def _deleted(body: bytes) -> list[str]:
    return [element.text or "" for element in ET.fromstring(body).iterfind(".//{*}Key")]


_SERVICES: Mapping[str, Callable[[Request], Iterator[tuple[str, str]]]] = {
    "dynamodb": _dynamodb,
    "secretsmanager": _secretsmanager,
    "events": _events,
    "lambda": _lambda,
    "s3": _s3,
}
