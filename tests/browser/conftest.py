"""The admin page in a real Chromium, on a stack as `local up` serves it.

The tests of a module share one stack: a test that changes its data must leave what the others rely on.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from testing import chromium
from tests.browser import axe
from tests.browser.page_errors import PageErrors
from tests.browser.sample_calls import (
    BREAKS_THE_SERVER,
    GREETING,
    INTERNAL,
    NO_AUDIO,
    ORDER,
    SILENCE,
    STEREO,
    replies,
    write_long_call,
)
from tests.e2e.served import ServedStack, serve

PARAMETERS: dict[str, Any] = {
    "Channels": "caller-left",  # as in `local up --samples`: the stereo call has the speakers agent and caller
    "RecordingsPerRun": "10",
    "MaxAttempts": "5",
    "RetryBaseSeconds": "3600",  # no automatic retry becomes due while the tests run
}


def pytest_runtest_setup() -> None:
    """Skip before a stack is started."""
    if reason := chromium.unavailable_reason():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Module-scoped, because other tests need this thread's event loop."""
    with chromium.launch() as browser:
        yield browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, quick_service: Any, reply: Any) -> Iterator[ServedStack]:
    """Four completed calls (one silent, one stereo), two failed (one of them permanently), and one queued."""
    quick_service.choose_reply = replies(reply)
    state = tmp_path_factory.mktemp("state")
    with serve(state, quick_service.url, **PARAMETERS) as running:
        running.put(GREETING, INTERNAL, STEREO, SILENCE, BREAKS_THE_SERVER, NO_AUDIO)
        running.run("sync", "queue", "process")
        running.put(ORDER)
        running.run("sync", "queue")
        yield running


@pytest.fixture(scope="module")
def served_from_folder(
    tmp_path_factory: pytest.TempPathFactory, quick_service: Any, reply: Any
) -> Iterator[ServedStack]:
    """A stack with one completed call of six minutes in a folder. Modules that use it return it as `served`."""
    folder = tmp_path_factory.mktemp("recordings")
    write_long_call(folder)
    quick_service.choose_reply = replies(reply)
    with serve(tmp_path_factory.mktemp("state"), quick_service.url, folder=folder) as running:
        running.run("sync", "queue", "process")
        yield running


@pytest.fixture
def context(browser: Browser, served: ServedStack) -> Iterator[BrowserContext]:
    """A new browser profile."""
    with browser.new_context(
        base_url=served.url,
        viewport={"width": 1280, "height": 900},
        locale="en-GB",
        timezone_id="Europe/Berlin",
        reduced_motion="reduce",
    ) as context:
        context.set_default_timeout(chromium.TIMEOUT_MS)
        yield context


@pytest.fixture
def page_errors(context: BrowserContext, served: ServedStack) -> Iterator[PageErrors]:
    """The errors of all pages. At its end, the test fails for any that it has not declared with `expect`."""
    errors = PageErrors(context, served.url, served.stack.endpoint)
    yield errors
    errors.wait_for_expected()
    assert not (unexpected := errors.unexpected()), "\n".join(unexpected)


@pytest.fixture
def page(context: BrowserContext, page_errors: PageErrors) -> Page:
    """A new tab with an empty session."""
    return context.new_page()


@pytest.fixture
def violations() -> Callable[[Page], list[str]]:
    """Checks the accessibility of a page: `assert violations(page) == []`."""
    if reason := axe.unavailable_reason():
        pytest.skip(reason)
    return axe.violations
