"""What a page must not do is noticed: otherwise the other tests here would say nothing of it."""

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
    """In the place of a whole stack: what it answers is data, that may do nothing, as from the API."""

    def strict(_environ: Any, start_response: Any) -> list[bytes]:
        data = [("Content-Security-Policy", "default-src 'none'"), ("Content-Type", "application/json")]
        start_response("200 OK", data)
        return [b"{}"]

    with closing(HttpServer()) as server:
        server.start(strict)
        yield SimpleNamespace(url=server.url, stack=SimpleNamespace(endpoint=server.url))


MISDEEDS = {
    r"console: wrong": "() => console.error('wrong')",
    r"uncaught: .*thrown": "() => { setTimeout(() => { throw new Error('thrown') }) }",
    r"uncaught: .*rejected": "() => { Promise.reject(new Error('rejected')) }",
    r"policy violated: style-src-attr by inline": "() => document.body.setAttribute('style', 'color: red')",
    r"policy violated: img-src by http://127.0.0.1:1/": "() => { new Image().src = 'http://127.0.0.1:1/' }",
    r"another origin: GET http://127.0.0.1:1/": "() => fetch('http://127.0.0.1:1/').catch(() => 0)",
}


@pytest.mark.parametrize("complaint", MISDEEDS)
def test_what_a_page_must_not_do_is_noticed(page, complaints, complaint):
    page.goto("/")
    if "origin" in complaint:
        page.goto("about:blank")
    page.evaluate(MISDEEDS[complaint])
    wait_until(lambda: any(re.search(complaint, each) for each in complaints.unexpected()))
    complaints.expect("")  # anything, for it was meant


def test_what_was_expected_in_vain_is_told(page, complaints):
    complaints.expect("wrong")
    assert complaints.unexpected() == ["expected in vain: wrong"]
    page.evaluate("() => console.error('wrong')")
    wait_until(lambda: complaints.unexpected() == [])
