"""Which permission a signed request to AWS asks for: the function that signed it, the action, and on what.

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

from tests.permissions.granted import ANOTHER_BUCKET, logical_id, named_arn

_BY_HEADER = re.compile(r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d+/[^/]+/(?P<service>[^/]+)/aws4_request")
_BY_ADDRESS = re.compile(r"(?P<key>[^/]+)/\d+/[^/]+/(?P<service>[^/]+)/aws4_request")


class Call(NamedTuple):
    """A permission that was needed: `function` by its logical id, `resource` an ARN with logical ids for names."""

    function: str
    action: str
    resource: str


class UnknownRequestError(Exception):
    """It is not known here which permission such a request asks for."""


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is decoded; `target` is the header X-Amz-Target; `copies` says whether there is one that names a source.

    `body` is empty where the permission does not depend on it.
    """

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    target: str = ""
    copies: bool = False
    body: bytes = b""


def signed_by(authorization: str, query: str) -> tuple[str, str] | None:
    """The access key that signed a request, in its header or in its address, and the service; None if none did."""
    if found := _BY_HEADER.match(authorization):
        return found["key"], found["service"]
    if "X-Amz-Credential" in query:
        found = _BY_ADDRESS.fullmatch(parse_qs(query)["X-Amz-Credential"][0])
        return (found["key"], found["service"]) if found else None
    return None


def permissions(service: str, request: Request, status: int) -> set[tuple[str, str]]:
    """Actions, and the ARNs that they are on; `status` is that of the answer. Raises UnknownRequestError.

    Of the key of an object, only the first folder is kept.
    """
    if service not in _SERVICES:
        raise UnknownRequestError(f"{service}: {request.method} {request.path}")
    needed = set(_SERVICES[service](request))
    if status == HTTPStatus.NOT_FOUND and "X-Amz-Signature" not in request.query:
        # S3 says of an object that is not there, to who may not list the bucket, that it is forbidden; which is as good
        # an answer for who follows an address that was given out
        asked_for = [arn for action, arn in needed if action == "s3:GetObject"]
        needed |= {("s3:ListBucket", arn.partition("/")[0]) for arn in asked_for}
    return needed


# The services with one operation a request, which its target names --------------------------------------------------

_ON_ONE_TABLE = ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "DescribeTable")
_ON_TABLES = ("BatchGetItem", "BatchWriteItem")


def _dynamodb(request: Request) -> Iterator[tuple[str, str]]:
    operation, asked = _operation(request), json.loads(request.body)
    if operation in _ON_ONE_TABLE:
        index = f"/index/{asked['IndexName']}" if "IndexName" in asked else ""
        tables = [asked["TableName"] + index]
    elif operation in _ON_TABLES:
        tables = list(asked["RequestItems"])
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


# S3: by method, by whether an object is named, and by what else the query asks for ------------------------------------

_IN_PASSING = re.compile(
    r"(?i)(x-amz-|response-).+|x-id|list-type|prefix|delimiter|max-keys|start-after|continuation-token|encoding-type"
)
"""Parts of a query that change no permission."""

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
    wanted = " ".join(sorted(each for each in request.query if not _IN_PASSING.fullmatch(each)))
    action = _S3.get((request.method, "object" if key else "bucket", wanted))
    if action is None or request.copies:
        raise UnknownRequestError(f"s3: {request.method} {'object' if key else 'bucket'} {wanted}")
    arn = f"arn:aws:s3:::{logical_id(bucket, otherwise=ANOTHER_BUCKET)}"
    if action == "s3:ListBucket":
        yield action, arn
    for each in _deleted(request.body) if wanted == "delete" else [key] if key else ():
        folder, slash, _ = each.partition("/")
        yield action, f"{arn}/{folder + slash if slash else ''}…"


def _deleted(body: bytes) -> list[str]:
    return [each.text or "" for each in ET.fromstring(body).iterfind(".//{*}Key")]


_SERVICES: Mapping[str, Callable[[Request], Iterator[tuple[str, str]]]] = {
    "dynamodb": _dynamodb,
    "secretsmanager": _secretsmanager,
    "events": _events,
    "lambda": _lambda,
    "s3": _s3,
}
