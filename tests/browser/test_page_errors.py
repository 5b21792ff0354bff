"""PageErrors detects forbidden behaviour; without this, the other browser tests could pass vacuously."""

import re
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from local.http_server import HttpServer
from testing.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served() -> Iterator[Any]:
    """A server that replaces the stack. Its responses have the strictest policy, like those of the API."""

    def application(_environ: Any, start_response: Any) -> list[bytes]:
        headers = [("Content-Security-Policy", "default-src 'none'"), ("Content-Type", "application/json")]
        start_response("200 OK", headers)
        return [b"{}"]

    with closing(HttpServer()) as server:
        server.start(application)
        yield SimpleNamespace(url=server.url, stack=SimpleNamespace(endpoint=server.url))


SCRIPTS = {
    r"console: wrong": "() => console.error('wrong')",
    r"uncaught: .*thrown": "() => { setTimeout(() => { throw new Error('thrown') }) }",
    r"uncaught: .*rejected": "() => { Promise.reject(new Error('rejected')) }",
    r"policy violated: style-src-attr by inline": "() => document.body.setAttribute('style', 'color: red')",
    r"policy violated: img-src by http://127.0.0.1:1/": "() => { new Image().src = 'http://127.0.0.1:1/' }",
    r"another origin: GET http://127.0.0.1:1/": "() => fetch('http://127.0.0.1:1/').catch(() => 0)",
}
"""By the error that each causes."""


@pytest.mark.parametrize("error", SCRIPTS)
def test_page_error_is_recorded(page, page_errors, error):
    page.goto("/")
    if "origin" in error:
        page.goto("about:blank")
    page.evaluate(SCRIPTS[error])
    wait_until(lambda: any(re.search(error, each) for each in page_errors.unexpected()))
    page_errors.expect("")  # any error


def test_expected_error_that_does_not_occur_is_reported(page, page_errors):
    page_errors.expect("wrong")
    assert page_errors.unexpected() == ["expected, but did not occur: wrong"]
    page.evaluate("() => console.error('wrong')")
    wait_until(lambda: page_errors.unexpected() == [])
