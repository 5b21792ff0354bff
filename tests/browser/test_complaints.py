"""What a page must not do is noticed: otherwise the other tests here would say nothing of it."""

import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from testing.waiting import wait_until

pytestmark = pytest.mark.slow


class Strict(BaseHTTPRequestHandler):
    """As the API answers: data, that may do nothing."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Security-Policy", "default-src 'none'")
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def served() -> Iterator[Any]:
    """In the place of a whole stack."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Strict)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield SimpleNamespace(url=url, stack=SimpleNamespace(endpoint=url))
    server.shutdown()
    server.server_close()


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
