"""What the admin page asks for: `python -m benchmarks.admin_page [--recordings N]`.

Requests and bytes of each view as they go over the wire, by Chromium's own count; the local stack has N recordings, in
tables of dynalite. It needs both. The minute that it waits is a real one.
"""

import argparse
import json
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import batched
from pathlib import Path
from typing import Any

from benchmarks import bucket
from benchmarks.measuring import PROCESSES

RECORDINGS = 100_000
FAILED, QUEUED, PENDING = 0.03, 0.01, 0.005
"""Parts of them that are not completed."""
ERRORS = (("not_audio", 415), ("service_error", 500), ("rejected", 422), ("timeout", None), ("connection_broken", None))
RUNS = 24 * 60
"""One of process for each minute of a day."""
PREVIEW = "Good morning. How can I help you? I want to change my hotel room. When will you arrive? "
IDLE_SECONDS = 60
SEEDERS = 2

COLUMNS = f"{'':46}{'requests':>9}{'kB':>8}{'elements':>10}{'seconds':>9}"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the page is served, and the key."""

    url: str
    key: str


@contextmanager
def stage(folder: Path, number: int) -> Iterator[Stage]:
    """The local stack with so many recordings."""
    from local.cloud.aws import serve_aws
    from local.cloud.client import CREDENTIALS, REGION, aws_client
    from local.cloud.stack import deploy
    from local.http_server import HttpServer
    from local.lambdas.front import Front
    from local.lambdas.pool import Lambdas
    from tests.integration.dynalite import ROOT, declared_tables, on_dynalite, serve_dynalite

    with serve_aws() as aws, serve_dynalite() as dynamodb:
        deployed = deploy(ROOT / "template.yaml", aws, {"WhisperXUrl": "http://127.0.0.1:9"})
        stack = on_dynalite(deployed, dynamodb, declared_tables())
        os.environ |= CREDENTIALS | {
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
            "NO_PROXY": "*",
            "RECORDINGS_TABLE": stack.tables["RecordingsTable"],
            "CONTROL_TABLE": stack.tables["ControlTable"],
            "RUNS_TABLE": stack.tables["RunsTable"],
            "TRANSCRIPTS_BUCKET": "none",
        }
        location = f"s3://{stack.buckets['RecordingsBucket']}"
        began = time.perf_counter()
        with ProcessPoolExecutor(SEEDERS, mp_context=PROCESSES) as pool:
            done = [pool.submit(seed, location, number, of) for of in range(SEEDERS)]
            counts = [each.result() for each in done]
            pool.submit(seed_runs).result()
        print(f"{sum(counts):,} recordings were written in {time.perf_counter() - began:.0f} s\n")
        server = HttpServer()
        with Lambdas(stack, folder, {"AWS_ENDPOINT_URL_LAMBDA": server.url}) as lambdas:
            server.start(Front(lambdas, "api"))
            secret = aws_client("secretsmanager", aws).get_secret_value(SecretId=stack.secrets["ApiKeySecret"])
            yield Stage(server.url, json.loads(secret["SecretString"])["default"])
            server.close()


def seed(location: str, number: int, of: int) -> int:
    """Writes every so manieth recording, from this one on, as the handlers would have left it; how many."""
    from callscribe.recording import source_hash
    from callscribe.store import models, recordings
    from local.cloud.client import aws_client

    models.bind(os.environ)
    dynamodb = aws_client("dynamodb", os.environ["AWS_ENDPOINT_URL_DYNAMODB"])
    mine = bucket.keys(number)[of::SEEDERS]
    chance, now = random.Random(of), datetime.now(UTC)  # noqa: S311 — the same ones each time
    for batch in batched(mine, 25, strict=False):
        requests = []
        for key in batch:
            made = recording(location, key, chance, now)
            model = models.RecordingModel(
                source_hash=source_hash(location),
                **recordings._attributes(made),  # noqa: SLF001 — `add` is one request for each
            )
            requests.append({"PutRequest": {"Item": model.serialize()}})
        answer = dynamodb.batch_write_item(RequestItems={os.environ["RECORDINGS_TABLE"]: requests})
        assert not answer["UnprocessedItems"]
    return len(mine)


def recording(location: str, key: str, chance: random.Random, now: datetime) -> Any:
    """In one of the statuses, which it came into when the call was over."""
    from callscribe import phone_systems, transitions
    from callscribe.clock import iso
    from callscribe.recording import AudioInfo, Failure, Status, TranscriptRef

    metadata = phone_systems.read(key)
    spoken = float(int(key.rpartition("-")[2].partition(".")[0]))
    at = datetime.fromtimestamp(spoken, UTC)
    made = transitions.new(
        location, key, size=chance.randrange(40_000, 4_000_000), etag="0" * 32, modified_at=at, now=at,
        metadata=metadata, recorded_at=at,
    )  # fmt: skip
    duration = made.size / 16_000
    made = replace(made, audio=AudioInfo(codec="pcm_s16le", duration=duration, sample_rate=8000, channels=1))
    which = chance.random()
    if which < PENDING:
        return made
    if which < PENDING + QUEUED:
        line = transitions.queued_position(now, iso(at))
        return replace(made, status=Status.QUEUED, position=line, queue_position=line, status_since=now)
    if which < PENDING + QUEUED + FAILED:
        code, status = chance.choice(ERRORS)
        error = Failure(code=code, message=f"What {code} is, in words.", at=at, retryable=False, status=status)
        place = transitions.final_position(at)
        return replace(made, status=Status.FAILED, position=place, status_since=at, attempts=5, error=error)
    stored = TranscriptRef(
        version=f"{at:%Y%m%dT%H%M%S}000000-0a1b2c",
        language="en",
        duration=duration,
        preview=PREVIEW * 2,
        no_speech=False,
    )
    done = at + timedelta(minutes=1)
    return replace(made, status=Status.COMPLETED, position=iso(done), status_since=done, attempts=1, transcript=stored)


def seed_runs() -> None:
    """Writes a day of runs of process, and counts the completed once, as such a run does."""
    from callscribe.run import Outcome, Run, Task
    from callscribe.store import counts, models, runs

    models.bind(os.environ)
    now = datetime.now(UTC)
    for minute in range(RUNS):
        at = now - timedelta(minutes=minute, seconds=5)
        done = {"claimed": 1, "completed": 1, "audio_seconds": 90}
        runs.save(
            Run(
                id=runs.new_id(at), task=Task.PROCESS, trigger="schedule", started_at=at, ends_by=at,
                outcome=Outcome.SUCCEEDED, finished_at=at + timedelta(seconds=3), counts=done,
            )
        )  # fmt: skip
    counts.advance_checkpoint(now)


class Wire:
    """What a page of Chromium has received, without what it had in its cache."""

    def __init__(self, page: Any) -> None:
        self._cached: set[str] = set()
        self._received: dict[str, int] = {}
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.requestServedFromCache", lambda told: self._cached.add(told["requestId"]))
        session.on("Network.responseReceived", self._response)
        session.on("Network.loadingFinished", self._finished)
        session.on("Network.loadingFailed", self._finished)

    def _response(self, told: Mapping[str, Any]) -> None:
        response = told["response"]
        if response.get("fromDiskCache") or not response["url"].startswith("http"):
            self._cached.add(told["requestId"])

    def _finished(self, told: Mapping[str, Any]) -> None:
        self._received[told["requestId"]] = int(told.get("encodedDataLength", 0))

    def taken(self) -> tuple[int, int]:
        """Requests and bytes since this was asked the last time."""
        counted = [size for request, size in self._received.items() if request not in self._cached]
        self._received.clear()
        return len(counted), sum(counted)


class Bench:
    """A page, measured at each step."""

    def __init__(self, page: Any, at: Stage) -> None:
        self.page, self.at = page, at
        self.wire = Wire(page)

    def step(self, what: str, do: Callable[[], object]) -> None:
        """Does it, and shows what it took until everything is there."""
        from tests.browser.admin import settled

        self.wire.taken()
        began = time.perf_counter()
        do()
        settled(self.page)
        seconds = time.perf_counter() - began
        self.page.wait_for_load_state("networkidle")
        self.show(what, seconds)

    def show(self, what: str, seconds: float) -> None:
        requests, size = self.wire.taken()
        elements = self.page.evaluate("() => document.querySelectorAll('*').length")
        print(f"{what:46}{requests:9}{size / 1000:8.1f}{elements:10}{seconds:9.1f}", flush=True)

    def sign_in(self, address: str) -> Callable[[], None]:
        from tests.browser.admin import arrive

        return lambda: arrive(self.page, self.at, address)

    def link(self, name: str) -> Callable[[], None]:
        return self.page.get_by_role("link", name=re.compile(f"^{name}( |$)")).first.click

    def count(self, address: str) -> Callable[[], None]:
        """Until it is told how many there are, which may take longer than a page of them."""
        from playwright.sync_api import expect

        def count() -> None:
            self.page.goto(address)
            expect(self.page.get_by_role("status").filter(has_text="recordings")).to_be_visible(timeout=60_000)

        return count

    def search(self, text: str) -> Callable[[], None]:
        def search() -> None:
            field = self.page.get_by_role("searchbox")
            field.fill(text)
            field.press("Enter")
            self.page.wait_for_function("() => location.search.includes('search=')")

        return search


def visits(browser: Any, at: Stage) -> None:
    """The first and the second of somebody, to two views, and how both keep up to date in a minute."""
    waiting = []
    for name, address in (("overview", "/admin"), ("recordings", "/admin/recordings")):
        context = browser.new_context(base_url=at.url, viewport={"width": 1280, "height": 900})
        context.set_default_timeout(60_000)
        first = Bench(context.new_page(), at)
        first.step(f"{name}: first visit, with signing in", first.sign_in(address))
        second = Bench(context.new_page(), at)
        second.step(f"{name}: second visit, with signing in", second.sign_in(address))
        second.page.close()
        waiting.append((name, first))
    for _, bench in waiting:
        bench.wire.taken()
    waiting[0][1].page.wait_for_timeout(1000 * IDLE_SECONDS)
    for name, bench in waiting:
        bench.show(f"{name}: a minute of nothing", IDLE_SECONDS)
        bench.page.context.close()


def views(browser: Any, at: Stage) -> None:
    """One after the other, in one tab."""
    with browser.new_context(base_url=at.url, viewport={"width": 1280, "height": 900}) as context:
        context.set_default_timeout(60_000)
        bench = Bench(context.new_page(), at)
        page = bench.page
        bench.step("overview", bench.sign_in("/admin"))
        bench.step("recordings", bench.link("Recordings"))
        bench.step("  next page", bench.link("Next page"))
        bench.step("  and the next", bench.link("Next page"))
        bench.step("  failed ones", lambda: page.get_by_label("Status").select_option("failed"))
        bench.step("  with one error", lambda: page.goto("/admin/recordings?status=failed&errorCode=timeout"))
        bench.step("  of one day", lambda: page.goto("/admin/recordings?from=2026-02-03&to=2026-02-03"))
        bench.step("  with a direction", lambda: page.goto("/admin/recordings?direction=inbound"))
        bench.step("  and how many they are", bench.count("/admin/recordings?direction=outbound"))
        bench.step("  all again", bench.link("Recordings"))
        bench.step("  search: last four digits", bench.search("0143"))
        bench.step("  search: a whole number", bench.search("02079460000"))
        bench.step("  search: the beginning of a name", bench.search("rg-600-"))
        bench.step("  search: what there is not", bench.search("zzzz"))
        bench.step("failures", bench.link("Failures"))
        bench.step("  those of one error", bench.link("Show them"))
        bench.step("one recording", page.get_by_role("link", name="→").first.click)
        bench.step("scheduler", bench.link("Scheduler"))
        bench.step("calls", bench.link("Calls"))
        bench.step("settings", bench.link("Settings"))


def main() -> None:
    from tests.browser import chromium
    from tests.integration import dynalite

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=RECORDINGS, metavar="N", help="in the tables (%(default)s)")
    number = parser.parse_args().recordings
    if reason := chromium.why_not() or dynalite.why_not():
        parser.exit(1, f"{reason}\n")
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder), number) as at, chromium.launch() as browser:
        print(COLUMNS)
        visits(browser, at)
        print()
        views(browser, at)


if __name__ == "__main__":
    main()
