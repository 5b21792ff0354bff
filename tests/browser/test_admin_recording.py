"""One recording: heard and read, found and downloaded, corrected, transcribed again; and what went wrong with it."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.admin import arrive, visit
from tests.browser.calls import (
    BREAKS_THE_SERVER,
    GREETING,
    INTERNAL,
    NO_AUDIO,
    ONE,
    ORDER,
    SILENCE,
    STEREO,
    asr,
    audio,
)
from tests.browser.player import Player
from tests.browser.recordings import FOLDER, TINY, address_of, call_name, put, recording

pytestmark = pytest.mark.slow


def open_recording(page: Page, served, name: str) -> dict[str, Any]:
    """Signs in at the page of this one; gives what the API says of it."""
    found = recording(served, name)
    arrive(page, served, f"/admin/recordings/{found['id']}")
    return found


def sentences(page: Page) -> Locator:
    return page.get_by_role("list", name="Transcript").get_by_role("listitem")


def sentence(page: Page, text: str) -> Locator:
    return sentences(page).filter(has_text=text)


def fact(page: Page, title: str) -> Locator:
    """What is known of the call under this title, with where it was read."""
    facts = page.get_by_role("region", name="The call")
    return (
        facts.locator("div")
        .filter(has=page.get_by_role("term").get_by_text(title, exact=True))
        .get_by_role("definition")
    )


def history(page: Page) -> Locator:
    return page.get_by_role("region", name="History").get_by_role("listitem")


def test_the_sentence_that_is_spoken_is_lit(page, served):
    open_recording(page, served, STEREO)
    player = Player(page)
    lit = page.get_by_role("list", name="Transcript").locator('[aria-current="true"]')
    expect(lit).to_have_count(0)
    page.get_by_text("When will you arrive?").click()
    player.lights("When will you arrive?")
    page.get_by_label("Speed").select_option("2×")
    player.lights("I will come tomorrow morning.")
    assert player.sought == [5.62]
    assert player.rate == 2
    player.pause()
    player.go_to(0)
    expect(lit).to_have_count(0)


def test_text_can_be_selected_without_a_jump(page, served):
    open_recording(page, served, STEREO)
    player = Player(page)
    text = page.get_by_text("Good morning. How can I help you?")
    box = text.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, middle, steps=5)
    page.mouse.up()
    assert page.evaluate("() => getSelection().toString()").startswith("Good morn")
    assert player.sought == []
    assert player.paused
    page.get_by_text("When will you arrive?").click()
    player.plays_beyond(5.7)
    assert player.sought == [5.62]


def test_speakers_have_names_and_colours_that_can_be_swapped(page, served):
    open_recording(page, served, STEREO)

    def told(page):
        speaker = sentences(page).get_by_text(re.compile("^(Agent|Caller|Speaker [0-9])$"))
        return {(each.inner_text(), each.evaluate("(name) => getComputedStyle(name).color")) for each in speaker.all()}

    expect(sentence(page, "Good morning.")).to_contain_text("Agent")
    expect(sentence(page, "my hotel room")).to_contain_text("Caller")
    names = told(page)
    assert len(names) == 2
    page.get_by_role("button", name="Swap sides").click()
    expect(sentence(page, "Good morning.")).to_contain_text("Caller")
    expect(sentence(page, "my hotel room")).to_contain_text("Agent")
    assert told(page) == names
    page.reload()
    expect(sentence(page, "Good morning.")).to_contain_text("Caller")
    expect(page.get_by_role("button", name="Swap sides")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Swap sides").click()
    expect(sentence(page, "Good morning.")).to_contain_text("Agent")
    visit(page, address_of(served, GREETING))
    expect(sentence(page, "Hello")).to_contain_text("Speaker 00")
    expect(sentence(page, "How can I")).to_contain_text("Speaker 01")


def test_words_are_found_in_the_transcript(page, served):
    open_recording(page, served, STEREO)
    field = page.get_by_role("searchbox", name="Search in the transcript")
    told = page.get_by_role("region", name="Audio and transcript").get_by_role("status")
    field.fill("YOU")
    expect(page.locator("mark")).to_have_text(["you", "you"])
    current = page.locator("mark.current")
    for do, words, text in (
        (lambda: None, "1 of 2 matches", "How can I help"),
        (lambda: field.press("Enter"), "2 of 2 matches", "arrive"),
        (lambda: field.press("Enter"), "1 of 2 matches", "How can I help"),
        (lambda: field.press("Shift+Enter"), "2 of 2 matches", "arrive"),
        (page.get_by_role("button", name="Next match").click, "1 of 2 matches", "How can I help"),
        (page.get_by_role("button", name="Match before").click, "2 of 2 matches", "arrive"),
    ):
        do()
        expect(told).to_have_text(words)
        expect(sentences(page).filter(has=current)).to_contain_text(text)
    field.fill("yours")
    expect(told).to_have_text("no match")
    expect(page.get_by_role("button", name="Next match")).to_be_disabled()
    expect(page.locator("mark")).to_have_count(0)
    field.fill("(hotel")  # no pattern
    expect(told).to_have_text("no match")
    field.fill("")
    expect(told).to_have_count(0)


def test_a_transcript_is_downloaded_as_the_api_has_it(page, served):
    found = open_recording(page, served, GREETING)
    signed = {"Authorization": f"Bearer {served.key}"}
    for form in ("txt", "srt", "vtt", "json"):
        with page.expect_download() as started:
            page.get_by_role("button", name=f"Download {form.upper()}").click()
        assert started.value.suggested_filename == f"{found['id']}.{form}"
        told = page.request.get(f"/api/call-recordings/{found['id']}/transcript?format={form}", headers=signed)
        assert started.value.path().read_bytes() == told.body()


def test_what_is_in_line_can_be_transcribed_at_once_and_comes_by_itself(page, served):
    open_recording(page, served, ORDER)
    main = page.get_by_role("main")
    expect(main).to_contain_text("There is no transcript yet.")
    expect(main).to_contain_text("It is in line.")
    Player(page)
    page.get_by_role("button", name="Transcribe now").click()
    expect(main).to_contain_text("At the head of the line.")
    expect(sentence(page, "I would like to know when my order will arrive.")).to_be_visible()
    expect(page.get_by_role("button", name="Transcribe again")).to_be_visible()
    expect(history(page).filter(has_text="Transcript stored")).to_have_count(1)


def test_a_second_version_is_asked_for_and_both_can_be_read(page, served, reply, quick_service, monkeypatch):
    found = open_recording(page, served, INTERNAL)
    first = found["transcript"]["version"]
    again = page.get_by_role("button", name="Transcribe again")
    question = page.get_by_role("dialog", name="Transcribe it again?")
    expect(page.get_by_label("Version")).to_have_count(0)
    again.click()
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_have_count(0)
    assert recording(served, INTERNAL)["transcript"]["version"] == first
    better = reply(body=asr([(0.3, 1.2, ONE, "This is better.")]))
    monkeypatch.setattr(quick_service, "choose", lambda _: better)
    again.click()
    question.get_by_role("button", name="Transcribe again").click()
    expect(sentence(page, "This is better.")).to_be_visible()
    second = recording(served, INTERNAL)["transcript"]["version"]
    choice = page.get_by_label("Version")
    expect(choice).to_have_value(second)
    expect(history(page).filter(has_text="Transcript stored")).to_have_count(2)
    expect(history(page).filter(has_text="current version")).to_have_count(1)
    choice.select_option(first)
    expect(page).to_have_url(re.compile(rf"\?version={first}$"))
    expect(sentence(page, "We have a meeting this afternoon.")).to_be_visible()
    with page.expect_download() as started:
        page.get_by_role("button", name="Download TXT").click()
    assert "meeting" in started.value.path().read_text("utf-8")
    page.reload()
    expect(sentence(page, "We have a meeting this afternoon.")).to_be_visible()
    expect(choice).to_have_value(first)
    choice.select_option(second)
    expect(page).to_have_url(re.compile("/[a-z2-7]{20}$"))
    expect(sentence(page, "This is better.")).to_be_visible()


def test_what_is_known_of_a_call_says_where_it_was_read(page, served):
    name = call_name("2025550171", datetime(2026, 11, 18, 23, 30, tzinfo=UTC))
    put(served, {name: TINY, name.replace(".wav", ".json"): json.dumps({"party": "Ann Lee"}).encode()})
    served.run("sync")
    found = open_recording(page, served, name)
    for title, words, origin in (
        ("Direction", "Inbound", "file name"),
        ("Caller", "2025550171", "file name"),
        ("Called", "2025550100", "file name"),
        ("Name", "Ann Lee", "sidecar"),
        ("Started", "2026-11-18 18:30:00", "file name"),
        ("UTC offset", "-05:00", "file name"),
        ("Call id", found["callId"], "file name"),
    ):
        expect(fact(page, title)).to_have_text(f"{words} {origin}")
    expect(fact(page, "File")).to_have_text(found["path"])
    expect(fact(page, "Size")).to_have_text("1.6 kB")
    expect(page.get_by_text("19 Nov 2026, 00:30:00").first).to_have_attribute("title", "2026-11-18 23:30:00 UTC")
    expect(page.get_by_text("There is no transcript yet.")).to_be_visible()
    expect(page.get_by_text("It is put in line at the next run of queue.")).to_be_visible()


def test_what_a_person_knows_better_is_kept(page, served, complaints):
    complaints.expect("status of 400")
    open_recording(page, served, NO_AUDIO)
    form = page.get_by_role("region", name="The call")
    form.get_by_role("button", name="Correct").click()
    form.get_by_label("Started").fill("yesterday")
    form.get_by_role("button", name="Save").click()
    expect(form).to_contain_text("must be a time like 2026-11-18T09:30:00Z")
    expect(form.get_by_label("Started")).to_have_attribute("aria-invalid", "true")
    form.get_by_role("button", name="Cancel").click()
    expect(fact(page, "Started")).to_have_text("2026-11-18 18:15:02 file name")
    form.get_by_role("button", name="Correct").click()
    form.get_by_label("Caller").fill("+1 202 555 0156")
    form.get_by_label("Name").fill("Ann Lee")
    form.get_by_label("Started").fill("2026-11-18T18:20:00")
    form.get_by_label("Call id").fill("")
    form.get_by_role("button", name="Save").click()
    expect(fact(page, "Caller")).to_have_text("+1 202 555 0156 a person")
    expect(fact(page, "Name")).to_have_text("Ann Lee a person")
    expect(fact(page, "Started")).to_have_text("2026-11-18 18:20:00-05:00 a person")
    expect(page.get_by_text("19 Nov 2026, 00:20:00").first).to_be_visible()
    expect(fact(page, "Called")).to_have_text("2025550100 file name")
    expect(fact(page, "Call id")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_have_text("+1 202 555 0156 → 2025550100")
    page.reload()
    expect(fact(page, "Caller")).to_have_text("+1 202 555 0156 a person")


def test_the_history_holds_what_became_of_it(page, served):
    open_recording(page, served, GREETING)
    titles = ("Transcript stored current version", "Attempt 1: POST 200", "Found by sync", "File written", "The call")
    expect(history(page)).to_have_count(len(titles))
    for at, title in enumerate(titles):
        expect(history(page).nth(at)).to_contain_text(title)
    times = [each.get_attribute("datetime") or "" for each in history(page).locator("time").all()]
    assert times == sorted(times, key=datetime.fromisoformat, reverse=True)


def test_what_failed_says_why_and_whether_it_is_tried_again(page, served):
    found = open_recording(page, served, BREAKS_THE_SERVER)
    told = page.get_by_role("note")
    expect(told).to_contain_text("The last attempt failed")
    expect(told).to_contain_text(found["error"]["message"])
    expect(told).to_contain_text("service_error · HTTP 500")
    expect(told).to_contain_text(re.compile(r"tried again in (\d+ minutes|1 hour)"))
    next_try = told.locator("time").last
    assert next_try.get_attribute("datetime") == found["nextAttemptAt"]
    expect(next_try).to_have_attribute("title", re.compile(r"^[0-9-]{10} [0-9:]{8} UTC$"))
    expect(history(page).first).to_contain_text("Attempt 1: POST 500")
    expect(page.get_by_text("There is no transcript yet.")).to_be_visible()
    player = Player(page)  # it is an MP3
    player.audio.focus()
    page.keyboard.press("Space")
    player.plays_beyond(0.2)
    visit(page, address_of(served, NO_AUDIO))
    expect(told).to_contain_text("not_audio · HTTP 415")
    expect(told).to_contain_text("nobody tries it again but you")


def test_a_format_that_the_browser_does_not_know_is_told_and_its_file_can_be_had(page, served):
    open_recording(page, served, INTERNAL)  # GSM 6.10
    expect(page.get_by_role("alert")).to_contain_text("This browser cannot play it")
    with page.expect_download() as started:
        page.get_by_role("button", name="Audio file").click()
    assert started.value.path().read_bytes() == audio(INTERNAL)


def test_that_nobody_speaks_is_no_failure(page, served):
    open_recording(page, served, SILENCE)
    expect(page.get_by_text("Nobody speaks in this recording.")).to_be_visible()
    expect(page.get_by_text("transcribed")).to_contain_text("nobody speaks")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_role("note")).to_have_count(0)


def test_a_file_that_is_gone_is_told_and_found_again_when_it_is_back(page, served):
    found = recording(served, GREETING)
    name = found["path"].rpartition("/")[2]
    served.remove(f"{FOLDER}/{name}")
    served.run("sync")
    arrive(page, served, f"/admin/recordings/{found['id']}")
    expect(page.get_by_role("note")).to_contain_text("The file is gone")
    expect(sentence(page, "Hello, this is the hotel.")).to_be_visible()
    expect(page.locator("audio")).to_have_count(0)
    page.get_by_text("How can I help you today?").click()
    put(served, {name: audio(GREETING)})
    served.run("sync")
    page.reload()
    page.get_by_text("How can I help you today?").click()
    Player(page).plays_beyond(2.5)
    expect(page.get_by_role("note")).to_have_count(0)


def test_what_cannot_be_reached_is_told_and_can_be_tried_again_at_once(page, served, complaints):
    complaints.expect("net::ERR_FAILED")
    links = []

    def of_one_second(route):
        links.append(route.fetch().json())
        route.fulfill(json=links[0])

    page.route("**/audio-link", of_one_second)
    page.route(lambda url: "X-Amz-Signature" in url, lambda route: route.abort(), times=1)
    open_recording(page, served, GREETING)
    told = page.get_by_role("alert")
    expect(told).to_contain_text("out of reach")
    told.get_by_role("button", name="Try again").click()
    expect(told).to_have_count(0)
    player = Player(page)
    page.get_by_text("How can I help you today?").click()
    player.plays_beyond(2.5)
