"""What the admin page asks for, with N recordings in the tables.

Requests and bytes of each view as they go over the wire, by Chromium's own count; the local stack has its tables
in dynalite. It needs both. The minute that it waits is a real one.
"""

import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.budgets import Row
from benchmarks.many_recordings import seed, seed_runs
from benchmarks.measuring import PROCESSES

IDLE_SECONDS = 60
SEEDERS = 2


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
    from testing.dynalite import ROOT, declared_tables, on_dynalite, serve_dynalite

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
            done = [pool.submit(seed, location, number, of, SEEDERS) for of in range(SEEDERS)]
            counts = [each.result() for each in done]
            pool.submit(seed_runs).result()
        print(f"{sum(counts):,} recordings were written in {time.perf_counter() - began:.0f} s", flush=True)
        server = HttpServer()
        with Lambdas(stack, folder, {"AWS_ENDPOINT_URL_LAMBDA": server.url}) as lambdas:
            server.start(Front(lambdas, "api"))
            secret = aws_client("secretsmanager", aws).get_secret_value(SecretId=stack.secrets["ApiKeySecret"])
            yield Stage(server.url, json.loads(secret["SecretString"])["default"])
            server.close()


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
    """A page, measured at each step; `rows` are what it took so far."""

    def __init__(self, page: Any, at: Stage, rows: list[Row]) -> None:
        self.page, self.at, self.rows = page, at, rows
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
        """Shows what was asked for since the last time."""
        requests, size = self.wire.taken()
        elements = self.page.evaluate("() => document.querySelectorAll('*').length")
        told = f"{size / 1000:.1f} kB, {elements} elements, {seconds:.1f} s"
        print(f"{what:46}{requests:9} requests, {told}", flush=True)
        self.rows.append(Row(f"admin page, {what}", requests, "requests", told))

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


def visits(browser: Any, at: Stage, rows: list[Row]) -> None:
    """The first and the second of somebody, to two views, and how both keep up to date in a minute."""
    waiting = []
    for name, address in (("overview", "/admin"), ("recordings", "/admin/recordings")):
        context = browser.new_context(base_url=at.url, viewport={"width": 1280, "height": 900})
        context.set_default_timeout(60_000)
        first = Bench(context.new_page(), at, rows)
        first.step(f"{name}, first visit, with signing in", first.sign_in(address))
        second = Bench(context.new_page(), at, rows)
        second.step(f"{name}, second visit, with signing in", second.sign_in(address))
        second.page.close()
        waiting.append((name, first))
    for _, bench in waiting:
        bench.wire.taken()
    waiting[0][1].page.wait_for_timeout(1000 * IDLE_SECONDS)
    for name, bench in waiting:
        bench.show(f"{name}, a minute of nothing", IDLE_SECONDS)
        bench.page.context.close()


def views(browser: Any, at: Stage, rows: list[Row]) -> None:
    """One after the other, in one tab."""
    with browser.new_context(base_url=at.url, viewport={"width": 1280, "height": 900}) as context:
        context.set_default_timeout(60_000)
        bench = Bench(context.new_page(), at, rows)
        page = bench.page
        bench.step("overview", bench.sign_in("/admin"))
        bench.step("recordings", bench.link("Recordings"))
        bench.step("recordings, next page", bench.link("Next page"))
        bench.step("recordings, the page after", bench.link("Next page"))
        bench.step("recordings, failed ones", lambda: page.get_by_label("Status").select_option("failed"))
        bench.step("recordings, with one error", lambda: page.goto("/admin/recordings?status=failed&errorCode=timeout"))
        bench.step("recordings, of one day", lambda: page.goto("/admin/recordings?from=2026-02-03&to=2026-02-03"))
        bench.step("recordings, with a direction", lambda: page.goto("/admin/recordings?direction=inbound"))
        bench.step("recordings with a direction, counted", bench.count("/admin/recordings?direction=outbound"))
        bench.step("recordings, all again", bench.link("Recordings"))
        bench.step("recordings, search: last four digits", bench.search("0143"))
        bench.step("recordings, search: a whole number", bench.search("02079460000"))
        bench.step("recordings, search: the beginning of a name", bench.search("rg-600-"))
        bench.step("recordings, search: what there is not", bench.search("zzzz"))
        bench.step("failures", bench.link("Failures"))
        bench.step("recordings of one error, from there", bench.link("Show them"))
        bench.step("one recording", page.get_by_role("link", name="→").first.click)
        bench.step("scheduler", bench.link("Scheduler"))
        bench.step("calls", bench.link("Calls"))
        bench.step("settings", bench.link("Settings"))


def why_not() -> str | None:
    from testing import chromium, dynalite

    return chromium.why_not() or dynalite.why_not()


def measure(number: int) -> list[Row]:
    from testing import chromium

    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder), number) as at, chromium.launch() as browser:
        visits(browser, at, rows)
        views(browser, at, rows)
    return rows
