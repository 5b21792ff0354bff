"""The Chromium of this machine, driven by Playwright, whose own browsers would have to come from elsewhere."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from testing.waiting import LIMIT_SECONDS

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
VARIABLE = "CALLSCRIBE_CHROMIUM"
FLAGS = (
    "--headless",
    "--no-sandbox",  # which root has not, nor most containers
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = LIMIT_SECONDS * 1000
"""For what is to come on the page: functions may have to start first, on a machine that is busy with other tests."""


def executable() -> str | None:
    """Where it is: what the variable names, or the first that is on the PATH."""
    named = os.environ.get(VARIABLE)
    return next(filter(None, map(shutil.which, [named] if named else NAMES)), None)


def why_not() -> str | None:
    """Why there is none, or None."""
    if executable():
        return None
    if named := os.environ.get(VARIABLE):
        return f"{VARIABLE} names {named}, which cannot be run"
    return f"the browser tests want Chromium: apt-get install chromium, or say where it is with {VARIABLE}"


@contextmanager
def launch() -> Iterator[Browser]:
    """One process of it. Until the end, Playwright's event loop runs in this thread, which can have no other."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
