"""The page is accessible: in light and dark, on wide and narrow screens, with the keyboard alone."""

import re
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.admin import open_address, sign_in, submit_key, wait_until_loaded
from tests.browser.page_errors import PageErrors
from tests.browser.recordings import recording_address
from tests.browser.sample_calls import BREAKS_THE_SERVER, STEREO, replies
from tests.e2e.served import ServedStack

pytestmark = pytest.mark.slow

LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((1280, "light"), (390, "dark"))
"""Each width and each colour scheme once: no rule depends on their combination."""
MIN_WIDTH = 320
"""The width at which WCAG 2.2 requires a page without horizontal scrolling (1.4.10): 1280 at 400 %."""

VIEWS = ("Overview", "Recordings", "Failures", "Scheduler", "Server requests", "Settings")

EMPTY_LIST: dict[str, object] = {"items": [], "nextCursor": None, "exact": True}
FOCUSED = """() => {
  const {activeElement: element} = document, {left, right, width, height} = element.getBoundingClientRect();
  const visible = width > 0 && height > 0 && right > 0 && left < innerWidth;
  return {name: element.getAttribute("aria-label") ?? element.innerText, tag: element.tagName, visible,
    outlined: getComputedStyle(element).outlineStyle !== "none"};
}"""
"""The element that has the focus."""

SCROLL_WIDTH = "() => document.documentElement.scrollWidth"
BACKGROUND_COLOUR = "(element) => getComputedStyle(element).backgroundColor"
SPACE_TEXT = """() => {
  const sheet = new CSSStyleSheet();  // like a user style sheet: the content security policy allows it
  const space = "line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important";
  sheet.replaceSync(`* { ${space} } p { margin-bottom: 2em !important }`);
  document.adoptedStyleSheets = [sheet];
}"""
"""The text spacing that WCAG 2.2 requires a page to support (1.4.12)."""


def mock_response(page: Page, pattern: str, body: object) -> None:
    """Replace the responses of the API for URLs that match."""
    page.route(re.compile(pattern), lambda route: route.fulfill(json=body))


def sign_in_form(page: Page, _: ServedStack, page_errors: PageErrors) -> Iterator[str]:
    page.goto("/admin")
    expect(page.get_by_label("API key")).to_be_visible()
    yield "empty"
    page_errors.expect("status of 401")
    submit_key(page, "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    yield "with an error"


def overview(page: Page, served: ServedStack, _: PageErrors) -> Iterator[str]:
    sign_in(page, served, "/admin")
    yield "chart"
    page.get_by_text("Show as a table").click()
    expect(page.get_by_role("region", name="Recordings per hour")).to_be_visible()
    yield "table"


def recordings(page: Page, served: ServedStack, _: PageErrors) -> Iterator[str]:
    sign_in(page, served, "/admin/recordings")
    yield "some"
    page.get_by_role("button", name="Retry all matching").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    yield "dialog"
    open_address(page, "/admin/recordings?status=failed&errorCode=service_error")
    page.get_by_label("Select all failed on this page").check()
    yield "filtered, with a selection"
    open_address(page, "/admin/recordings?search=zzzz")
    wait_until_loaded(page)
    yield "no matches"
    mock_response(page, r"/api/call-recordings\?", EMPTY_LIST)
    open_address(page, "/admin/recordings")
    expect(page.get_by_text("No recordings yet")).to_be_visible()
    yield "none"


def completed_recording(page: Page, served: ServedStack, _: PageErrors) -> Iterator[str]:
    sign_in(page, served, recording_address(served, STEREO))
    page.get_by_label("Search in the transcript").fill("morning")
    expect(page.get_by_text("1 of 2 matches")).to_be_visible()
    yield "searched"


def failed_recording(page: Page, served: ServedStack, page_errors: PageErrors) -> Iterator[str]:
    sign_in(page, served, recording_address(served, BREAKS_THE_SERVER))
    yield "error"
    page_errors.expect("status of 400")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Started").fill("yesterday")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Started")).to_have_attribute("aria-invalid", "true")
    yield "edited, with an invalid value"


def not_found(page: Page, served: ServedStack, page_errors: PageErrors) -> Iterator[str]:
    sign_in(page, served, "/admin/nothing/here")
    yield "no such page"
    page_errors.expect("status of 404")
    open_address(page, "/admin/recordings/aaaaaaaaaaaaaaaaaaaa")
    expect(page.get_by_role("heading", name="Recording not found", level=1)).to_be_visible()
    yield "no such recording"
    page.get_by_role("link", name="View all recordings").click()
    expect(page.get_by_role("heading", name="Recordings", level=1)).to_be_visible()


def failures(page: Page, served: ServedStack, _: PageErrors) -> Iterator[str]:
    sign_in(page, served, "/admin/failures")
    yield "some"
    mock_response(page, "/failure-summary", EMPTY_LIST)
    page.reload()
    expect(page.get_by_text("No failures")).to_be_visible()
    yield "none"


def scheduler_and_server_requests(page: Page, served: ServedStack, _: PageErrors) -> Iterator[str]:
    sign_in(page, served, "/admin/scheduler")
    yield "scheduler"
    for address in ("scheduler?status=died", "server-requests", "server-requests?to=2020-01-01T00:00"):
        open_address(page, f"/admin/{address}")
        wait_until_loaded(page)
        yield address


def settings(page: Page, served: ServedStack, page_errors: PageErrors) -> Iterator[str]:
    sign_in(page, served, "/admin/settings")
    yield "saved"
    page.get_by_label("File name patterns").fill("(?P<caller>[0-9]{10})-[0-9]{8}")
    page.get_by_role("button", name="Preview file names").click()
    expect(page.get_by_role("region", name="Recognised file names")).to_be_visible()
    yield "with a preview"
    page_errors.expect("status of 400")
    page.get_by_label("Time zone").fill("Mars/Phobos")
    page.get_by_role("region", name="Call recordings").get_by_role("button", name="Save").click()
    expect(page.get_by_label("Time zone")).to_have_attribute("aria-invalid", "true")
    yield "with an invalid value"
    page_errors.expect("net::ERR_FAILED")
    page.route(re.compile("/api/call-recordings"), lambda route: route.abort())
    page.get_by_role("link", name="Recordings").click()
    expect(page.get_by_text("The API does not respond.")).to_be_visible()
    yield "API unreachable"


SCENARIOS = (
    *(sign_in_form, overview, recordings, completed_recording, failed_recording, not_found, failures),
    *(scheduler_and_server_requests, settings),
)
"""Each brings the page from one state to the next, and yields the name of the state."""


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_page_is_accessible_in_both_colour_schemes_and_at_any_width(page, served, page_errors, violations, scenario):
    for state in scenario(page, served, page_errors):
        assert_accessible(page, violations, state)


def test_page_is_accessible_during_an_outage(page, served, violations, quick_service, reply):
    quick_service.choose_reply = lambda _: reply(status=503)
    served.run("process")
    quick_service.choose_reply = replies(reply)
    sign_in(page, served)
    expect(page.get_by_text("The WhisperX server is unavailable")).to_be_visible()
    wait_until_loaded(page)
    assert_accessible(page, violations, "outage")


def assert_accessible(page: Page, violations: Callable[[Page], list[str]], state: str) -> None:
    for width, color_scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=color_scheme)
        assert violations(page) == [], (state, width, color_scheme)
    page.set_viewport_size({"width": MIN_WIDTH, "height": 900})
    assert page.evaluate(SCROLL_WIDTH) == MIN_WIDTH, state
    page.evaluate(SPACE_TEXT)
    assert page.evaluate(SCROLL_WIDTH) == MIN_WIDTH, f"{state}, with spaced text"
    page.evaluate("() => { document.adoptedStyleSheets = [] }")


def test_every_view_is_in_sight_at_any_width(page, served):
    sign_in(page, served)
    navigation = page.get_by_role("navigation", name="Views")
    expect(navigation.get_by_role("link")).to_have_count(len(VIEWS))
    for width in (MIN_WIDTH, 480, 768, 1024, 1057, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert navigation.evaluate("(element) => element.scrollWidth <= element.clientWidth"), width


def test_navigation_moves_focus_and_updates_the_title(page, served):
    sign_in(page, served)
    for view in (*VIEWS[1:], VIEWS[0]):
        link = page.get_by_role("navigation", name="Views").get_by_role("link", name=view)
        link.click()
        expect(page.get_by_role("heading", name=view, level=1)).to_be_focused()
        expect(page).to_have_title(f"{view} – Callscribe")
        expect(link).to_have_attribute("aria-current", "page")
        expect(page.locator("[aria-current=page]")).to_have_count(1)
    page.go_back()
    expect(page.get_by_role("heading", name="Settings", level=1)).to_be_focused()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in", level=1)).to_be_focused()
    expect(page).to_have_title("Sign in to Callscribe – Callscribe")


def test_changing_a_filter_keeps_the_focus(page, served):
    sign_in(page, served, "/admin/recordings")
    status = page.get_by_label("Status")
    status.focus()
    status.select_option("failed")
    expect(page.get_by_role("status").get_by_text("2 recordings")).to_be_visible()
    expect(status).to_be_focused()


def test_keyboard_alone_signs_in_and_plays_a_segment(page, served):
    page.goto("/admin")
    tab_to(page, page.get_by_label("API key"))
    page.keyboard.type(served.key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_focused()
    page.reload()
    wait_until_loaded(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    tab_to(page, page.get_by_role("link", name="Completed"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Recordings", level=1)).to_be_focused()
    tab_to(page, page.get_by_role("link", name="2025550162 → 102"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="2025550162 → 102", level=1)).to_be_focused()
    tab_to(page, page.get_by_role("button", name="Play from 0:02"))
    page.keyboard.press("Enter")
    playing = "() => { const audio = document.querySelector('audio'); return !audio.paused && audio.currentTime > 2.8 }"
    page.wait_for_function(playing)


@pytest.mark.parametrize(
    ("view", "opener"),
    [("/admin/recordings", "Retry all matching"), ("/admin/failures", "Retry all: not audio"),
     (STEREO, "Transcribe again")],
)  # fmt: skip
def test_cancelled_dialog_returns_the_focus_to_its_button(page, served, view, opener):
    sign_in(page, served, view if view.startswith("/") else recording_address(served, view))
    button = page.get_by_role("button", name=opener)
    tab_to(page, button)
    for key in ("Escape", "Enter"):  # Enter presses Cancel, which has the focus
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        expect(page.get_by_role("button", name="Cancel")).to_be_focused()
        page.keyboard.press(key)
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(button).to_be_focused()


def test_dialog_that_opens_right_after_another_one_stays_open(page, served):
    sign_in(page, served, recording_address(served, STEREO))
    button = page.get_by_role("button", name="Transcribe again")
    button.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    # the close event of the first dialog arrives after the second one has opened
    page.evaluate(
        """(selector) => {
          document.querySelector("dialog").addEventListener("close", () => { window.closeReported = true });
          document.querySelector("dialog").close();
          document.querySelector(selector).click();
        }""",
        ".heading .actions > button",
    )
    page.wait_for_function("() => window.closeReported")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(button).to_be_focused()


@pytest.mark.parametrize("view", ["/admin/recordings", "/admin/settings", STEREO])
def test_tab_key_reaches_only_visible_elements_and_is_never_trapped(page, served, view):
    sign_in(page, served, view if view.startswith("/") else recording_address(served, view))
    page.reload()
    wait_until_loaded(page)
    focused: list[dict[str, str]] = []
    while not focused or focused[-1]["tag"] != "BODY":
        page.keyboard.press("Tab")
        focused.append(page.evaluate(FOCUSED))
        assert len(focused) < 100
    assert focused[0]["name"] == "Skip to content"
    # date fields and the player outline the part that has the focus, not themselves
    assert not [
        element
        for element in focused[1:-1]
        if not element["visible"] or not (element["outlined"] or element["tag"] in ("INPUT", "AUDIO"))
    ]


def test_selected_theme_is_kept_across_reloads_and_tabs(page, served, context):
    page.emulate_media(color_scheme="light")
    sign_in(page, served)
    light = background_colour(page)
    page.get_by_label("Theme").select_option("Dark")
    dark = background_colour(page)
    assert dark != light
    page.reload()
    wait_until_loaded(page)
    expect(page.get_by_label("Theme")).to_have_value("dark")
    assert background_colour(page) == dark
    other = context.new_page()
    other.goto("/admin")
    expect(other.get_by_label("API key")).to_be_visible()
    assert background_colour(other) == dark
    page.get_by_label("Theme").select_option("Auto")
    assert background_colour(page) == light


def test_charts_are_visible_in_forced_colours(page, served):
    page.emulate_media(forced_colors="active")
    sign_in(page, served, "/admin/scheduler")
    chart = page.get_by_role("img", name="Last").first
    assert chart.locator("span").last.evaluate(BACKGROUND_COLOUR) != background_colour(page)


def background_colour(page: Page) -> str:
    return str(page.locator("html").evaluate(BACKGROUND_COLOUR))


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until this element has the focus."""
    expect(target).to_be_visible()
    for _ in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"the Tab key never reaches {target}")
