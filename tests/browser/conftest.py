"""The admin page in a real Chromium, on the stack as `local up` serves it.

A module's tests share one stack; whoever changes what is in it must leave the others what they look for.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from testing import chromium
from tests.browser import axe
from tests.browser.calls import (
    BREAKS_THE_SERVER,
    GREETING,
    INTERNAL,
    NO_AUDIO,
    ORDER,
    SILENCE,
    STEREO,
    answers,
    write_long_call,
)
from tests.browser.complaints import Complaints
from tests.e2e.served import Served, serve

PARAMETERS: dict[str, Any] = {
    "Channels": "caller-left",  # as `local up --samples` has it: the stereo call is told by agent and caller
    "RecordingsPerRun": "10",
    "MaxAttempts": "5",
    "RetryBaseSeconds": "3600",  # what failed and will be tried again waits for it as long as the tests look
}


def pytest_runtest_setup() -> None:
    """Before any stack is made."""
    if reason := chromium.unavailable_reason():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests of a module and no longer: other tests want an event loop of their own in this thread."""
    with chromium.launch() as launched:
        yield launched


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, quick_service: Any, reply: Any) -> Iterator[Served]:
    """Four calls are completed (one is silent, one stereo), two failed (one for good), and one is queued."""
    quick_service.choose_reply = answers(reply)
    state = tmp_path_factory.mktemp("state")
    with serve(state, quick_service.url, **PARAMETERS) as running:
        running.put(GREETING, INTERNAL, STEREO, SILENCE, BREAKS_THE_SERVER, NO_AUDIO)
        running.run("sync", "queue", "process")
        running.put(ORDER)
        running.run("sync", "queue")
        yield running


@pytest.fixture(scope="module")
def served_from_folder(tmp_path_factory: pytest.TempPathFactory, quick_service: Any, reply: Any) -> Iterator[Served]:
    """With one completed call of six minutes that lies in a folder. For modules whose `served` is this one."""
    folder = tmp_path_factory.mktemp("recordings")
    write_long_call(folder)
    quick_service.choose_reply = answers(reply)
    with serve(tmp_path_factory.mktemp("state"), quick_service.url, folder=folder) as running:
        running.run("sync", "queue", "process")
        yield running


@pytest.fixture
def context(browser: Browser, served: Served) -> Iterator[BrowserContext]:
    """A person's browser that has never been here."""
    with browser.new_context(
        base_url=served.url,
        viewport={"width": 1280, "height": 900},
        locale="en-GB",
        timezone_id="Europe/Berlin",
        reduced_motion="reduce",
    ) as made:
        made.set_default_timeout(chromium.TIMEOUT_MS)
        yield made


@pytest.fixture
def complaints(context: BrowserContext, served: Served) -> Iterator[Complaints]:
    """What the page did that it must not do: the test fails at its end for any that it has not said to expect."""
    made = Complaints(context, served.url, served.stack.endpoint)
    yield made
    made.wait_for_expected()
    assert not (unexpected := made.unexpected()), "\n".join(unexpected)


@pytest.fixture
def page(context: BrowserContext, complaints: Complaints) -> Page:
    """A new tab, with nothing in its session."""
    return context.new_page()


@pytest.fixture
def violations() -> Callable[[Page], list[str]]:
    """What of a page breaks which rule of accessibility: `assert violations(page) == []`."""
    if reason := axe.why_not():
        pytest.skip(reason)
    return axe.violations
