"""The stack of template.yaml on moto's server: deployed once for all tests of this folder, and emptied for each."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends

from callscribe.recordings.recording import recording_id
from callscribe.store import recordings
from callscribe.whisperx import connection_test
from local.cloud.aws import serve_aws
from local.cloud.stack import Stack, deploy
from local.lambdas.pool import Lambdas
from testing import dynalite
from testing.handlers import ROOT, Handlers, clear_clients, client
from testing.waiting import LIMIT_SECONDS
from testing.workers.killable_tasks import KillableTasks, killable_lambdas
from tests.integration.refusals_of_s3 import refuse  # noqa: F401 — a fixture of several files
from tests.integration.storage import Bucket, Folder, sync_counts


@pytest.fixture(scope="session")
def deployed() -> Iterator[Stack]:
    with serve_aws() as endpoint:
        yield deploy(ROOT / "template.yaml", endpoint, {"WhisperXUrl": "http://127.0.0.1:9", "RetryBaseSeconds": "1"})


@pytest.fixture
def stack(deployed: Stack, request: pytest.FixtureRequest) -> Stack:
    """The deployed stack, empty, on the DynamoDB engine that the test is parametrized with (`dynalite.ENGINES`)."""
    empty(deployed)
    if getattr(request, "param", "moto") == "moto":
        return deployed
    return dynalite.with_dynalite_tables(deployed, *request.getfixturevalue("second_engine"))


def empty(stack: Stack) -> None:
    """Delete what is stored in the stack, directly in moto: HTTP requests would take longer than most tests."""
    dynamodb = dynamodb_backends[stack.account_id][stack.region]
    for table in stack.tables.values():
        dynamodb.get_table(table).items.clear()
    s3 = s3_backends[stack.account_id]["aws"]
    for name in stack.buckets.values():
        bucket = s3.get_bucket(name)
        bucket.keys.clear()
        bucket.multiparts.clear()
    for queue in sqs_backends[stack.account_id][stack.region].queues.values():
        queue._messages.clear()  # PurgeQueue is allowed once a minute
        queue.pending_messages.clear()


@pytest.fixture(scope="module")
def clients() -> None:
    """New AWS clients for each module: cached ones may have another endpoint."""
    clear_clients()


@pytest.fixture
def long_connection_test_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection test waits as long as a slow machine may need."""
    for limit in ("MAX_TEST_SECONDS", "CONNECT_SECONDS", "RESPONSE_SECONDS"):
        monkeypatch.setattr(connection_test, limit, LIMIT_SECONDS)


@pytest.fixture
def handlers(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, service: Any, clients: None, long_connection_test_timeout: None
) -> Handlers:
    handlers = Handlers(stack, monkeypatch)
    # nothing listens at port 9, so asynchronous invocations fail and functions wait for their schedule
    handlers.overrides |= {"WHISPERX_URL": service.url, "AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:9"}
    return handlers


@pytest.fixture
def functions(handlers: Handlers, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Runs functions that the API invokes synchronously. The returned dictionary sets their remaining milliseconds."""
    from functions.api import invoke

    remaining_ms: dict[str, int] = {}

    def invoke_handler(function: str, payload: Any) -> Any:
        name = next(task for task in ("sync", "queue", "process") if handlers.stack.function(task).name == function)
        time = {"remaining_ms": remaining_ms[name]} if name in remaining_ms else {}
        response = getattr(handlers, name)(**time, **json.loads(json.dumps(payload)))
        return json.loads(json.dumps(response))

    monkeypatch.setattr(invoke, "invoke_and_wait", invoke_handler)
    return remaining_ms


@pytest.fixture
def put(stack: Stack) -> Callable[..., None]:
    """Puts an object into the bucket for recordings. `age`: how many seconds ago it was written."""
    s3 = client("s3", stack.endpoint)

    def put(key: str, body: bytes = b"RIFF" + b"\0" * 100, *, age: float = 0) -> None:
        bucket = stack.buckets["RecordingsBucket"]
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        if age:
            s3_backends[stack.account_id]["aws"].get_object(bucket, key).last_modified -= timedelta(seconds=age)

    return put


@pytest.fixture(params=["s3", "folder"])
def source(request: pytest.FixtureRequest, handlers: Handlers, stack: Stack, tmp_path: Path) -> SimpleNamespace:
    """An empty source, with `sync()` to scan it and `get(key)` to read the record of a file."""
    storage = Bucket(stack) if request.param == "s3" else Folder(tmp_path)
    handlers.overrides["RECORDINGS_PATH"] = storage.path
    return SimpleNamespace(
        put=storage.put,
        delete=storage.delete,
        path=storage.path,
        kind=request.param,
        get=lambda key: recordings.get(recording_id(storage.location, storage.prefix + key)),
        sync=lambda: sync_counts(handlers),
    )


@pytest.fixture
def list_recordings(handlers: Handlers) -> Callable[[], dict[str, Any]]:
    """Returns every recording as the API lists it, by file name."""

    def list_recordings() -> dict[str, Any]:
        response = handlers.api("GET", "/api/call-recordings", query="limit=500")
        return {item["path"].rsplit("/", 1)[-1]: item for item in response.json["items"]}

    return list_recordings


@pytest.fixture
def count_requests(monkeypatch):
    """Counts AWS requests within a block, by operation (DynamoDB) or by method and service."""

    @contextmanager
    def count_requests():
        requests, send = Counter[str](), URLLib3Session.send

        def count(self, request):
            target = request.headers.get("X-Amz-Target", b"")
            name = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
            requests[name or f"{request.method} S3"] += 1
            return send(self, request)

        with monkeypatch.context() as patch:
            patch.setattr(URLLib3Session, "send", count)
            yield requests

    return count_requests


@pytest.fixture
def lose_response(monkeypatch):
    """Carries out the next request of an operation, but loses the response."""

    def arm(operation):
        send, armed = URLLib3Session.send, [True]

        def send_and_lose(self, request):
            response = send(self, request)
            target = request.headers.get("X-Amz-Target", b"")
            if armed and operation.encode() in (target.encode() if isinstance(target, str) else target):
                armed.clear()
                raise ConnectionClosedError(endpoint_url=request.url)
            return response

        monkeypatch.setattr(URLLib3Session, "send", send_and_lose)

    return arm


@pytest.fixture(scope="module")
def second_engine() -> Iterator[tuple[str, dict[str, Any]]]:
    """The endpoint of dynalite, and the tables as the template declares them."""
    if reason := dynalite.unavailable_reason():
        pytest.skip(reason)
    with dynalite.serve_dynalite() as endpoint:
        yield endpoint, dynalite.read_table_definitions()


@pytest.fixture(scope="module")
def worker_processes(deployed: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambdas]:
    """Worker processes for all tests of a module, because starting one takes longer than most tests."""
    with killable_lambdas(deployed, tmp_path_factory.mktemp("state")) as lambdas:
        yield lambdas


@pytest.fixture
def workers(worker_processes: Lambdas, stack: Stack, handlers: Handlers, service: Any) -> KillableTasks:
    handlers.queue()  # configures the tables
    return KillableTasks(worker_processes, stack, handlers, service.url)
