"""Takes the screenshots of docs/admin.md, of a stack that it fills itself: `python -m tests.browser.screenshots`.

With a folder as its argument, it takes screenshots of every view and writes them there.
"""

import re
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Page, ViewportSize, expect

from testing.chromium import TIMEOUT_MS, launch
from testing.scripted_service import Reply, ScriptedService
from tests.browser.admin import sign_in, wait_until_loaded
from tests.browser.recordings import call_name, recording_address, upload
from tests.browser.sample_calls import BREAKS_THE_SERVER, GREETING, INTERNAL, NO_AUDIO, ORDER, STEREO, audio, replies
from tests.e2e.served import ServedStack, serve

DOCS = Path(__file__).parents[2] / "docs"
DOCS_VIEWS = ("overview", "recording", "failures")
VIEWPORT: ViewportSize = {"width": 1280, "height": 900}
PARAMETERS: dict[str, Any] = {
    "Channels": "caller-left",
    "RecordingsPerRun": "200",
    "MaxAttempts": "5",
    "RetryBaseSeconds": "3600",
}

SAMPLES = (*3 * (GREETING, INTERNAL, STEREO, ORDER), BREAKS_THE_SERVER, GREETING, NO_AUDIO, ORDER, BREAKS_THE_SERVER)
EMPTY_WAV = audio(GREETING)[:44]


def fill(served: ServedStack, now: datetime) -> None:
    """Recordings in all statuses but processing, failures of two kinds, and incomplete files."""
    calls = {
        call_name(f"20255501{10 + n % 90}", now - timedelta(minutes=7 * n)): audio(sample)
        for n, sample in enumerate(islice(cycle(SAMPLES), 60))
    }
    names = iter(calls)
    served.put(STEREO)
    upload(served, {name: calls[name] for name in islice(names, 48)})
    served.run("sync", "queue", "process")
    upload(served, {name: calls[name] for name in islice(names, 8)})
    served.run("sync", "queue")
    upload(served, {name: calls[name] for name in names})
    upload(served, {call_name(f"202555018{n}", now - timedelta(minutes=n)): (b"", EMPTY_WAV)[n % 2] for n in range(7)})
    served.run("sync")


def take_screenshots(served: ServedStack, folder: Path | None) -> None:
    addresses = {
        "overview": "/admin",
        "recordings": "/admin/recordings",
        "recording": recording_address(served, STEREO),
        "failures": "/admin/failures",
        "scheduler": "/admin/scheduler",
        "server-requests": "/admin/server-requests",
        "settings": "/admin/settings",
    }
    with launch() as browser:
        for scheme in ("light", "dark"):
            context = browser.new_context(base_url=served.url, viewport=VIEWPORT, color_scheme=scheme, locale="en-GB")
            context.set_default_timeout(TIMEOUT_MS)
            page = context.new_page()
            sign_in(page, served)
            for name in addresses if folder else DOCS_VIEWS:
                page.goto(addresses[name])
                wait_until_loaded(page)
                expect(page.get_by_role("link", name=re.compile(r"Failures \d+"))).to_be_visible()
                if name == "overview":
                    expect(page.get_by_text("every 5 minutes")).to_be_visible()
                if name == "recording":
                    highlight_segment(page)
                path = folder / f"{name}-{scheme}.png" if folder else DOCS / f"admin-{name}-{scheme}.png"
                page.screenshot(path=path, full_page=True)
            context.close()


def highlight_segment(page: Page) -> None:
    """Start playback at a segment, and pause."""
    page.get_by_role("button", name="Play from").nth(2).click()
    expect(page.locator("[aria-current=true]")).to_be_visible()
    page.evaluate("document.querySelector('audio').pause()")


def main(folder: str | None = None) -> None:
    service = ScriptedService()
    service.choose_reply = replies(Reply)
    with ExitStack() as stack:
        stack.callback(service.stop)
        state = Path(stack.enter_context(TemporaryDirectory()))
        served = stack.enter_context(serve(state, service.url, **PARAMETERS))
        fill(served, datetime.now(UTC))
        take_screenshots(served, Path(folder) if folder else None)


if __name__ == "__main__":
    main(*sys.argv[1:])
