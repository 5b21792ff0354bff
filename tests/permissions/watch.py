"""Sees at a server, moto's or the local Lambda's, what each function asks AWS for.

A function is told by the access key that it signs with: local/lambdas/pool.py gives each its own.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from http import HTTPStatus
from io import BytesIO
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

from tests.permissions.calls import Call, Request, UnknownRequestError, permissions, signed_by
from tests.permissions.granted import functions

seen: Counter[Call] = Counter()
"""By this process's servers, so many times."""

not_understood: set[str] = set()

NOTHING_THERE = (b"NoSuchBucket", b"ResourceNotFoundException")
"""So AWS answers where a test has a function ask for a table, a bucket or a secret that does not exist: of no stack."""

_one_at_a_time = Lock()


def watching(application: Any) -> Any:
    """The WSGI application; what it answers is not changed."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        address = environ.get("QUERY_STRING", "")
        signed = signed_by(environ.get("HTTP_AUTHORIZATION", ""), address)
        if signed is None or signed[0] not in functions():
            return application(environ, start_response)  # type: ignore[no-any-return]
        function, service = signed
        query = parse_qs(address, keep_blank_values=True)
        request = Request(
            method=environ["REQUEST_METHOD"],
            path=environ["PATH_INFO"],
            query=query,
            target=environ.get("HTTP_X_AMZ_TARGET", ""),
            copies="HTTP_X_AMZ_COPY_SOURCE" in environ,
            body=_body(environ) if "HTTP_X_AMZ_TARGET" in environ or "delete" in query else b"",
        )

        status = 0

        def answer(line: str, headers: Any, *error: Any) -> Any:
            nonlocal status
            status = int(line.partition(" ")[0])
            return start_response(line, headers, *error)

        content: Iterable[bytes] = application(environ, answer)
        if status >= HTTPStatus.BAD_REQUEST:
            content = [b"".join(content)]
            if any(each in content[0] for each in NOTHING_THERE):
                return content
        _see(function, service, request, status)
        return content

    return serve


def _body(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = BytesIO(body)
    return body


def _see(function: str, service: str, request: Request, status: int) -> None:
    try:
        needed = permissions(service, request, status)
    except UnknownRequestError as error:
        not_understood.add(f"{function}: {error}")
        return
    with _one_at_a_time:
        seen.update(Call(function, *each) for each in needed)
