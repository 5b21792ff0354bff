"""How the local stack copes with many recordings: `python -m benchmarks.local_stack [N …] [--without-patch]`.

For each number it starts the stack as `local up` does, with the simulated AWS in a process of its own, stores that many
recordings, sends the requests of the admin page, and prints the seconds, the responses and the memory of the AWS.
`--without-patch` uses moto as it is, for comparison.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import requests

from benchmarks.process_stats import SPAWN_CONTEXT
from local.cloud.stack import Stack

NUMBERS = (5000, 20_000)
ROUNDS = 3
TIMEOUT_SECONDS = 120
LOCATION, VERSION = "s3://seeded", "20261130T000000000000-x"
QUEUED, FAILED = 20, 50
"""One of this many recordings is queued, and one of this many has failed; the others are completed."""
SPACING = timedelta(seconds=60)
"""Between two calls."""
REQUESTS = {
    "status summary": ("call-recordings/status-summary", {}),
    "list, first 50": ("call-recordings", {"limit": "50"}),
    "list, 50 failed": ("call-recordings", {"limit": "50", "transcriptionStatus": "failed"}),
    "search by number": ("call-recordings", {"limit": "50", "phoneNumber": "2025500143"}),
    "search by call ID": ("call-recordings", {"limit": "50", "search": "1795012210.77"}),
    "search, many similar": ("call-recordings", {"limit": "50", "search": "1795012210.100"}),
    "search by name": ("call-recordings", {"limit": "50", "search": "in-2025550"}),
    "count by direction": ("call-recordings/count", {"direction": "inbound"}),
    "overview: tasks": ("scheduler/tasks", {}),
    "overview: activity": ("call-recordings/activity", {}),
    "overview: failures": ("call-recordings/failure-summary", {}),
    "overview: runs": ("scheduler/runs", {"limit": "10"}),
}
"""What the admin page requests, by name: the path and the query."""


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.local_stack", description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, default=NUMBERS, metavar="N", help="numbers of recordings")
    parser.add_argument("--without-patch", action="store_true", help="use moto as it is")
    arguments = parser.parse_args()
    for number in arguments.numbers:
        measure(number, patched=not arguments.without_patch)
    return 0


def measure(number: int, *, patched: bool) -> None:
    """Print the figures for one number of recordings."""
    from local.cloud.secrets import read_api_key
    from local.cloud.stack import deploy
    from local.http_server import HttpServer
    from local.lambdas.gateway import LocalGateway
    from local.lambdas.pool import Lambdas
    from local.lambdas.worker_process import ROOT

    with run_aws(patched=patched) as (endpoint, process_id), TemporaryDirectory() as folder:
        stack = deploy(ROOT / "template.yaml", endpoint, {"WhisperXUrl": "http://127.0.0.1:9"})
        seconds = _measure_seconds(lambda: seed(stack, number))
        print(f"\n{number:,} recordings, stored in {seconds:.0f} s; AWS uses {_memory_mb(process_id, 'VmRSS'):,.0f} MB")
        server = HttpServer()
        with Lambdas(stack, Path(folder), {"AWS_ENDPOINT_URL_LAMBDA": server.url}) as lambdas:
            server.start(LocalGateway(lambdas, "api"))
            session = requests.Session()
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {read_api_key(endpoint, stack.secrets['ApiKeySecret'])}"
            session.get(f"{server.url}/health", timeout=TIMEOUT_SECONDS)  # starts a worker
            for name, (path, query) in REQUESTS.items():
                responses = [_send(session, f"{server.url}/api/{path}", query) for _ in range(ROUNDS)]
                statuses = ", ".join(sorted({str(status) for status, _ in responses}))
                print(f"  {name:<20} {median(seconds for _, seconds in responses):8.2f} s   {statuses}", flush=True)
            print(f"  {'list, all pages':<20} {_list_all(session, server.url, number)}")
        server.close()
        print(
            f"  AWS uses {_memory_mb(process_id, 'VmRSS'):,.0f} MB, at most {_memory_mb(process_id, 'VmHWM'):,.0f} MB"
        )


def seed(stack: Stack, number: int, *, completed_only: bool = False) -> None:
    """Store recordings as the functions would, the newest now: most completed, some queued, some failed."""
    import os

    from callscribe.store import recordings, tables
    from callscribe.store.tables import RecordingModel
    from local.lambdas.pool import lambda_environment

    os.environ |= lambda_environment(stack.function("sync"), stack)
    tables.configure(os.environ)
    now = datetime.now(UTC)
    with RecordingModel.batch_write() as batch:
        for index in range(number):
            recording = _make_recording(index, now - SPACING * index, now, completed_only)
            attributes = recordings._to_attributes(recording)  # noqa: SLF001 — `create` sends one request for each
            batch.save(RecordingModel(source_hash=stack.tables["RecordingsTable"], **attributes))


def _make_recording(index: int, recorded_at: datetime, now: datetime, completed_only: bool) -> Any:
    from callscribe.call_metadata.metadata import CallMetadata, Direction
    from callscribe.clock import to_iso
    from callscribe.errors import RetryableError
    from callscribe.recordings import transitions
    from callscribe.recordings.recording import AudioInfo, Status, TranscriptRef, queued_sort_key, terminal_sort_key
    from callscribe.recordings.retry_policy import to_failure

    caller = f"20255{index % 1000:05d}"
    key = f"{recorded_at:%Y/%m/%d}/in-2025550100-{caller}-{recorded_at:%Y%m%d-%H%M%S}-1795012210.{index}.wav"
    metadata = CallMetadata(
        direction=Direction.INBOUND, caller=caller, callee="2025550100", call_id=f"1795012210.{index}"
    )
    recording = transitions.create(
        LOCATION, key, size=480_000, etag='"0"', modified_at=recorded_at, now=now, metadata=metadata,
        recorded_at=recorded_at,
    )  # fmt: skip
    recording = replace(recording, audio=AudioInfo(codec="pcm_s16le", duration=30.0, sample_rate=8000, channels=2))
    if not completed_only and index % QUEUED == 0:
        sort_key = queued_sort_key(now, to_iso(recorded_at))
        return replace(recording, status=Status.QUEUED, sort_key=sort_key, queue_sort_key=sort_key)
    if not completed_only and index % FAILED == 1:
        error = to_failure(RetryableError("The WhisperX server failed (500).", code="service_error"), now)
        return replace(recording, status=Status.FAILED, sort_key=terminal_sort_key(now), attempts=5, error=error)
    transcript = TranscriptRef(
        version="20261130T000000000000-x",
        language="en",
        duration=30.0,
        preview="thank you for calling",
        no_speech=False,
    )
    return replace(recording, status=Status.COMPLETED, sort_key=to_iso(recorded_at), attempts=1, transcript=transcript)


def _list_all(session: requests.Session, url: str, number: int) -> str:
    query, count, pages, started_at = {"limit": "500"}, 0, 0, time.monotonic()
    while True:
        response = session.get(f"{url}/api/call-recordings", params=query, timeout=TIMEOUT_SECONDS)
        if not response.ok:
            return f"failed with {response.status_code} after {count:,} of {number:,}"
        page = response.json()
        count, pages = count + len(page["items"]), pages + 1
        if page["nextCursor"] is None:
            return f"{time.monotonic() - started_at:8.2f} s   {pages} pages, {count:,} recordings"
        query["cursor"] = page["nextCursor"]


def _send(session: requests.Session, url: str, query: dict[str, str]) -> tuple[int, float]:
    started_at = time.monotonic()
    response = session.get(url, params=query, timeout=TIMEOUT_SECONDS)
    return response.status_code, time.monotonic() - started_at


def _measure_seconds(action: Callable[[], None]) -> float:
    started_at = time.monotonic()
    action()
    return time.monotonic() - started_at


def _memory_mb(process_id: int, name: str) -> float:
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1000


@contextmanager
def run_aws(*, patched: bool = True) -> Iterator[tuple[str, int]]:
    """Run the simulated AWS in a process of its own, and yield its endpoint and its process ID."""
    addresses = SPAWN_CONTEXT.Queue()
    process = SPAWN_CONTEXT.Process(target=_serve, args=(addresses, patched), daemon=True)
    process.start()
    try:
        yield addresses.get(timeout=TIMEOUT_SECONDS), process.pid or 0
    finally:
        process.terminate()
        process.join()


def _serve(addresses: Any, patched: bool) -> None:
    from local.cloud import dynamodb

    if not patched:
        dynamodb.PATCHES = ()
    from local.cloud.aws import serve_aws

    with serve_aws() as endpoint:
        addresses.put(endpoint)
        time.sleep(1 << 20)


if __name__ == "__main__":
    sys.exit(main())
