"""Counts the requests to AWS of each operation, warm, with the real handlers on moto."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from benchmarks.budgets import Row, compare
from benchmarks.upload import make_wav

LIST_PATH = "/api/call-recordings"
UPDATE = "UpdateItem"


@dataclass(frozen=True, slots=True)
class RequestsFixture:
    """The four handlers, the location of their recordings bucket, `put` to upload a recording, and the API's key."""

    handlers: Any
    location: str
    put: Callable[[str], object]
    key: str

    def get(self, path: str = "", query: str = "") -> Any:
        response = self.handlers.api("GET", f"{LIST_PATH}{path}", query=query, key=self.key)
        assert response.status == 200, response.body
        return response.json


def measure(pending: int) -> list[Row]:
    with run_fixture() as fixture:
        return [
            *measure_process(fixture),
            *measure_sync(fixture),
            *measure_queue(fixture, pending),
            *measure_api(fixture),
        ]


@contextmanager
def run_fixture() -> Iterator[RequestsFixture]:
    import pytest

    from local.cloud.aws import serve_aws
    from local.cloud.client import aws_client
    from local.cloud.stack import deploy
    from testing.handlers import ROOT, Handlers, read_api_key
    from testing.scripted_service import ScriptedService

    service = ScriptedService()
    with serve_aws() as aws, pytest.MonkeyPatch.context() as patch:
        stack = deploy(ROOT / "template.yaml", aws, {"WhisperXUrl": service.url})
        s3, bucket = aws_client("s3", aws), stack.buckets["RecordingsBucket"]
        yield RequestsFixture(
            Handlers(stack, patch),
            f"s3://{bucket}",
            lambda name: s3.put_object(Bucket=bucket, Key=name, Body=make_wav(8000)),
            read_api_key(stack),
        )
    service.stop()


def measure_process(fixture: RequestsFixture) -> list[Row]:
    for number in range(2):
        fixture.put(f"{number}.wav")
    fixture.handlers.sync()
    fixture.handlers.queue()
    fixture.handlers.process()  # warm-up: creates the clients and reads the key of the WhisperX server
    one, run = count_requests(fixture.handlers.process)
    assert run["counts"]["completed"] == 1, run
    nothing_to_do, run = count_requests(fixture.handlers.process)
    assert (run["status"], run["counts"]["completed"]) == ("succeeded", 0), run
    return [
        compare("requests.recording", one.total(), format_counts(one)),
        Row("process with nothing to do", nothing_to_do.total(), "requests", format_counts(nothing_to_do)),
    ]


def measure_sync(fixture: RequestsFixture) -> list[Row]:
    nothing_new, _ = count_requests(fixture.handlers.sync)
    fixture.put("new.wav")
    one_new, run = count_requests(fixture.handlers.sync)
    assert run["counts"]["added"] == 1, run
    extra = Counter({name: one_new[name] - nothing_new[name] for name in one_new | nothing_new})
    return [
        compare("requests.new", extra.total(), format_counts(extra)),
        Row("sync with nothing new", nothing_new.total(), "requests", format_counts(nothing_new)),
    ]


def measure_queue(fixture: RequestsFixture, pending: int) -> list[Row]:
    fixture.handlers.queue()  # so that no other recording is pending
    seed(fixture.location, pending)
    queue, run = count_requests(fixture.handlers.queue)
    assert run["counts"]["queued"] == pending, run
    others = Counter({name: number for name, number in queue.items() if name != UPDATE})
    return [
        compare("requests.updates", queue[UPDATE] / pending, f"{queue[UPDATE]:,} of {pending:,}"),
        compare("requests.queue", others.total(), format_counts(others)),
    ]


def measure_api(fixture: RequestsFixture) -> list[Row]:
    fixture.get("/count")  # warm-up: reads the API's keys
    listing, page = count_requests(lambda: fixture.get(query="limit=100"))
    assert len(page["items"]) == 100, page
    one, _ = count_requests(lambda: fixture.get(f"/{page['items'][0]['id']}"))
    summary, counts = count_requests(lambda: fixture.get("/status-summary"))
    assert counts["total"] >= 100, counts
    return [
        compare("requests.list", listing.total(), format_counts(listing)),
        compare("requests.one", one.total(), format_counts(one)),
        compare("requests.summary", summary.total(), format_counts(summary)),
    ]


def count_requests[T](action: Callable[[], T]) -> tuple[Counter[str], T]:
    """Run `action`; return the requests of this process by operation (by HTTP method for S3), and the result."""
    from botocore.httpsession import URLLib3Session

    requests: Counter[str] = Counter()
    send = URLLib3Session.send

    def count(session: Any, request: Any) -> Any:
        target = request.headers.get("X-Amz-Target", b"")
        name = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        requests[name or f"{request.method} S3"] += 1
        return send(session, request)

    with mock.patch.object(URLLib3Session, "send", count):
        return requests, action()


def format_counts(requests: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(requests.items()) if number)


def seed(location: str, number: int) -> None:
    """Create pending recordings as sync does, each a second older than the previous one."""
    from callscribe.recordings import transitions
    from callscribe.recordings.recording import source_hash
    from callscribe.store import recordings
    from callscribe.store.tables import RecordingModel

    now = datetime.now(UTC)
    with RecordingModel.batch_write() as batch:
        for age in range(number):
            recorded_at = now - timedelta(seconds=age)
            recording = transitions.create(
                location, f"seeded-{age}.wav", size=1, etag=None, modified_at=recorded_at, now=now
            )
            attributes = recordings._to_attributes(recording)  # noqa: SLF001 — `create` sends one request for each
            batch.save(RecordingModel(source_hash=source_hash(location), **attributes))
