"""Everybody can use the page: in light and dark, on a wide screen and a narrow one, with the keyboard alone."""

import re
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.admin import arrive, enter, settled, visit
from tests.browser.calls import BREAKS_THE_SERVER, STEREO, answers
from tests.browser.complaints import Complaints
from tests.browser.recordings import address_of
from tests.e2e.served import Served

pytestmark = pytest.mark.slow

LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((1280, "light"), (390, "dark"))
"""Each colour and each width; what one of both breaks, it breaks with either of the other."""
NARROWEST = 320
"""As narrow as WCAG 2.2 wants a page to be read without scrolling to the side (1.4.10): 1280 at 400 %."""

VIEWS = ("Overview", "Recordings", "Failures", "Scheduler", "Calls", "Settings")
TITLES = {"Calls": "Calls to the service"}
"""Of views whose headings say more than their links."""

NOTHING: dict[str, object] = {"items": [], "nextCursor": None, "exact": True}
FOCUSED = """() => {
  const {activeElement: element} = document, {left, right, width, height} = element.getBoundingClientRect();
  const seen = width > 0 && height > 0 && right > 0 && left < innerWidth;
  return {name: element.getAttribute("aria-label") ?? element.innerText, in: element.tagName, seen,
    marked: getComputedStyle(element).outlineStyle !== "none"};
}"""
WIDTH = "() => document.documentElement.scrollWidth"
COLOUR = "(element) => getComputedStyle(element).backgroundColor"
SPACED = """() => {
  const sheet = new CSSStyleSheet();  // as a reader's own, which the page's policy lets through
  const space = "line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important";
  sheet.replaceSync(`* { ${space} } p { margin-bottom: 2em !important }`);
  document.adoptedStyleSheets = [sheet];
}"""
"""As wide as WCAG 2.2 wants a page to bear it (1.4.12)."""


def instead(page: Page, pattern: str, answer: object) -> None:
    """What the API would answer in another stack."""
    page.route(re.compile(pattern), lambda route: route.fulfill(json=answer))


def sign_in_form(page: Page, _: Served, complaints: Complaints) -> Iterator[str]:
    page.goto("/admin")
    expect(page.get_by_label("API key")).to_be_visible()
    yield "empty"
    complaints.expect("status of 401")
    enter(page, "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    yield "with an error"


def overview(page: Page, served: Served, _: Complaints) -> Iterator[str]:
    arrive(page, served, "/admin")
    yield "as it is"
    page.get_by_text("As a table").click()
    expect(page.get_by_role("region", name="Transcribed per hour")).to_be_visible()
    yield "with all hours"


def recordings(page: Page, served: Served, _: Complaints) -> Iterator[str]:
    arrive(page, served, "/admin/recordings")
    yield "some"
    page.get_by_role("button", name="Retry all that match").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    yield "a question"
    visit(page, "/admin/recordings?status=failed&errorCode=service_error")
    page.get_by_label("All failed of this page").check()
    yield "filtered, and chosen"
    visit(page, "/admin/recordings?search=zzzz")
    settled(page)
    yield "none that matches"
    instead(page, r"/api/call-recordings\?", NOTHING)
    visit(page, "/admin/recordings")
    expect(page.get_by_text("There are no recordings yet")).to_be_visible()
    yield "none"


def completed_recording(page: Page, served: Served, _: Complaints) -> Iterator[str]:
    arrive(page, served, address_of(served, STEREO))
    page.get_by_label("Search in the transcript").fill("morning")
    expect(page.get_by_text("1 of 2 matches")).to_be_visible()
    yield "searched"


def failed_recording(page: Page, served: Served, complaints: Complaints) -> Iterator[str]:
    arrive(page, served, address_of(served, BREAKS_THE_SERVER))
    yield "as it is"
    complaints.expect("status of 400")
    page.get_by_role("button", name="Correct").click()
    page.get_by_label("Started").fill("yesterday")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Started")).to_have_attribute("aria-invalid", "true")
    yield "corrected, wrongly"


def nowhere(page: Page, served: Served, complaints: Complaints) -> Iterator[str]:
    arrive(page, served, "/admin/nothing/here")
    yield "no such page"
    complaints.expect("status of 404")
    visit(page, "/admin/recordings/aaaaaaaaaaaaaaaaaaaa")
    expect(page.get_by_role("heading", name="There is no such recording", level=1)).to_be_visible()
    yield "no such recording"
    page.get_by_role("link", name="All recordings").click()
    expect(page.get_by_role("heading", name="Recordings", level=1)).to_be_visible()


def failures(page: Page, served: Served, _: Complaints) -> Iterator[str]:
    arrive(page, served, "/admin/failures")
    yield "some"
    instead(page, "/failure-summary", NOTHING)
    page.reload()
    expect(page.get_by_text("Nothing has failed")).to_be_visible()
    yield "none"


def tasks_and_calls(page: Page, served: Served, _: Complaints) -> Iterator[str]:
    arrive(page, served, "/admin/scheduler")
    yield "scheduler"
    for address in ("/admin/scheduler?status=died", "/admin/calls", "/admin/calls?to=2020-01-01T00:00"):
        visit(page, address)
        settled(page)
        yield address


def settings(page: Page, served: Served, complaints: Complaints) -> Iterator[str]:
    arrive(page, served, "/admin/settings")
    yield "as they are"
    page.get_by_label("Patterns for names").fill("(?P<caller>[0-9]{10})-[0-9]{8}")
    page.get_by_role("button", name="Preview names").click()
    expect(page.get_by_role("region", name="Names that are understood")).to_be_visible()
    yield "with a preview"
    complaints.expect("status of 400")
    page.get_by_label("Time zone").fill("Mars/Phobos")
    page.get_by_role("region", name="Call recordings").get_by_role("button", name="Save").click()
    expect(page.get_by_label("Time zone")).to_have_attribute("aria-invalid", "true")
    yield "that are wrong"
    complaints.expect("net::ERR_FAILED")
    page.route(re.compile("/api/call-recordings"), lambda route: route.abort())
    page.get_by_role("link", name="Recordings").click()
    expect(page.get_by_text("The API does not answer.")).to_be_visible()
    yield "no API"


TOURS = (
    *(sign_in_form, overview, recordings, completed_recording, failed_recording, nowhere, failures, tasks_and_calls),
    settings,
)
"""Each leads from one state of the page to the next, and gives its name."""


@pytest.mark.parametrize("walk", TOURS, ids=lambda walk: walk.__name__)
def test_it_breaks_no_rule_in_either_colours_and_any_width(page, served, complaints, violations, walk):
    for state in walk(page, served, complaints):
        against_the_rules(page, violations, state)


def test_it_breaks_no_rule_while_the_service_is_unavailable(page, served, violations, quick_service, reply):
    quick_service.choose_reply = lambda _: reply(status=503)
    served.run("process")
    quick_service.choose_reply = answers(reply)
    arrive(page, served)
    expect(page.get_by_text("The transcription service is unavailable")).to_be_visible()
    settled(page)
    against_the_rules(page, violations, "an outage")


def against_the_rules(page: Page, violations: Callable[[Page], list[str]], state: str) -> None:
    for width, colours in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=colours)
        assert violations(page) == [], (state, width, colours)
    page.set_viewport_size({"width": NARROWEST, "height": 900})
    assert page.evaluate(WIDTH) == NARROWEST, state
    page.evaluate(SPACED)
    assert page.evaluate(WIDTH) == NARROWEST, f"{state}, with the text spaced"
    page.evaluate("() => { document.adoptedStyleSheets = [] }")


def test_every_view_can_be_gone_to_and_begins_where_it_is_read(page, served):
    """The focus is on its heading, its title is that of the document, and its link is marked as the present one."""
    arrive(page, served)
    for view in (*VIEWS[1:], VIEWS[0]):
        link = page.get_by_role("navigation", name="Views").get_by_role("link", name=view)
        link.click()
        heading = page.get_by_role("heading", name=TITLES.get(view, view), level=1)
        expect(heading).to_be_focused()
        expect(page).to_have_title(f"{TITLES.get(view, view)} – Callscribe")
        expect(link).to_have_attribute("aria-current", "page")
        expect(page.locator("[aria-current=page]")).to_have_count(1)
    page.go_back()
    expect(page.get_by_role("heading", name="Settings", level=1)).to_be_focused()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in", level=1)).to_be_focused()
    expect(page).to_have_title("Sign in to Callscribe – Callscribe")


def test_who_filters_stays_in_the_filter(page, served):
    arrive(page, served, "/admin/recordings")
    status = page.get_by_label("Status")
    status.focus()
    status.select_option("failed")
    expect(page.get_by_role("status").get_by_text("2 recordings")).to_be_visible()
    expect(status).to_be_focused()


def test_with_the_keyboard_alone_one_signs_in_and_hears_a_sentence(page, served):
    page.goto("/admin")
    tab_to(page, page.get_by_label("API key"))
    page.keyboard.type(served.key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_focused()
    page.reload()
    settled(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    tab_to(page, page.get_by_role("link", name="Completed"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Recordings", level=1)).to_be_focused()
    tab_to(page, page.get_by_role("link", name="2025550162 → 102"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="2025550162 → 102", level=1)).to_be_focused()
    tab_to(page, page.get_by_role("button", name="Hear from 0:02"))
    page.keyboard.press("Enter")
    playing = "() => { const audio = document.querySelector('audio'); return !audio.paused && audio.currentTime > 2.8 }"
    page.wait_for_function(playing)


@pytest.mark.parametrize(
    ("view", "opener"),
    [("/admin/recordings", "Retry all that match"), ("/admin/failures", "Retry all of not audio"),
     (STEREO, "Transcribe again")],
)  # fmt: skip
def test_a_question_can_be_left_and_the_focus_returns_to_what_asked_it(page, served, view, opener):
    arrive(page, served, view if view.startswith("/") else address_of(served, view))
    button = page.get_by_role("button", name=opener)
    tab_to(page, button)
    for key in ("Escape", "Enter"):  # which presses Cancel
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        expect(page.get_by_role("button", name="Cancel")).to_be_focused()
        page.keyboard.press(key)
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(button).to_be_focused()


def test_a_question_that_follows_another_at_once_stays(page, served):
    arrive(page, served, address_of(served, STEREO))
    button = page.get_by_role("button", name="Transcribe again")
    button.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    # the browser reports that the first one was closed only after the second one was opened
    page.evaluate(
        """(selector) => {
          document.querySelector("dialog").addEventListener("close", () => { window.reported = true });
          document.querySelector("dialog").close();
          document.querySelector(selector).click();
        }""",
        ".heading .actions > button",
    )
    page.wait_for_function("() => window.reported")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(button).to_be_focused()


@pytest.mark.parametrize("view", ["/admin/recordings", "/admin/settings", STEREO])
def test_whatever_the_tab_key_comes_to_is_seen_and_marked_and_nothing_holds_it(page, served, view):
    arrive(page, served, view if view.startswith("/") else address_of(served, view))
    page.reload()
    settled(page)
    come_to: list[dict[str, str]] = []
    while not come_to or come_to[-1]["in"] != "BODY":
        page.keyboard.press("Tab")
        come_to.append(page.evaluate(FOCUSED))
        assert len(come_to) < 100
    assert come_to.pop(0)["name"] == "To the content"
    # fields for dates, and the player, mark the part of them that has the focus
    assert not [
        each for each in come_to[:-1] if not each["seen"] or not (each["marked"] or each["in"] in ("INPUT", "AUDIO"))
    ]


def test_colours_are_as_they_were_chosen_until_others_are(page, served, context):
    page.emulate_media(color_scheme="light")
    arrive(page, served)
    light = background(page)
    page.get_by_label("Colours").select_option("Dark")
    dark = background(page)
    assert dark != light
    page.reload()
    settled(page)
    expect(page.get_by_label("Colours")).to_have_value("dark")
    assert background(page) == dark
    other = context.new_page()
    other.goto("/admin")
    expect(other.get_by_label("API key")).to_be_visible()
    assert background(other) == dark
    page.get_by_label("Colours").select_option("Auto")
    assert background(page) == light


def test_pictures_are_seen_in_colours_of_the_system(page, served):
    page.emulate_media(forced_colors="active")
    arrive(page, served, "/admin/scheduler")
    runs = page.get_by_role("img", name="The last").first
    assert runs.locator("span").last.evaluate(COLOUR) != page.locator("html").evaluate(COLOUR)


def background(page: Page) -> str:
    return str(page.locator("html").evaluate(COLOUR))


def tab_to(page: Page, target: Locator) -> None:
    """Presses Tab until the focus is there."""
    expect(target).to_be_visible()
    for _ in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"the Tab key never comes to {target}")
