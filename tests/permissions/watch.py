"""Records which permissions each function uses, in the servers of moto and of the local Lambda.

A function is identified by the access key that it signs with: local/lambdas/pool.py gives each function its own.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from http import HTTPStatus
from io import BytesIO
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

from tests.permissions.granted import functions
from tests.permissions.requests import Request, UnknownRequestError, UsedPermission, find_signer, required_permissions

used: Counter[UsedPermission] = Counter()
"""How many times this process's servers have recorded each permission."""

unknown_requests: set[str] = set()

NOT_FOUND_ERRORS = (b"NoSuchBucket", b"ResourceNotFoundException")
"""AWS's errors when a test makes a function use a table, bucket or secret that does not exist in any stack."""

_lock = Lock()


def record_requests(application: Any) -> Any:
    """Wrap a WSGI application; its responses are not changed."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        query_string = environ.get("QUERY_STRING", "")
        signed = find_signer(environ.get("HTTP_AUTHORIZATION", ""), query_string)
        if signed is None or signed[0] not in functions():
            return application(environ, start_response)  # type: ignore[no-any-return]
        function, service = signed
        query = parse_qs(query_string, keep_blank_values=True)
        request = Request(
            method=environ["REQUEST_METHOD"],
            path=environ["PATH_INFO"],
            query=query,
            target=environ.get("HTTP_X_AMZ_TARGET", ""),
            copies="HTTP_X_AMZ_COPY_SOURCE" in environ,
            body=_body(environ) if "HTTP_X_AMZ_TARGET" in environ or "delete" in query else b"",
        )

        status = 0

        def start(line: str, headers: Any, *error: Any) -> Any:
            nonlocal status
            status = int(line.partition(" ")[0])
            return start_response(line, headers, *error)

        content: Iterable[bytes] = application(environ, start)
        if status >= HTTPStatus.BAD_REQUEST:
            content = [b"".join(content)]
            if any(error in content[0] for error in NOT_FOUND_ERRORS):
                return content
        _record(function, service, request, status)
        return content

    return serve


def _body(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = BytesIO(body)
    return body


def _record(function: str, service: str, request: Request, status: int) -> None:
    try:
        needed = required_permissions(service, request, status)
    except UnknownRequestError as error:
        unknown_requests.add(f"{function}: {error}")
        return
    with _lock:
        used.update(UsedPermission(function, action, resource) for action, resource in needed)
