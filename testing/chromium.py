"""The Chromium of this machine, driven by Playwright, whose own browsers would have to come from elsewhere."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from testing.waiting import LIMIT_SECONDS

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATH_VARIABLE = "CALLSCRIBE_CHROMIUM"
FLAGS = (
    "--headless",
    "--no-sandbox",  # which root has not, nor most containers
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT_MS = LIMIT_SECONDS * 1000
"""For what is to come on the page: functions may have to start first, on a machine that is busy with other tests."""


def find_executable() -> str | None:
    """Where it is: what the variable names, or the first that is on the PATH."""
    configured_path = os.environ.get(PATH_VARIABLE)
    return next(filter(None, map(shutil.which, [configured_path] if configured_path else NAMES)), None)


def unavailable_reason() -> str | None:
    """Why there is none, or None."""
    if find_executable():
        return None
    if configured_path := os.environ.get(PATH_VARIABLE):
        return f"{PATH_VARIABLE} names {configured_path}, which cannot be run"
    return f"the browser tests want Chromium: apt-get install chromium, or say where it is with {PATH_VARIABLE}"


@contextmanager
def launch() -> Iterator[Browser]:
    """One process of it. Until the end, Playwright's event loop runs in this thread, which can have no other."""
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_executable(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
