"""What is in the audio but not in the transcript: echo of the other party, and sound that is too short to be speech."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from testing.crosstalk import heard, two_channels
from testing.made_audio import tone, wav
from tests.browser.admin import sign_in
from tests.browser.conftest import PARAMETERS
from tests.browser.recordings import recording_address, upload
from tests.browser.sample_calls import DESCRIPTION
from tests.e2e.served import ServedStack, serve

pytestmark = pytest.mark.slow

CROSSTALK, CLICK, SHORT_CHANNEL = "crosstalk.wav", "click.wav", "short-channel.wav"


def short_sound() -> np.ndarray[Any, Any]:
    """Half a second of sound in three seconds of silence."""
    return np.pad(tone(0.5, 8000), (4000, 16_000))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, quick_service: Any, reply: Any) -> Iterator[ServedStack]:
    def choose_reply(request: Any) -> Any:
        if request.method == "GET":
            return reply(body=DESCRIPTION)
        if b"RIFF" in request.body and request.channel:
            text = heard(request.body, word_times=True)
            if text["segments"]:
                return reply(body=json.dumps(text).encode())
        return reply(status=500)

    quick_service.choose_reply = choose_reply
    parameters = PARAMETERS | {"MaxAttempts": "1"}
    with serve(tmp_path_factory.mktemp("state"), quick_service.url, **parameters) as running:
        caller, agent = two_channels(-25)
        short = np.zeros(len(caller))
        short[: len(short_sound())] = short_sound()
        upload(running, {CROSSTALK: wav(caller, agent), CLICK: wav(short_sound()), SHORT_CHANNEL: wav(short, agent)})
        running.run("sync", "queue", "process")
        yield running


def test_echo_that_was_left_out_is_counted(
    page: Page, served: ServedStack, violations: Callable[[Page], list[str]]
) -> None:
    sign_in(page, served, recording_address(served, CROSSTALK))
    expect(page.get_by_role("list", name="Transcript")).to_be_visible()
    expect(page.get_by_text("in which one channel repeated the other party’s voice")).to_be_visible()
    assert violations(page) == []


def test_recording_of_near_silence_says_why_it_is_empty(page: Page, served: ServedStack) -> None:
    sign_in(page, served, recording_address(served, CLICK))
    expect(page.get_by_text("It holds less than a second of sound, and the server failed on it.")).to_be_visible()


def test_channel_of_near_silence_is_explained(page: Page, served: ServedStack) -> None:
    sign_in(page, served, recording_address(served, SHORT_CHANNEL))
    expect(page.get_by_role("list", name="Transcript")).to_be_visible()
    expect(page.get_by_text("One channel holds less than a second of sound")).to_be_visible()
