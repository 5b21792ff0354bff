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
def serve(lambdas: Lambdas, api: str) -> Iterator[str]:
    with closing(HttpServer()) as server:
        server.start(LocalGateway(lambdas, api))
        yield server.url


@pytest.fixture(scope="module")
def gateway_url(lambdas: Lambdas) -> Iterator[str]:
    with serve(lambdas, "respond") as url:
        yield url


def return_payload(gateway_url: str, payload: Any) -> requests.Response:
    """Send a request to which the function responds with `payload`."""
    return requests.post(gateway_url, json=payload, timeout=LIMIT_SECONDS)


def test_request_becomes_an_event_of_payload_format_2(gateway_url: str) -> None:
    before = int(time.time() * 1000)
    event = requests.get(
        f"{gateway_url}/api/a%20b?x=1&x=2&empty=&q=a%2Bb",
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
def test_body_that_is_not_text_is_in_base64(gateway_url: str, content_type: str | None, body: bytes) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    event = requests.put(gateway_url, data=body, headers=headers, timeout=LIMIT_SECONDS).json()
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == body


def test_response_has_the_status_headers_and_cookies_of_the_payload(gateway_url: str) -> None:
    headers = {"X-N": 5, "Content-Type": "text/csv"}
    response = return_payload(
        gateway_url, {"statusCode": 202, "headers": headers, "cookies": ["a=1", "b=2"], "body": "ü"}
    )
    assert response.status_code == 202
    assert response.headers["X-N"] == "5"
    assert response.headers["Content-Type"] == "text/csv"
    assert response.raw.headers.getlist("set-cookie") == ["a=1", "b=2"]
    assert response.content.decode() == "ü"
    binary = {"statusCode": 206, "isBase64Encoded": True, "body": base64.b64encode(b"\x00\xfe").decode()}
    assert return_payload(gateway_url, binary).content == b"\x00\xfe"


@pytest.mark.parametrize("payload", [{"hello": "world"}, [1, 2], 5])
def test_payload_without_a_status_is_sent_as_json(gateway_url: str, payload: Any) -> None:
    response = return_payload(gateway_url, payload)
    assert (response.status_code, response.json()) == (200, payload)
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "payload",
    [
        {"statusCode": "many"},
        {"statusCode": 9999},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
    ],
)
def test_malformed_payload_is_a_500(gateway_url: str, payload: Any) -> None:
    response = return_payload(gateway_url, payload)
    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})


def test_exception_in_the_handler_is_a_500_without_its_message(lambdas: Lambdas) -> None:
    with serve(lambdas, "raising") as url:
        response = requests.get(url, timeout=LIMIT_SECONDS)
    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})


def test_body_over_10_mb_is_a_413(gateway_url: str) -> None:
    assert requests.put(gateway_url, data=bytes(MAX_BODY_BYTES + 1), timeout=LIMIT_SECONDS).status_code == 413
    assert requests.put(gateway_url, data=iter([bytes(MAX_BODY_BYTES), b"x"]), timeout=LIMIT_SECONDS).status_code == 413
    # the request is accepted; the 500 is because the function returns the event, which is too long for Lambda
    assert requests.put(gateway_url, data=bytes(MAX_BODY_BYTES), timeout=LIMIT_SECONDS).status_code == 500


def invoke(gateway_url: str, name: str, payload: Any, kind: str = "RequestResponse") -> Any:
    client = aws_client("lambda", gateway_url)
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
def test_boto3_invokes_a_function_by_name_or_arn(gateway_url: str, name: str) -> None:
    response = invoke(gateway_url, name, {"recordingsPath": "s3://a/b ü/"})
    assert (response["StatusCode"], response["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in response
    assert json.loads(response["Payload"].read())["event"] == {"recordingsPath": "s3://a/b ü/"}


def test_function_error_is_flagged_and_described_in_the_payload(gateway_url: str) -> None:
    response = invoke(gateway_url, "stack-raising", {})
    assert (response["StatusCode"], response["FunctionError"]) == (200, "Unhandled")
    assert json.loads(response["Payload"].read())["errorMessage"] == "no such thing"


def test_asynchronous_invocation_returns_before_the_function_does(gateway_url: str, tmp_path: Path) -> None:
    response = invoke(gateway_url, "stack-waiting", {"until": str(tmp_path / "never")}, "Event")
    assert (response["StatusCode"], response["Payload"].read()) == (202, b"")


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ({"FunctionName": "nothing"}, 404, "ResourceNotFoundException"),
        ({"FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:o"}, 404, "ResourceNotFoundException"),
        ({"InvocationType": "DryRun"}, 400, "InvalidParameterValueException"),
        ({"Payload": b"{"}, 400, "InvalidRequestContentException"),
    ],
)
def test_invalid_invocation_is_rejected_as_by_lambda(
    gateway_url: str, arguments: dict[str, Any], status: int, code: str
) -> None:
    with pytest.raises(ClientError) as caught:
        aws_client("lambda", gateway_url).invoke(**{"FunctionName": "stack-echo", **arguments})
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_port_in_use_raises_an_error(gateway_url: str) -> None:
    with pytest.raises(OSError, match="in use"):
        HttpServer(int(gateway_url.rpartition(":")[2]))
