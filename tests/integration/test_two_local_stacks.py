"""Two local stacks on one AWS: the second says so."""

from types import SimpleNamespace
from typing import Any

import pytest

from local import invoke as local_invoke
from local.http_server import HttpServer

STACK: Any = SimpleNamespace(endpoint="http://127.0.0.1:4566", rules=())


def serve(environ, start_response):
    start_response("200 OK", [])
    return [b"{}"]


@pytest.fixture
def running_file(tmp_path, monkeypatch):
    monkeypatch.setattr(local_invoke, "RUNNING_FILE", tmp_path / "running.json")


@pytest.fixture
def server():
    server = HttpServer()
    server.start(serve)
    yield server
    server.close()


def test_another_stack_on_the_same_endpoint_is_found_while_it_runs(running_file, server):
    with local_invoke.announce_stack(STACK, server.url):
        assert local_invoke.find_other_stack(STACK.endpoint) == server.url
        assert local_invoke.find_other_stack("http://127.0.0.1:9999") is None
        server.close()
        assert local_invoke.find_other_stack(STACK.endpoint) is None
