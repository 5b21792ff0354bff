"""A long call that the API hands out itself, in parts of 4 MB: heard anywhere, followed, and fetched whole."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from testing.made_audio import tone, wav
from tests.browser.admin import arrive
from tests.browser.calls import LONG_CALL, SPOKEN, audio, rest
from tests.browser.player import Player
from tests.browser.recordings import address_of, recording

pytestmark = pytest.mark.slow

PART_SECONDS = 4 * 1024 * 1024 / 16_000
"""The most of the call that one answer holds."""

WIDE = "wide.wav"
WIDE_RATE = 192_000
WIDE_SECONDS = 14
"""Three parts of some five seconds each."""


@pytest.fixture(scope="module")
def served(served_from_folder):
    return served_from_folder


@pytest.fixture
def player(page, served) -> Player:
    """At the page of the call."""
    arrive(page, served, address_of(served, LONG_CALL))
    return Player(page)


def transcript(page: Page) -> Locator:
    return page.get_by_role("list", name="Transcript")


def lit(page: Page) -> Locator:
    return transcript(page).locator('[aria-current="true"]')


def hear_from(page: Page, seconds: float) -> float:
    """At a click at the first sentence from then on; gives its start."""
    start = next(start for start, *_ in SPOKEN[LONG_CALL] if start >= seconds)
    when = page.get_by_role("button", name=f"Hear from {int(start // 60)}:{int(start % 60):02}", exact=True)
    transcript(page).get_by_role("listitem").filter(has=when).get_by_role("paragraph").click()
    return start


def scrolled(page: Page) -> float:
    return float(transcript(page).evaluate("(list) => list.scrollTop"))


def test_any_sentence_of_a_long_call_is_heard_at_once(page, player):
    first = hear_from(page, 300)
    player.plays_beyond(first + 0.3)
    player.lights("5:00")
    page.get_by_label("Speed").select_option("2×")
    second = hear_from(page, 259)
    player.plays_beyond(PART_SECONDS + 0.3)
    assert player.sought == [first, second]


def test_what_comes_in_several_parts_is_heard_without_a_seam(page, served):
    file = Path(recording(served, LONG_CALL)["path"]).with_name(WIDE)
    file.write_bytes(wav(*2 * [tone(WIDE_SECONDS, WIDE_RATE)], rate=WIDE_RATE))
    rest(file)
    served.run("sync")
    arrive(page, served, address_of(served, WIDE))
    player = Player(page)
    page.get_by_label("Speed").select_option("2×")
    player.audio.focus()
    page.keyboard.press("Space")
    player.plays_beyond(0.5)
    player.has_until(WIDE_SECONDS)
    player.go_to(4.5)
    player.plays_beyond(6)
    player.go_to(9)
    player.plays_beyond(10.5)


def test_the_sentence_that_the_player_is_sent_to_is_lit_before_it_plays(page, player):
    player.go_to(259.818)  # which becomes a little less
    expect(lit(page)).to_contain_text("4:19")
    assert player.paused


def test_the_transcript_follows_what_is_heard_as_long_as_that_is_wished(page, player):
    follow = page.get_by_label("Follow")
    hear_from(page, 2)
    expect(lit(page)).to_be_in_viewport()
    player.go_to(200)
    expect(lit(page)).to_contain_text("3:")
    expect(lit(page)).to_be_in_viewport()
    player.pause()
    follow.uncheck()
    before = scrolled(page)
    player.go_to(30)
    expect(lit(page)).to_contain_text("0:2")
    expect(lit(page)).not_to_be_in_viewport()
    assert scrolled(page) == before
    follow.check()
    expect(lit(page)).to_be_in_viewport()


def test_a_match_that_is_far_off_is_scrolled_to(page, player):
    page.get_by_role("searchbox", name="Search in the transcript").fill("morning")
    expect(page.get_by_text("1 of 74 matches")).to_be_visible()
    page.get_by_role("button", name="Match before").click()
    expect(page.get_by_text("74 of 74 matches")).to_be_visible()
    expect(page.locator("mark.current")).to_be_in_viewport()
    assert player.sought == []


def test_the_whole_file_is_downloaded_by_its_name(page, player):
    with page.expect_download() as started:
        page.get_by_role("button", name="Audio file").click()
    assert started.value.suggested_filename == LONG_CALL
    assert started.value.path().read_bytes() == audio(LONG_CALL)


def test_it_goes_on_at_the_same_place_and_pace_when_its_address_has_expired(page, served, complaints):
    complaints.expect("status of 401")
    page.clock.install()
    arrive(page, served, address_of(served, LONG_CALL))
    player = Player(page)
    page.get_by_label("Speed").select_option("2×")
    start = hear_from(page, 10)
    player.plays_beyond(start + 2.4)  # an address is told from another one by its second
    page.clock.fast_forward(3_600_000)
    old = player.audio.get_attribute("src")
    page.route(lambda url: url.endswith(old), lambda route: route.fulfill(status=401))
    start = hear_from(page, 300)
    player.plays_beyond(start + 0.3)
    assert player.sought[1] == player.sought[-1] == start
    assert player.rate == 2
    expect(player.audio).not_to_have_attribute("src", old)
    expect(page.get_by_role("alert")).to_have_count(0)
