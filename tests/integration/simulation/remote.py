"""Where the remote calls of the actors go: to moto's backends, in this process, one at a time and without a socket.

An actor stands before each of them. Here, too, its answers get lost and it dies.
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
from tests.integration.simulation.actors import Call, Go, current

SERVICES = {"DynamoDB_20120810": "dynamodb", "secretsmanager": "secretsmanager", "AWSEvents": "events"}
"""By the first part of a request's target; S3 has none."""

WRITES = ("PutItem", "UpdateItem", "BatchWriteItem", "PutEvents", "PUT")

_moto = BotocoreStubber()


class Remote:
    """Takes the place of botocore's connections. `invoked` is called when a function is to be started."""

    def __init__(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        self._stack = stack
        self.invoked: Any = lambda: None
        monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", lambda _, request: self._send(request))
        monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
        # what one example used up of it would be missing in the next
        monkeypatch.setattr("botocore.retries.quota.RetryQuota.acquire", lambda *_: True)

    def _send(self, request: AWSPreparedRequest) -> AWSResponse:
        actor = current()
        if actor is None:
            return self._answer(request)
        what = _what(request)
        how = actor.stand(Call(what, changes=what.endswith(WRITES)))
        if how is Go.REQUEST_LOST:
            raise ConnectionClosedError(endpoint_url=request.url)
        answer = self._answer(request)
        if how is Go.DIE_AFTER:
            actor.die()
        if how is Go.ANSWER_LOST:
            raise ConnectionClosedError(endpoint_url=request.url)
        return answer

    def _answer(self, request: AWSPreparedRequest) -> AWSResponse:
        service = _service(request)
        if service == "lambda":
            self.invoked()
            return _response(request, HTTPStatus.ACCEPTED, {}, b"")
        url = urlsplit(request.url)
        address = urlunsplit(url._replace(scheme="https", netloc=f"{service}.{self._stack.region}.amazonaws.com"))
        asked = AWSPreparedRequest(request.method, address, request.headers, request.body, request.stream_output)
        answer = _moto.process_request(asked)
        assert answer is not None
        return _response(request, *answer)

    # moto's tables and buckets, directly ------------------------------------------------------------------------------

    def table(self, logical_id: str) -> list[dict[str, Any]]:
        """Every item of a table, as DynamoDB would write it."""
        items = self._items(logical_id).values()
        rows = [each for item in items for each in (item.values() if isinstance(item, dict) else [item])]
        return [row.to_json()["Attributes"] for row in rows]

    def bucket(self, logical_id: str) -> Any:
        """The objects of a bucket by their keys."""
        return self._backend("s3", "aws").buckets[self._stack.buckets[logical_id]].keys

    def put(self, logical_id: str, key: str, size: int) -> None:
        """Puts an object into a bucket."""
        self._backend("s3", "aws").put_object(self._stack.buckets[logical_id], key, bytes(size))

    def empty(self) -> None:
        """Empties all tables and buckets."""
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
    answer = AWSResponse(request.url, status, headers, MockRawResponse(body))
    if not request.stream_output:
        _ = answer.content  # read at once, as botocore does
    return answer


def _target(request: AWSPreparedRequest) -> str:
    target = request.headers.get("X-Amz-Target", "")
    return target.decode() if isinstance(target, bytes) else target


def _service(request: AWSPreparedRequest) -> str:
    if urlsplit(request.url).path.startswith("/2015-03-31/functions/"):
        return "lambda"
    return SERVICES.get(_target(request).partition(".")[0], "s3")


def _what(request: AWSPreparedRequest) -> str:
    return f"{_service(request)} {_target(request).rpartition('.')[2] or request.method}"
