"""Drives the installed Chromium with Playwright, instead of a browser that Playwright would download."""

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
    "--no-sandbox",  # neither root nor most containers have a sandbox
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT_MS = LIMIT_SECONDS * 1000
"""For elements to appear: functions may have to start first, on a machine that is busy with other tests."""


def find_executable() -> str | None:
    """Return the executable in the environment variable, or the first one on the PATH."""
    configured_path = os.environ.get(PATH_VARIABLE)
    return next(filter(None, map(shutil.which, [configured_path] if configured_path else NAMES)), None)


def unavailable_reason() -> str | None:
    """Return why the browser tests cannot run here, or None if they can."""
    if find_executable():
        return None
    if configured_path := os.environ.get(PATH_VARIABLE):
        return f"{PATH_VARIABLE} is {configured_path}, which is not an executable"
    return f"the browser tests need Chromium: apt-get install chromium, or set {PATH_VARIABLE} to its path"


@contextmanager
def launch() -> Iterator[Browser]:
    """Start one browser process. Playwright's event loop runs in this thread meanwhile, so no other loop can."""
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_executable(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
