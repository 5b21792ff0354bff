"""Runs the four handlers in the test's process, on a stack that is served by moto or dynalite."""

import gzip
import json
import uuid
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any, Self
from urllib.parse import parse_qsl

import pytest

from local.cloud.client import CREDENTIALS, aws_client
from local.cloud.stack import Stack
from local.lambdas.pool import lambda_environment
from testing.signing import SigningThreadPool, signing_as

ROOT = Path(__file__).parents[1]
CLOCK_STEP = timedelta(milliseconds=1)
DAY_SECONDS = 86_400

client = cache(aws_client)
"""Creating a client takes longer than most tests."""


@dataclass
class Context:
    """The part of Lambda's context that handlers read."""

    remaining_ms: int = 900_000
    function_name: str = "test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:test"

    def __post_init__(self) -> None:
        self.aws_request_id = str(uuid.uuid4())

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


def clear_clients() -> None:
    from callscribe import aws

    aws._create_client.cache_clear()


class Handlers:
    """Calls the handlers, each with the environment variables that the template gives it."""

    def __init__(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        from functions.api import app as api
        from functions.api import auth, invoke
        from functions.api import settings as api_settings
        from functions.api.routes import audio, recording, recordings, scheduler
        from functions.process import app as process
        from functions.process import transcription
        from functions.queue import app as queue
        from functions.sync import app as sync

        self.stack = stack
        self._transcription = transcription
        self._modules = {"sync": sync, "queue": queue, "process": process, "api": api}
        self._settings: dict[str, tuple[Any, ...]] = {
            "sync": (sync.load_env, sync.configure_tables),
            "queue": (queue.configure_tables,),
            "process": (process.load_settings, process.configure_tables),
            "api": (
                api_settings.settings,
                api_settings.whisperx_defaults,
                api_settings.cors_origins,
                api_settings.configure_tables,
            ),
        }
        self._auth = auth
        self._monkeypatch = monkeypatch
        self._clock = Lock()
        self.overrides: dict[str, str] = {}
        self._environments: dict[str, dict[str, str]] = {}
        self._now = datetime.now(UTC)
        for module in (sync, queue, process, invoke, audio, recording, recordings, scheduler):
            monkeypatch.setattr(module, "utc_now", self.now)
        monkeypatch.setattr(process, "ThreadPoolExecutor", SigningThreadPool)
        # A cached key that expires during a test is read again, which is one more request. So start without the
        # cached keys of earlier tests, and cache new ones for longer than any test takes.
        self.clear_keys()
        for module in (auth, transcription):
            monkeypatch.setattr(module, "KEY_CACHE_SECONDS", DAY_SECONDS)

    def now(self) -> datetime:
        """The handlers' clock. It advances only when it is read, by a millisecond each time."""
        with self._clock:
            self._now += CLOCK_STEP
            return self._now

    def advance_clock(self, **duration: float) -> None:
        """Move the handlers' clock forward. The keyword arguments are those of `timedelta`."""
        with self._clock:
            self._now += timedelta(**duration)

    def after(self, **duration: float) -> Self:
        """Move the clock forward and return the handlers: `handlers.after(minutes=1).process()`."""
        self.advance_clock(**duration)
        return self

    def catch_up(self, timestamp: datetime) -> None:
        """Move the handlers' clock forward to this time, if it is behind."""
        with self._clock:
            self._now = max(self._now, timestamp)

    @property
    def recordings_path(self) -> str:
        """The recordings path that the template sets."""
        return lambda_environment(self.stack.function("sync"), self.stack)["RECORDINGS_PATH"]

    def _run(self, function: str, event: Any, context: Context) -> Any:
        deployed = self.stack.function(function)
        for name, value in (lambda_environment(deployed, self.stack) | CREDENTIALS | self.overrides).items():
            self._monkeypatch.setenv(name, value)
        environment = lambda_environment(deployed, self.stack) | self.overrides
        if self._environments.get(function) != environment:  # a warm function caches its settings
            self._environments[function] = environment
            for settings in self._settings[function]:
                settings.cache_clear()
        with signing_as(deployed.logical_id):
            return self._modules[function].lambda_handler(event, context)

    def clear_caches(self) -> None:
        """Drop cached clients and secrets, as in a new process: before and after a test that changes a secret."""
        clear_clients()
        self.clear_keys()

    def clear_keys(self) -> None:
        self._transcription._secret_cache.clear()
        self._auth._cache.clear()

    def sync(self, **event: Any) -> Any:
        return self._run("sync", event, Context())

    def queue(self, remaining_ms: int = 300_000, **event: Any) -> Any:
        return self._run("queue", event, Context(remaining_ms))

    def process(self, remaining_ms: int = 900_000, **event: Any) -> Any:
        return self._run("process", event, Context(remaining_ms))

    def sync_and_queue(self) -> None:
        """Add the recordings in the source, and queue them."""
        self.sync()
        self.queue()

    def transcribe(self) -> Any:
        """Run all three tasks, one after the other, and return the run of process."""
        self.sync_and_queue()
        return self.process()

    def api(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: Any = None,
        raw: bytes = b"",
        key: str | None = "",
        **headers: str,
    ) -> Any:
        """Send a request with the valid API key, or with `key`; None sends no key.

        The response has the decompressed body as `text` and, if it is JSON, the parsed one as `json`.
        """
        if key == "":
            key = read_api_key(self.stack)
        default_headers = {"content-type": "application/json"} if body is not None or raw else {}
        default_headers |= {"authorization": f"Bearer {key}"} if key is not None else {}
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": default_headers | {name.replace("_", "-"): value for name, value in headers.items()},
            "queryStringParameters": dict(parse_qsl(query, keep_blank_values=True)) or None,
            "requestContext": {
                "http": {"method": method, "path": path, "sourceIp": "127.0.0.1", "protocol": "HTTP/1.1"},
                "requestId": "r",
                "stage": "$default",
            },
            "body": b64encode(raw).decode() if raw else body if isinstance(body, str | None) else json.dumps(body),
            "isBase64Encoded": bool(raw),
        }
        response = self._run("api", event, Context())
        is_json = response["headers"].get("Content-Type", "").startswith("application/json")
        is_compressed = "Content-Encoding" in response["headers"]
        text = gzip.decompress(b64decode(response["body"])).decode() if is_compressed else response["body"]
        return SimpleNamespace(
            status=response["statusCode"],
            headers=response["headers"],
            body=response["body"],
            text=text,
            json=json.loads(text) if is_json else None,
        )


def read_api_key(stack: Stack) -> str:
    secrets = client("secretsmanager", stack.endpoint)
    secret = secrets.get_secret_value(SecretId=stack.secrets["ApiKeySecret"])
    return str(json.loads(secret["SecretString"])["default"])
