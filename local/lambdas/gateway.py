"""Serves the HTTP API as API Gateway does and, on the same port, Lambda's Invoke API for boto3.

boto3's `lambda` client reaches the functions here if AWS_ENDPOINT_URL_LAMBDA is this server's URL.
"""

import json
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from callscribe.clock import utc_now
from local.lambdas.http_events import payload_to_response, request_to_event
from local.lambdas.pool import Lambdas

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MAX_BODY_BYTES = 10 * 1024 * 1024
"""API Gateway's limit for a request body."""
INVOCATION_TYPES = ("RequestResponse", "Event")
_INVOKE = re.compile(r"/2015-03-31/functions/(?P<name>[^/]+)/invocations")


class _Request(Request):
    # one more, because werkzeug silently truncates a chunked body at this length
    max_content_length = MAX_BODY_BYTES + 1


class LocalGateway:
    """The WSGI application. `api` names the function that handles all HTTP requests."""

    def __init__(self, lambdas: Lambdas, api: str) -> None:
        self._lambdas = lambdas
        self._api = lambdas.stack.function(api).name

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = _Request(environ)
        invoke_match = _INVOKE.fullmatch(request.path) if request.method == "POST" else None
        try:
            too_large = len(request.get_data()) > MAX_BODY_BYTES
        except RequestEntityTooLarge:
            too_large = True
        if too_large:
            response = _message_response(413, "Request Entity Too Large")
        else:
            response = self._invoke(request, invoke_match["name"]) if invoke_match else self._serve_api(request)
        return response(environ, start_response)

    def _serve_api(self, request: Request) -> Response:
        event = request_to_event(request, utc_now(), self._lambdas.stack.account_id)
        try:
            result = self._lambdas.invoke(self._api, event)
        except RuntimeError:
            return _message_response(503, "Service Unavailable")
        response = None if result.failed else payload_to_response(result.payload)
        if response is None:
            return _message_response(500, "Internal Server Error")
        response.headers["apigw-requestid"] = event["requestContext"]["requestId"]
        return response

    def _invoke(self, request: Request, function_reference: str) -> Response:
        invocation_type = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        # a name or a (partial) ARN, with or without a version
        name = function_reference.rpartition("function:")[2].partition(":")[0]
        stack = self._lambdas.stack
        if name not in (function.name for function in stack.functions.values()):
            arn = f"arn:aws:lambda:{stack.region}:{stack.account_id}:function:{name}"
            return _error_response(404, "ResourceNotFoundException", f"Function not found: {arn}")
        if invocation_type not in INVOCATION_TYPES:
            return _error_response(
                400, "InvalidParameterValueException", f"The invocation type {invocation_type} is not supported here"
            )
        try:
            event = json.loads(request.get_data() or b"{}")
        except ValueError as error:
            message = f"Could not parse request body into json: {error}"
            return _error_response(400, "InvalidRequestContentException", message)
        try:
            result = self._lambdas.invoke(name, event, wait=invocation_type != "Event")
        except RuntimeError as error:
            return _error_response(500, "ServiceException", str(error))
        headers = {"x-amzn-RequestId": result.request_id}
        if invocation_type == "Event":
            return Response(status=202, headers=headers)
        headers["X-Amz-Executed-Version"] = "$LATEST"
        if result.failed:
            headers["X-Amz-Function-Error"] = "Unhandled"
        return Response(json.dumps(result.payload), 200, headers, content_type="application/json")


def _message_response(status: int, message: str) -> Response:
    return Response(json.dumps({"message": message}), status, content_type="application/json")


def _error_response(status: int, error_type: str, message: str) -> Response:
    body = json.dumps({"Type": "User" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Service", "Message": message})
    return Response(body, status, {"x-amzn-ErrorType": error_type}, content_type="application/json")
