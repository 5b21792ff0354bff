"""A long call that the API serves itself, in ranges of 4 MB: seeking, following the transcript, and downloading."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from testing.made_audio import tone, wav
from tests.browser.admin import sign_in
from tests.browser.player import Player
from tests.browser.recordings import find_recording, recording_address
from tests.browser.sample_calls import LONG_CALL, TRANSCRIPTS, audio, backdate

pytestmark = pytest.mark.slow

RANGE_SECONDS = 4 * 1024 * 1024 / 16_000
"""How much of the call one response holds."""

WIDE = "wide.wav"
WIDE_RATE = 192_000
WIDE_SECONDS = 14
"""Three ranges of about five seconds each."""


@pytest.fixture(scope="module")
def served(served_from_folder):
    return served_from_folder


@pytest.fixture
def player(page, served) -> Player:
    """The player on the page of the long call."""
    sign_in(page, served, recording_address(served, LONG_CALL))
    return Player(page)


def transcript(page: Page) -> Locator:
    return page.get_by_role("list", name="Transcript")


def highlighted(page: Page) -> Locator:
    return transcript(page).locator('[aria-current="true"]')


def play_from(page: Page, seconds: float) -> float:
    """Click the first segment that starts at or after this position; return its start."""
    start = next(start for start, *_ in TRANSCRIPTS[LONG_CALL] if start >= seconds)
    button = page.get_by_role("button", name=f"Play from {int(start // 60)}:{int(start % 60):02}", exact=True)
    transcript(page).get_by_role("listitem").filter(has=button).get_by_role("paragraph").click()
    return start


def scroll_top(page: Page) -> float:
    return float(transcript(page).evaluate("(list) => list.scrollTop"))


def test_any_segment_of_a_long_call_can_be_played(page, player):
    first = play_from(page, 300)
    player.wait_until_played(first + 0.3)
    player.wait_until_highlighted("5:00")
    page.get_by_label("Speed").select_option("2×")
    second = play_from(page, 259)
    player.wait_until_played(RANGE_SECONDS + 0.3)
    assert player.seeks == [first, second]


def test_audio_plays_across_range_boundaries(page, served):
    file = Path(find_recording(served, LONG_CALL)["path"]).with_name(WIDE)
    file.write_bytes(wav(*2 * [tone(WIDE_SECONDS, WIDE_RATE)], rate=WIDE_RATE))
    backdate(file)
    served.run("sync")
    sign_in(page, served, recording_address(served, WIDE))
    player = Player(page)
    page.get_by_label("Speed").select_option("2×")
    player.audio.focus()
    page.keyboard.press("Space")
    player.wait_until_played(0.5)
    player.wait_until_buffered(WIDE_SECONDS)
    player.seek(4.5)
    player.wait_until_played(6)
    player.seek(9)
    player.wait_until_played(10.5)


def test_seeking_highlights_the_segment_before_playback_starts(page, player):
    player.seek(259.818)  # the player rounds this down
    expect(highlighted(page)).to_contain_text("4:19")
    assert player.is_paused


def test_transcript_follows_playback_while_follow_is_checked(page, player):
    follow = page.get_by_label("Follow")
    play_from(page, 2)
    expect(highlighted(page)).to_be_in_viewport()
    player.seek(200)
    expect(highlighted(page)).to_contain_text("3:")
    expect(highlighted(page)).to_be_in_viewport()
    player.pause()
    follow.uncheck()
    before = scroll_top(page)
    player.seek(30)
    expect(highlighted(page)).to_contain_text("0:2")
    expect(highlighted(page)).not_to_be_in_viewport()
    assert scroll_top(page) == before
    follow.check()
    expect(highlighted(page)).to_be_in_viewport()


def test_search_scrolls_to_a_match_out_of_view(page, player):
    page.get_by_role("searchbox", name="Search in the transcript").fill("morning")
    expect(page.get_by_text("1 of 74 matches")).to_be_visible()
    page.get_by_role("button", name="Previous match").click()
    expect(page.get_by_text("74 of 74 matches")).to_be_visible()
    expect(page.locator("mark.current")).to_be_in_viewport()
    assert player.seeks == []


def test_download_has_the_whole_file_under_its_name(page, player):
    with page.expect_download() as started:
        page.get_by_role("button", name="Download audio").click()
    assert started.value.suggested_filename == LONG_CALL
    assert started.value.path().read_bytes() == audio(LONG_CALL)


def test_failed_download_shows_the_message_of_the_api(page, player, page_errors):
    page_errors.expect("status of 404")
    error = {"code": "audio_missing", "message": "The file does not exist any more."}
    page.route(lambda url: "signature=" in url, lambda route: route.fulfill(status=404, json={"error": error}))
    page.get_by_role("button", name="Download audio").click()
    expect(page.get_by_text(error["message"])).to_be_visible()


def test_playback_continues_with_a_new_link_when_the_old_one_has_expired(page, served, page_errors):
    page_errors.expect("status of 401")
    page.clock.install()
    sign_in(page, served, recording_address(served, LONG_CALL))
    player = Player(page)
    page.get_by_label("Speed").select_option("2×")
    start = play_from(page, 10)
    player.wait_until_played(start + 2.4)  # links created within one second are equal
    page.clock.fast_forward(3_600_000)
    expired = player.audio.get_attribute("src")
    page.route(lambda url: url.endswith(expired), lambda route: route.fulfill(status=401))
    start = play_from(page, 300)
    player.wait_until_played(start + 0.3)
    assert player.seeks[1] == player.seeks[-1] == start
    assert player.playback_rate == 2
    expect(player.audio).not_to_have_attribute("src", expired)
    expect(page.get_by_role("alert")).to_have_count(0)
