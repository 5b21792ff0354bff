"""The admin page in short: sign in, open each view, find a call, read and play it. `make test-all` runs the rest."""

from playwright.sync_api import expect

from tests.browser.admin import sign_in, wait_until_loaded
from tests.browser.player import Player
from tests.browser.recordings import recording_address
from tests.browser.sample_calls import GREETING


def test_every_view_opens_and_a_segment_of_a_call_plays(page, served):
    sign_in(page, served)
    expect(page.get_by_role("link", name="Completed").get_by_text("4", exact=True)).to_be_visible()
    links = page.get_by_role("navigation", name="Views").get_by_role("link")
    assert links.count() > 3
    for link in links.all():
        link.click()
        expect(link).to_have_attribute("aria-current", "page")
        wait_until_loaded(page)
    page.goto(recording_address(served, GREETING))
    player = Player(page)
    page.get_by_text("How can I help you today?").click()
    player.wait_until_played(2.5)
    assert player.seeks == [2.36]
