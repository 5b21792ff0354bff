"""Sends the actors' AWS requests to moto's backends in this process, one at a time and without a socket.

An actor pauses before each request. Lost requests, lost responses and crashes are simulated here.
"""

from http import HTTPStatus
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError
from moto.backends import get_backend
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse

from local.cloud.stack import Stack
from tests.integration.simulation.actors import Fault, PausePoint, current_actor

SERVICES = {"DynamoDB_20120810": "dynamodb", "secretsmanager": "secretsmanager", "AWSEvents": "events"}
"""By the first part of the X-Amz-Target header, which S3 requests do not have."""

WRITES = ("PutItem", "UpdateItem", "BatchWriteItem", "PutEvents", "PUT")

_moto = BotocoreStubber()


class InProcessAws:
    """Replaces botocore's connections. `on_invoke` is called for each request to invoke a function."""

    def __init__(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        self._stack = stack
        self.on_invoke: Any = lambda: None
        monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", lambda _, request: self._send(request))
        monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
        # otherwise an example would start with what previous ones left of the quota
        monkeypatch.setattr("botocore.retries.quota.RetryQuota.acquire", lambda *_: True)

    def _send(self, request: AWSPreparedRequest) -> AWSResponse:
        actor = current_actor()
        if actor is None:
            return self._respond(request)
        name = _describe(request)
        fault = actor.pause(PausePoint(name, is_write=name.endswith(WRITES)))
        if fault is Fault.REQUEST_LOST:
            raise ConnectionClosedError(endpoint_url=request.url)
        response = self._respond(request)
        if fault is Fault.CRASH_AFTER:
            actor.crash()
        if fault is Fault.RESPONSE_LOST:
            raise ConnectionClosedError(endpoint_url=request.url)
        return response

    def _respond(self, request: AWSPreparedRequest) -> AWSResponse:
        service = _service(request)
        if service == "lambda":
            self.on_invoke()
            return _response(request, HTTPStatus.ACCEPTED, {}, b"")
        url = urlsplit(request.url)
        address = urlunsplit(url._replace(scheme="https", netloc=f"{service}.{self._stack.region}.amazonaws.com"))
        aws_request = AWSPreparedRequest(request.method, address, request.headers, request.body, request.stream_output)
        response = _moto.process_request(aws_request)
        assert response is not None
        return _response(request, *response)

    # direct access to moto's tables and buckets -----------------------------------------------------------------------

    def table(self, logical_id: str) -> list[dict[str, Any]]:
        """Return every item of a table in DynamoDB's JSON."""
        items = self._items(logical_id).values()
        rows = [row for item in items for row in (item.values() if isinstance(item, dict) else [item])]
        return [row.to_json()["Attributes"] for row in rows]

    def bucket(self, logical_id: str) -> Any:
        """Return the objects of a bucket by key."""
        return self._backend("s3", "aws").buckets[self._stack.buckets[logical_id]].keys

    def put(self, logical_id: str, key: str, size: int) -> None:
        """Put an object of this size into a bucket."""
        self._backend("s3", "aws").put_object(self._stack.buckets[logical_id], key, bytes(size))

    def empty(self) -> None:
        """Empty all tables and buckets."""
        for logical_id in self._stack.tables:
            self._items(logical_id).clear()
        for logical_id in self._stack.buckets:
            bucket = self.bucket(logical_id)
            for key in list(bucket):
                bucket.pop(key)

    def _items(self, logical_id: str) -> Any:
        return self._backend("dynamodb", self._stack.region).tables[self._stack.tables[logical_id]].items

    def _backend(self, service: Any, region: str) -> Any:
        return get_backend(service)[self._stack.account_id][region]


def _response(request: AWSPreparedRequest, status: int, headers: Any, body: Any) -> AWSResponse:
    response = AWSResponse(request.url, status, headers, MockRawResponse(body))
    if not request.stream_output:
        _ = response.content  # botocore reads it immediately, too
    return response


def _target(request: AWSPreparedRequest) -> str:
    target = request.headers.get("X-Amz-Target", "")
    return target.decode() if isinstance(target, bytes) else target


def _service(request: AWSPreparedRequest) -> str:
    if urlsplit(request.url).path.startswith("/2015-03-31/functions/"):
        return "lambda"
    return SERVICES.get(_target(request).partition(".")[0], "s3")


def _describe(request: AWSPreparedRequest) -> str:
    return f"{_service(request)} {_target(request).rpartition('.')[2] or request.method}"
