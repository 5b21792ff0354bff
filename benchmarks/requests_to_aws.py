"""How many requests to AWS each thing costs, warm, by the real handlers on moto: counted where they leave."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from benchmarks.budgets import Row, compare
from benchmarks.upload import wav

LIST = "/api/call-recordings"
UPDATE = "UpdateItem"


@dataclass(frozen=True, slots=True)
class Stage:
    """The four handlers, a bucket that is their source, and the key of the API."""

    handlers: Any
    location: str
    put: Callable[[str], object]
    key: str

    def ask(self, path: str = "", query: str = "") -> Any:
        answer = self.handlers.api("GET", f"{LIST}{path}", query=query, key=self.key)
        assert answer.status == 200, answer.body
        return answer.json


def measure(pending: int) -> list[Row]:
    with stage() as on:
        return [*of_process(on), *of_sync(on), *of_queue(on, pending), *of_the_api(on)]


@contextmanager
def stage() -> Iterator[Stage]:
    import pytest

    from local.cloud.aws import serve_aws
    from local.cloud.client import aws_client
    from local.cloud.stack import deploy
    from testing.handlers import ROOT, Handlers, api_key
    from testing.scripted_service import ScriptedService

    service = ScriptedService()
    with serve_aws() as aws, pytest.MonkeyPatch.context() as patch:
        stack = deploy(ROOT / "template.yaml", aws, {"WhisperXUrl": service.url})
        s3, bucket = aws_client("s3", aws), stack.buckets["RecordingsBucket"]
        yield Stage(
            Handlers(stack, patch),
            f"s3://{bucket}",
            lambda name: s3.put_object(Bucket=bucket, Key=name, Body=wav(8000)),
            api_key(stack),
        )
    service.stop()


def of_process(on: Stage) -> list[Row]:
    for number in range(2):
        on.put(f"{number}.wav")
    on.handlers.sync()
    on.handlers.queue()
    on.handlers.process()  # warms up: clients and the key of the service are there
    one, run = cost(on.handlers.process)
    assert run["counts"]["completed"] == 1, run
    none, run = cost(on.handlers.process)
    assert (run["status"], run["counts"]["completed"]) == ("succeeded", 0), run
    return [
        compare("requests.recording", one.total(), in_words(one)),
        Row("process with nothing to do", none.total(), "requests", in_words(none)),
    ]


def of_sync(on: Stage) -> list[Row]:
    nothing_new, _ = cost(on.handlers.sync)
    on.put("new.wav")
    one_new, run = cost(on.handlers.sync)
    assert run["counts"]["added"] == 1, run
    more = Counter({name: one_new[name] - nothing_new[name] for name in one_new | nothing_new})
    return [
        compare("requests.new", more.total(), in_words(more)),
        Row("sync with nothing new", nothing_new.total(), "requests", in_words(nothing_new)),
    ]


def of_queue(on: Stage, pending: int) -> list[Row]:
    on.handlers.queue()  # so that nothing else is pending
    seed(on.location, pending)
    queue, run = cost(on.handlers.queue)
    assert run["counts"]["queued"] == pending, run
    others = Counter({name: number for name, number in queue.items() if name != UPDATE})
    return [
        compare("requests.updates", queue[UPDATE] / pending, f"{queue[UPDATE]:,} of {pending:,}"),
        compare("requests.queue", others.total(), in_words(others)),
    ]


def of_the_api(on: Stage) -> list[Row]:
    on.ask("/count")  # warms up: the API's keys are there
    listing, page = cost(lambda: on.ask(query="limit=100"))
    assert len(page["items"]) == 100, page
    one, _ = cost(lambda: on.ask(f"/{page['items'][0]['id']}"))
    summary, counts = cost(lambda: on.ask("/status-summary"))
    assert counts["total"] >= 100, counts
    return [
        compare("requests.list", listing.total(), in_words(listing)),
        compare("requests.one", one.total(), in_words(one)),
        compare("requests.summary", summary.total(), in_words(summary)),
    ]


def cost[T](do: Callable[[], T]) -> tuple[Counter[str], T]:
    """This process's requests while it is done, by operation, or by method where they have none; and the answer."""
    from botocore.httpsession import URLLib3Session

    requests: Counter[str] = Counter()
    send = URLLib3Session.send

    def count(session: Any, request: Any) -> Any:
        target = request.headers.get("X-Amz-Target", b"")
        name = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        requests[name or f"{request.method} S3"] += 1
        return send(session, request)

    with mock.patch.object(URLLib3Session, "send", count):
        return requests, do()


def in_words(requests: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(requests.items()) if number)


def seed(location: str, number: int) -> None:
    """Pending recordings, as sync leaves them; each call a second older than the one before."""
    from callscribe import transitions
    from callscribe.recording import source_hash
    from callscribe.store import recordings
    from callscribe.store.models import RecordingModel

    now = datetime.now(UTC)
    with RecordingModel.batch_write() as batch:
        for age in range(number):
            called = now - timedelta(seconds=age)
            new = transitions.new(location, f"seeded-{age}.wav", size=1, etag=None, modified_at=called, now=now)
            attributes = recordings._attributes(new)  # noqa: SLF001 — `add` is one request for each
            batch.save(RecordingModel(source_hash=source_hash(location), **attributes))
