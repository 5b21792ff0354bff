"""The transcript of a call with right-to-left text and with segments that may not have been said."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.admin import sign_in
from tests.browser.conftest import PARAMETERS
from tests.browser.recordings import find_recording, recording_address
from tests.browser.sample_calls import DESCRIPTION, GREETING
from tests.e2e.served import ServedStack, serve

pytestmark = pytest.mark.slow

SEGMENTS = [
    {"start": 0.3, "end": 1.6, "text": "שלום, מה שלומך?", "speaker": "אורח"},
    {"start": 2.0, "end": 3.0, "text": "Thanks for watching!", "no_speech_prob": 0.9},
    {"start": 900.0, "end": 901.0, "text": "Bye."},
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, quick_service: Any, reply: Any) -> Iterator[ServedStack]:
    transcript = json.dumps({"segments": SEGMENTS, "language": "hebrew"}).encode()
    quick_service.choose_reply = lambda request: reply(body=DESCRIPTION if request.method == "GET" else transcript)
    with serve(tmp_path_factory.mktemp("state"), quick_service.url, **PARAMETERS) as running:
        running.put(GREETING)
        running.run("sync", "queue", "process")
        yield running


@pytest.fixture
def transcript(page: Page, served: ServedStack) -> Locator:
    sign_in(page, served, recording_address(served, GREETING))
    return page.get_by_role("list", name="Transcript")


def segment(transcript: Locator, text: str) -> Locator:
    return transcript.get_by_role("listitem").filter(has_text=text)


def direction(element: Locator) -> str:
    return str(element.evaluate("element => getComputedStyle(element).direction"))


def test_each_text_has_its_own_direction(page: Page, transcript: Locator) -> None:
    assert direction(segment(transcript, "שלום").locator("p")) == "rtl"
    assert direction(segment(transcript, "שלום").locator(".speaker")) == "rtl"
    assert direction(segment(transcript, "Bye").locator("p")) == "ltr"
    page.goto("/admin/recordings")
    assert direction(page.locator("p.preview").filter(has_text="שלום")) == "rtl"


def test_arrow_between_right_to_left_names_points_at_the_callee(page: Page, served: ServedStack) -> None:
    identifier = find_recording(served, GREETING)["id"]
    served.request(f"call-recordings/{identifier}", "PUT", {"caller": "דוד", "callee": "محمد"})
    sign_in(page, served, f"/admin/recordings/{identifier}")
    title = page.get_by_role("heading", level=1)
    expect(title).to_contain_text("דוד")
    assert direction(title) == "ltr"  # so the caller is on the left, as in other titles
    page.goto("/admin/recordings")
    assert direction(page.locator("a.call").filter(has_text="דוד")) == "ltr"


def test_doubtful_segments_have_their_reasons(transcript: Locator) -> None:
    expect(segment(transcript, "שלום").locator(".flag")).to_have_count(0)
    expect(segment(transcript, "watching").locator(".flag")).to_contain_text("video subtitles")
    expect(segment(transcript, "watching").locator(".flag")).to_contain_text("no speech")
    expect(segment(transcript, "Bye").locator(".flag")).to_contain_text("after the end of the recording")


def test_many_doubtful_segments_come_with_a_hint(page: Page, transcript: Locator) -> None:
    expect(transcript).to_be_visible()
    notice = page.get_by_role("note").filter(has_text="2 of 3 segments")
    expect(notice).to_contain_text("vad_filter=true")
    expect(notice.get_by_role("link", name="Settings")).to_be_visible()


def test_flags_are_accessible(page: Page, transcript: Locator, violations: Callable[[Page], list[str]]) -> None:
    expect(transcript).to_be_visible()
    assert violations(page) == []
