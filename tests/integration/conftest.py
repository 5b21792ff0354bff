"""The stack of template.yaml on moto's server, one for all tests of this folder, emptied for each."""

import gzip
import json
import uuid
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aws_lambda_powertools.utilities import parameters
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends

from callscribe.whisperx import check
from local.cloud.aws import serve_aws
from local.cloud.client import CREDENTIALS, aws_client
from local.cloud.stack import Stack, deploy
from local.lambdas.pool import Lambdas, lambda_environment
from tests.integration import dynalite
from tests.integration.mortals import Mortals, mortal_lambdas
from tests.permissions.signing import Threads, signing_as
from tests.waiting import LIMIT_SECONDS

ROOT = Path(__file__).parents[2]
TICK = timedelta(milliseconds=1)
DAY_SECONDS = 86_400

client = cache(aws_client)
"""Making a client takes longer than most tests."""


@pytest.fixture(scope="session")
def deployed() -> Iterator[Stack]:
    with serve_aws() as endpoint:
        yield deploy(ROOT / "template.yaml", endpoint, {"WhisperXUrl": "http://127.0.0.1:9", "RetryBaseSeconds": "1"})


@pytest.fixture
def stack(deployed: Stack) -> Stack:
    """The deployed stack with nothing in it."""
    empty(deployed)
    return deployed


def empty(stack: Stack) -> None:
    """Forgets what is stored in the stack. In moto itself, for to ask it over HTTP takes longer than most tests."""
    dynamodb = dynamodb_backends[stack.account_id][stack.region]
    for table in stack.tables.values():
        dynamodb.get_table(table).items.clear()
    s3 = s3_backends[stack.account_id]["aws"]
    for name in stack.buckets.values():
        bucket = s3.get_bucket(name)
        bucket.keys.clear()
        bucket.multiparts.clear()


@dataclass
class Context:
    """What Lambda hands to a handler, as far as handlers look."""

    remaining_ms: int = 900_000
    function_name: str = "test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:test"

    def __post_init__(self) -> None:
        self.aws_request_id = str(uuid.uuid4())

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


def forget_clients() -> None:
    from callscribe import s3
    from functions.api import invoke, secret

    for client_of in (s3._client, invoke._client, secret._client):
        client_of.cache_clear()


class Handlers:
    """The four handlers in this process, each with the environment that the template gives it."""

    def __init__(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        from functions.api import app as api
        from functions.api import auth, invoke
        from functions.api import settings as api_settings
        from functions.api.routes import audio, call_recordings, collection, scheduler
        from functions.process import app as process
        from functions.queue import app as queue
        from functions.sync import app as sync

        self.stack = stack
        self._modules = {"sync": sync, "queue": queue, "process": process, "api": api}
        self._settings = (
            sync.settings,
            process.settings,
            api_settings.settings,
            api_settings.whisperx,
            api_settings.origins,
        )
        self._auth = auth
        self._monkeypatch = monkeypatch
        self._clock = Lock()
        self.overrides: dict[str, str] = {}
        self._now = datetime.now(UTC)
        for module in (sync, queue, process, invoke, audio, call_recordings, collection, scheduler):
            monkeypatch.setattr(module, "utc_now", self.now)
        monkeypatch.setattr(process, "ThreadPoolExecutor", Threads)
        # Keys that expired in the middle of a test would be read again, which is one request more: start without the
        # cached keys of earlier tests, and keep those that are read for longer than any test takes.
        self.forget_keys()
        for module in (auth, process):
            monkeypatch.setattr(module, "KEY_CACHE_SECONDS", DAY_SECONDS)

    def now(self) -> datetime:
        """The time as the handlers see it, which passes only when they look at it: a millisecond each time."""
        with self._clock:
            self._now += TICK
            return self._now

    def pass_time(self, **duration: float) -> None:
        """As much later, for the handlers; named as for `timedelta`."""
        with self._clock:
            self._now += timedelta(**duration)

    def catch_up(self, moment: datetime) -> None:
        """Let it be no earlier than this for the handlers."""
        with self._clock:
            self._now = max(self._now, moment)

    @property
    def recordings_path(self) -> str:
        """That of the template."""
        return lambda_environment(self.stack.function("sync"), self.stack)["RECORDINGS_PATH"]

    def _run(self, function: str, event: Any, context: Context) -> Any:
        deployed = self.stack.function(function)
        for name, value in (lambda_environment(deployed, self.stack) | CREDENTIALS | self.overrides).items():
            self._monkeypatch.setenv(name, value)
        for settings in self._settings:
            settings.cache_clear()
        with signing_as(deployed.logical_id):
            return self._modules[function].lambda_handler(event, context)

    def forget(self) -> None:
        """As in a new process: clients and secrets are had anew. For tests that change a secret, before and after."""
        forget_clients()
        self.forget_keys()

    def forget_keys(self) -> None:
        parameters.clear_caches()
        self._auth._known.clear()

    def sync(self, **event: Any) -> Any:
        return self._run("sync", event, Context())

    def queue(self, remaining_ms: int = 300_000, **event: Any) -> Any:
        return self._run("queue", event, Context(remaining_ms))

    def process(self, remaining_ms: int = 900_000, **event: Any) -> Any:
        return self._run("process", event, Context(remaining_ms))

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
        """An answer, with its body as `text` where it was compressed and as `json` where it is that.

        The right key is sent unless another is given.
        """
        if key == "":
            key = api_key(self.stack)
        given = {"content-type": "application/json"} if body is not None or raw else {}
        given |= {"authorization": f"Bearer {key}"} if key is not None else {}
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": given | {name.replace("_", "-"): value for name, value in headers.items()},
            "queryStringParameters": dict(parse_qsl(query, keep_blank_values=True)) or None,
            "requestContext": {
                "http": {"method": method, "path": path, "sourceIp": "127.0.0.1", "protocol": "HTTP/1.1"},
                "requestId": "r",
                "stage": "$default",
            },
            "body": b64encode(raw).decode() if raw else body if isinstance(body, str | None) else json.dumps(body),
            "isBase64Encoded": bool(raw),
        }
        answer = self._run("api", event, Context())
        is_json = answer["headers"].get("Content-Type", "").startswith("application/json")
        compressed = "Content-Encoding" in answer["headers"]
        text = gzip.decompress(b64decode(answer["body"])).decode() if compressed else answer["body"]
        return SimpleNamespace(
            status=answer["statusCode"],
            headers=answer["headers"],
            body=answer["body"],
            text=text,
            json=json.loads(text) if is_json else None,
        )


def api_key(stack: Stack) -> str:
    secrets = client("secretsmanager", stack.endpoint)
    return json.loads(secrets.get_secret_value(SecretId=stack.secrets["ApiKeySecret"])["SecretString"])["default"]


@pytest.fixture(scope="module")
def clients() -> None:
    """The functions make theirs once for the tests of a module: those of another one may have had another endpoint."""
    forget_clients()


@pytest.fixture
def patient_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection test waits for as long as a slow machine may take."""
    for limit in ("SECONDS", "CONNECT_SECONDS", "ANSWER_SECONDS"):
        monkeypatch.setattr(check, limit, LIMIT_SECONDS)


@pytest.fixture
def handlers(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, service: Any, clients: None, patient_check: None
) -> Handlers:
    made = Handlers(stack, monkeypatch)
    # nobody listens at port 9: functions that are started at once wait for their schedule
    made.overrides |= {"WHISPERX_URL": service.url, "AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:9"}
    return made


@pytest.fixture
def functions(handlers: Handlers, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The functions that the API invokes are there: each does its work, in the milliseconds that this says it has."""
    from functions.api import invoke

    remaining_ms: dict[str, int] = {}

    def call(function: str, payload: Any) -> Any:
        name = next(each for each in ("sync", "queue", "process") if handlers.stack.function(each).name == function)
        time = {"remaining_ms": remaining_ms[name]} if name in remaining_ms else {}
        answer = getattr(handlers, name)(**time, **json.loads(json.dumps(payload)))
        return json.loads(json.dumps(answer))

    monkeypatch.setattr(invoke, "call", call)
    return remaining_ms


@pytest.fixture
def put(stack: Stack) -> Callable[..., None]:
    """Puts an object into the recordings bucket. `age`: how many seconds ago it was written."""
    s3 = client("s3", stack.endpoint)

    def put(key: str, body: bytes = b"RIFF" + b"\0" * 100, *, age: float = 0) -> None:
        bucket = stack.buckets["RecordingsBucket"]
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        if age:
            s3_backends[stack.account_id]["aws"].get_object(bucket, key).last_modified -= timedelta(seconds=age)

    return put


@pytest.fixture
def listed(handlers: Handlers) -> Callable[[], dict[str, Any]]:
    """Every recording as the API lists it, by the end of its path."""

    def listed() -> dict[str, Any]:
        answer = handlers.api("GET", "/api/call-recordings", query="limit=500")
        return {item["path"].rsplit("/", 1)[-1]: item for item in answer.json["items"]}

    return listed


@pytest.fixture
def counted(monkeypatch):
    """Counts requests by operation (DynamoDB) or method and service, while the context lasts."""

    @contextmanager
    def counted():
        requests, send = Counter(), URLLib3Session.send

        def count(self, request):
            target = request.headers.get("X-Amz-Target", b"")
            name = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
            requests[name or f"{request.method} S3"] += 1
            return send(self, request)

        with monkeypatch.context() as patch:
            patch.setattr(URLLib3Session, "send", count)
            yield requests

    return counted


@pytest.fixture
def lose_the_answer(monkeypatch):
    """The next request of this operation is carried out, but its answer does not arrive."""

    def arm(operation):
        send, armed = URLLib3Session.send, [True]

        def send_and_lose(self, request):
            answer = send(self, request)
            target = request.headers.get("X-Amz-Target", b"")
            if armed and operation.encode() in (target.encode() if isinstance(target, str) else target):
                armed.clear()
                raise ConnectionClosedError(endpoint_url=request.url)
            return answer

        monkeypatch.setattr(URLLib3Session, "send", send_and_lose)

    return arm


@pytest.fixture(scope="module")
def second_engine() -> Iterator[tuple[str, dict[str, Any]]]:
    """A second engine of DynamoDB, and the tables as the template declares them."""
    if reason := dynalite.why_not():
        pytest.skip(reason)
    with dynalite.serve_dynalite() as endpoint:
        yield endpoint, dynalite.declared_tables()


@pytest.fixture(scope="module")
def processes(deployed: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambdas]:
    """Worker processes for all tests of a module: to start one takes longer than most of what it does."""
    with mortal_lambdas(deployed, tmp_path_factory.mktemp("state")) as lambdas:
        yield lambdas


@pytest.fixture
def workers(processes: Lambdas, stack: Stack, handlers: Handlers, service: Any) -> Mortals:
    handlers.queue()  # binds the models to the tables
    return Mortals(processes, stack, handlers, service.url)
