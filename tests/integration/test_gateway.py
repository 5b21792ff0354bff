"""The local gateway: HTTP as by API Gateway, and the Lambda API that boto3 calls."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from local.cloud.client import aws_client
from local.http_server import HttpServer
from local.lambdas.gateway import MAX_BODY_BYTES, LocalGateway
from local.lambdas.pool import Lambdas
from testing.waiting import LIMIT_SECONDS
from tests.handlers.stack import tiny_stack


@pytest.fixture(scope="module")
def lambdas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambdas]:
    with Lambdas(tiny_stack("respond", "echo", "raising", "waiting"), tmp_path_factory.mktemp("state")) as running:
        yield running


@contextmanager
def served(lambdas: Lambdas, api: str) -> Iterator[str]:
    with closing(HttpServer()) as server:
        server.start(LocalGateway(lambdas, api))
        yield server.url


@pytest.fixture(scope="module")
def front(lambdas: Lambdas) -> Iterator[str]:
    with served(lambdas, "respond") as url:
        yield url


def answer_with(front: str, payload: Any) -> requests.Response:
    """Have the function return `payload`."""
    return requests.post(front, json=payload, timeout=LIMIT_SECONDS)


def test_a_request_becomes_an_event_of_payload_format_2(front: str) -> None:
    before = int(time.time() * 1000)
    event = requests.get(
        f"{front}/api/a%20b?x=1&x=2&empty=&q=a%2Bb",
        headers={"X-Custom": "One", "Cookie": "a=1; b=2", "User-Agent": "test"},
        timeout=LIMIT_SECONDS,
    ).json()
    headers, context = event.pop("headers"), event.pop("requestContext")
    assert event == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/api/a b",
        "rawQueryString": "x=1&x=2&empty=&q=a%2Bb",
        "queryStringParameters": {"x": "1,2", "empty": "", "q": "a+b"},
        "cookies": ["a=1", "b=2"],
        "isBase64Encoded": False,
    }
    assert {"x-custom": "One", "x-forwarded-proto": "http"}.items() <= headers.items()
    assert "cookie" not in headers
    http = {"method": "GET", "path": "/api/a b", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"}
    assert context["http"] == http
    assert (context["stage"], context["routeKey"], context["domainName"]) == ("$default", "$default", "127.0.0.1")
    assert before <= context["timeEpoch"] <= time.time() * 1000


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/octet-stream", b"\x00\xff"), ("application/json", b"\xff"), (None, b"abc")],
)
def test_what_is_not_text_arrives_in_base64(front: str, content_type: str | None, body: bytes) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    event = requests.put(front, data=body, headers=headers, timeout=LIMIT_SECONDS).json()
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == body


def test_status_headers_and_cookies_of_the_answer_are_kept(front: str) -> None:
    headers = {"X-N": 5, "Content-Type": "text/csv"}
    answer = answer_with(front, {"statusCode": 202, "headers": headers, "cookies": ["a=1", "b=2"], "body": "ü"})
    assert answer.status_code == 202
    assert answer.headers["X-N"] == "5"
    assert answer.headers["Content-Type"] == "text/csv"
    assert answer.raw.headers.getlist("set-cookie") == ["a=1", "b=2"]
    assert answer.content.decode() == "ü"
    binary = {"statusCode": 206, "isBase64Encoded": True, "body": base64.b64encode(b"\x00\xfe").decode()}
    assert answer_with(front, binary).content == b"\x00\xfe"


@pytest.mark.parametrize("payload", [{"hello": "world"}, [1, 2], 5])
def test_an_answer_without_a_status_is_the_json_to_send(front: str, payload: Any) -> None:
    answer = answer_with(front, payload)
    assert (answer.status_code, answer.json()) == (200, payload)
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "payload",
    [
        {"statusCode": "many"},
        {"statusCode": 9999},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
    ],
)
def test_a_malformed_answer_is_a_500(front: str, payload: Any) -> None:
    answer = answer_with(front, payload)
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})


def test_a_handler_that_raises_is_a_500_without_its_reason(lambdas: Lambdas) -> None:
    with served(lambdas, "raising") as url:
        answer = requests.get(url, timeout=LIMIT_SECONDS)
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})


def test_a_body_over_10_mb_is_a_413_and_one_of_10_mb_is_not(front: str) -> None:
    assert requests.put(front, data=bytes(MAX_BODY_BYTES + 1), timeout=LIMIT_SECONDS).status_code == 413
    assert requests.put(front, data=iter([bytes(MAX_BODY_BYTES), b"x"]), timeout=LIMIT_SECONDS).status_code == 413
    # The answer repeats the event, which is too long for Lambda: the request itself came through.
    assert requests.put(front, data=bytes(MAX_BODY_BYTES), timeout=LIMIT_SECONDS).status_code == 500


def invoke(front: str, name: str, payload: Any, kind: str = "RequestResponse") -> Any:
    client = aws_client("lambda", front)
    return client.invoke(FunctionName=name, InvocationType=kind, Payload=json.dumps(payload))


@pytest.mark.parametrize(
    "name",
    [
        "stack-echo",
        "stack-echo:$LATEST",
        "123456789012:function:stack-echo",
        "arn:aws:lambda:us-east-1:123456789012:function:stack-echo",
    ],
)
def test_boto3_invokes_a_function_by_name_or_arn(front: str, name: str) -> None:
    answer = invoke(front, name, {"recordingsPath": "s3://a/b ü/"})
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer
    assert json.loads(answer["Payload"].read())["event"] == {"recordingsPath": "s3://a/b ü/"}


def test_an_error_is_marked_and_told_in_the_payload(front: str) -> None:
    answer = invoke(front, "stack-raising", {})
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.loads(answer["Payload"].read())["errorMessage"] == "no such thing"


def test_an_asynchronous_invocation_returns_before_the_function_does(front: str, tmp_path: Path) -> None:
    answer = invoke(front, "stack-waiting", {"until": str(tmp_path / "never")}, "Event")
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"FunctionName": "nothing"}, 404, "ResourceNotFoundException"),
        ({"FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:o"}, 404, "ResourceNotFoundException"),
        ({"InvocationType": "DryRun"}, 400, "InvalidParameterValueException"),
        ({"Payload": b"{"}, 400, "InvalidRequestContentException"),
    ],
)
def test_what_cannot_be_invoked_is_refused_as_lambda_does(
    front: str, request_: dict[str, Any], status: int, code: str
) -> None:
    with pytest.raises(ClientError) as caught:
        aws_client("lambda", front).invoke(**{"FunctionName": "stack-echo", **request_})
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_port_that_is_taken_is_an_error_to_catch(front: str) -> None:
    with pytest.raises(OSError, match="in use"):
        HttpServer(int(front.rpartition(":")[2]))
