"""The admin page in one go: signed in, each view opened, a call found, read and heard. The rest is `make test-all`."""

from playwright.sync_api import expect

from tests.browser.admin import arrive, settled
from tests.browser.calls import GREETING
from tests.browser.player import Player
from tests.browser.recordings import address_of


def test_every_view_opens_and_a_sentence_of_a_call_is_heard(page, served):
    arrive(page, served)
    expect(page.get_by_role("link", name="Completed").get_by_text("4", exact=True)).to_be_visible()
    links = page.get_by_role("navigation", name="Views").get_by_role("link")
    assert links.count() > 3
    for link in links.all():
        link.click()
        expect(link).to_have_attribute("aria-current", "page")
        settled(page)
    page.goto(address_of(served, GREETING))
    player = Player(page)
    page.get_by_text("How can I help you today?").click()
    player.plays_beyond(2.5)
    assert player.sought == [2.36]
