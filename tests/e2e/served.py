"""The stack as `local up` runs it, over HTTP and with worker processes, for any WhisperX server."""

import atexit
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import requests

from local.cloud.aws import serve_aws
from local.cloud.client import aws_client
from local.cloud.secrets import read_api_key
from local.cloud.stack import Stack, deploy
from local.http_server import HttpServer
from local.lambdas.gateway import LocalGateway
from local.lambdas.pool import Lambdas, WorkerFactory
from testing.waiting import LIMIT_SECONDS
from testing.workers.forked_workers import run_fork_server

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "local" / "samples"


@dataclass(frozen=True)
class ServedStack:
    """A running stack. `url` and `key` are of the HTTP API; `state` is the folder with the logs."""

    state: Path
    url: str
    key: str
    stack: Stack
    lambdas: Lambdas

    def run(self, *functions: str) -> None:
        for function in functions:
            result = self.lambdas.invoke(function, {})
            assert not result.failed, result.payload

    def put(self, *names: str) -> None:
        """Upload samples to the recordings bucket."""
        for name in names:
            (sample,) = SAMPLES.rglob(name)
            self.store(f"2026/11/18/{sample.name}", sample.read_bytes())

    def store(self, key: str, content: bytes, **options: Any) -> None:
        """Upload a file to the recordings bucket. `options` are those of PutObject."""
        s3 = aws_client("s3", self.stack.endpoint)
        s3.put_object(Bucket=self.stack.buckets["RecordingsBucket"], Key=key, Body=content, **options)

    def remove(self, key: str) -> None:
        """Delete a file from the recordings bucket."""
        s3 = aws_client("s3", self.stack.endpoint)
        s3.delete_object(Bucket=self.stack.buckets["RecordingsBucket"], Key=key)

    def request(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """Send a request to the API, and return the JSON of its successful response."""
        headers = {"Authorization": f"Bearer {self.key}"}
        response = requests.request(method, f"{self.url}/api/{path}", json=body, headers=headers, timeout=LIMIT_SECONDS)
        assert response.ok, response.text
        return response.json()


@cache
def worker_factory() -> WorkerFactory:
    """Start a fork server for the workers of all stacks of this test run. It has imported everything, so it is fast."""
    exit_stack = ExitStack()
    atexit.register(exit_stack.close)
    return exit_stack.enter_context(run_fork_server({"TZ": ":UTC"}, "testing.workers.deployed_functions"))


DEFAULTS = {"RetryBaseSeconds": "1", "OutagePauseSeconds": "1", "MaxAttempts": "1"}


@contextmanager
def serve(state: Path, whisperx: str, *, folder: Path | None = None, **parameters: str) -> Iterator[ServedStack]:
    """Run a stack within the context. `whisperx`: the server's URL. `folder`: a recordings folder; None for the bucket.

    `parameters` are those of the template, and take precedence over DEFAULTS.
    """
    parameters = {"WhisperXUrl": whisperx, **DEFAULTS, **parameters}
    with serve_aws() as endpoint:
        stack = deploy(ROOT / "template.yaml", endpoint, parameters)
        server = HttpServer()
        overrides = {"AWS_ENDPOINT_URL_LAMBDA": server.url}
        if folder is not None:
            overrides["RECORDINGS_PATH"] = str(folder)  # as in `local up`
        with closing(server), Lambdas(stack, state, overrides, worker_factory=worker_factory()) as lambdas:
            server.start(LocalGateway(lambdas, "api"))
            key = read_api_key(endpoint, stack.secrets["ApiKeySecret"])
            yield ServedStack(state, server.url, key, stack, lambdas)
