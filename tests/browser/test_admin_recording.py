"""The page of one recording: playback, transcript, search, downloads, editing, transcribing again, errors."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.admin import open_address, sign_in
from tests.browser.player import Player
from tests.browser.recordings import FOLDER, TINY, call_name, find_recording, recording_address, upload
from tests.browser.sample_calls import (
    BREAKS_THE_SERVER,
    FIRST_SPEAKER,
    GREETING,
    INTERNAL,
    NO_AUDIO,
    ORDER,
    SILENCE,
    STEREO,
    asr_response,
    audio,
)

pytestmark = pytest.mark.slow


def open_recording(page: Page, served, name: str) -> dict[str, Any]:
    """Sign in on the page of a recording; return the recording as the API has it."""
    recording = find_recording(served, name)
    sign_in(page, served, f"/admin/recordings/{recording['id']}")
    return recording


def segments(page: Page) -> Locator:
    return page.get_by_role("list", name="Transcript").get_by_role("listitem")


def segment(page: Page, text: str) -> Locator:
    return segments(page).filter(has_text=text)


def metadata(page: Page, title: str) -> Locator:
    """The value and the source of a metadata field."""
    return (
        call_section(page)
        .locator("div")
        .filter(has=page.get_by_role("term").get_by_text(title, exact=True))
        .get_by_role("definition")
    )


def call_section(page: Page) -> Locator:
    return page.get_by_role("region", name="Call", exact=True)


def history(page: Page) -> Locator:
    return page.get_by_role("region", name="History").get_by_role("listitem")


def test_spoken_segment_is_highlighted(page, served):
    open_recording(page, served, STEREO)
    player = Player(page)
    highlighted = page.get_by_role("list", name="Transcript").locator('[aria-current="true"]')
    expect(highlighted).to_have_count(0)
    page.get_by_text("When will you arrive?").click()
    player.wait_until_highlighted("When will you arrive?")
    page.get_by_label("Speed").select_option("2×")
    player.wait_until_highlighted("I will come tomorrow morning.")
    assert player.seeks == [5.62]
    assert player.playback_rate == 2
    player.pause()
    player.seek(0)
    expect(highlighted).to_have_count(0)


def test_selecting_text_does_not_seek(page, served):
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
    assert player.seeks == []
    assert player.is_paused
    page.get_by_text("When will you arrive?").click()
    player.wait_until_played(5.7)
    assert player.seeks == [5.62]


def test_speakers_can_be_swapped(page, served):
    open_recording(page, served, STEREO)

    def names_and_colours(page):
        names = segments(page).get_by_text(re.compile("^(Agent|Caller|Speaker [0-9])$"))
        return {(name.inner_text(), name.evaluate("(name) => getComputedStyle(name).color")) for name in names.all()}

    expect(segment(page, "Good morning.")).to_contain_text("Agent")
    expect(segment(page, "my hotel room")).to_contain_text("Caller")
    before = names_and_colours(page)
    assert len(before) == 2
    page.get_by_role("button", name="Swap speakers").click()
    expect(segment(page, "Good morning.")).to_contain_text("Caller")
    expect(segment(page, "my hotel room")).to_contain_text("Agent")
    assert names_and_colours(page) == before
    page.reload()
    expect(segment(page, "Good morning.")).to_contain_text("Caller")
    expect(page.get_by_role("button", name="Swap speakers")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Swap speakers").click()
    expect(segment(page, "Good morning.")).to_contain_text("Agent")
    open_address(page, recording_address(served, GREETING))
    expect(segment(page, "Hello")).to_contain_text("Speaker 00")
    expect(segment(page, "How can I")).to_contain_text("Speaker 01")


def test_search_finds_matches_in_the_transcript(page, served):
    open_recording(page, served, STEREO)
    field = page.get_by_role("searchbox", name="Search in the transcript")
    match_count = page.get_by_role("region", name="Audio and transcript").get_by_role("status")
    field.fill("YOU")
    expect(page.locator("mark")).to_have_text(["you", "you"])
    current = page.locator("mark.current")
    for act, count, text in (
        (lambda: None, "1 of 2 matches", "How can I help"),
        (lambda: field.press("Enter"), "2 of 2 matches", "arrive"),
        (lambda: field.press("Enter"), "1 of 2 matches", "How can I help"),
        (lambda: field.press("Shift+Enter"), "2 of 2 matches", "arrive"),
        (page.get_by_role("button", name="Next match").click, "1 of 2 matches", "How can I help"),
        (page.get_by_role("button", name="Previous match").click, "2 of 2 matches", "arrive"),
    ):
        act()
        expect(match_count).to_have_text(count)
        expect(segments(page).filter(has=current)).to_contain_text(text)
    field.fill("yours")
    expect(match_count).to_have_text("No matches")
    expect(page.get_by_role("button", name="Next match")).to_be_disabled()
    expect(page.locator("mark")).to_have_count(0)
    field.fill("(hotel")  # not a regular expression
    expect(match_count).to_have_text("No matches")
    field.fill("")
    expect(match_count).to_have_count(0)


def test_downloaded_transcript_matches_the_api(page, served):
    recording = open_recording(page, served, GREETING)
    headers = {"Authorization": f"Bearer {served.key}"}
    for format_ in ("txt", "srt", "vtt", "json"):
        with page.expect_download() as started:
            page.get_by_role("button", name=f"Download {format_.upper()}").click()
        assert started.value.suggested_filename == f"{recording['id']}.{format_}"
        url = f"/api/call-recordings/{recording['id']}/transcript?format={format_}"
        assert started.value.path().read_bytes() == page.request.get(url, headers=headers).body()


def test_queued_recording_can_be_transcribed_now_and_its_transcript_appears(page, served):
    open_recording(page, served, ORDER)
    main = page.get_by_role("main")
    expect(main).to_contain_text("No transcript yet.")
    expect(main).to_contain_text("The recording is in the queue.")
    Player(page)
    page.get_by_role("button", name="Transcribe now").click()
    expect(main).to_contain_text("Moved to the front of the queue.")
    expect(segment(page, "I would like to know when my order will arrive.")).to_be_visible()
    expect(page.get_by_role("button", name="Transcribe again")).to_be_visible()
    expect(history(page).filter(has_text="Transcript stored")).to_have_count(1)


def test_transcribing_again_adds_a_version_and_keeps_the_first(page, served, reply, quick_service, monkeypatch):
    recording = open_recording(page, served, INTERNAL)
    first = recording["transcript"]["version"]
    button = page.get_by_role("button", name="Transcribe again")
    dialog = page.get_by_role("dialog", name="Transcribe again?")
    expect(page.get_by_label("Version")).to_have_count(0)
    button.click()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert find_recording(served, INTERNAL)["transcript"]["version"] == first
    better = reply(body=asr_response([(0.3, 1.2, FIRST_SPEAKER, "This is better.")]))
    monkeypatch.setattr(quick_service, "choose_reply", lambda _: better)
    button.click()
    dialog.get_by_role("button", name="Transcribe again").click()
    expect(segment(page, "This is better.")).to_be_visible()
    second = find_recording(served, INTERNAL)["transcript"]["version"]
    selector = page.get_by_label("Version")
    expect(selector).to_have_value(second)
    expect(history(page).filter(has_text="Transcript stored")).to_have_count(2)
    expect(history(page).filter(has_text="current version")).to_have_count(1)
    selector.select_option(first)
    expect(page).to_have_url(re.compile(rf"\?version={first}$"))
    expect(segment(page, "We have a meeting this afternoon.")).to_be_visible()
    with page.expect_download() as started:
        page.get_by_role("button", name="Download TXT").click()
    assert "meeting" in started.value.path().read_text("utf-8")
    page.reload()
    expect(segment(page, "We have a meeting this afternoon.")).to_be_visible()
    expect(selector).to_have_value(first)
    selector.select_option(second)
    expect(page).to_have_url(re.compile("/[a-z2-7]{20}$"))
    expect(segment(page, "This is better.")).to_be_visible()


def test_metadata_is_shown_with_its_source(page, served):
    name = call_name("2025550171", datetime(2026, 11, 18, 23, 30, tzinfo=UTC))
    upload(served, {name: TINY, name.replace(".wav", ".json"): json.dumps({"party": "Ann Lee"}).encode()})
    served.run("sync")
    recording = open_recording(page, served, name)
    for title, value, source in (
        ("Direction", "Inbound", "file name"),
        ("Caller", "2025550171", "file name"),
        ("Callee", "2025550100", "file name"),
        ("Name", "Ann Lee", "sidecar"),
        ("Started", "2026-11-18 18:30:00", "file name"),
        ("UTC offset", "-05:00", "file name"),
        ("Call ID", recording["callId"], "file name"),
    ):
        expect(metadata(page, title)).to_have_text(f"{value} {source}")
    expect(metadata(page, "File")).to_have_text(recording["path"])
    expect(metadata(page, "Size")).to_have_text("1.6 kB")
    expect(page.get_by_text("19 Nov 2026, 00:30:00").first).to_have_attribute("title", "2026-11-18 23:30:00 UTC")
    expect(page.get_by_text("No transcript yet.")).to_be_visible()
    expect(page.get_by_text("The recording will be queued at the next run.")).to_be_visible()


def test_edited_metadata_is_saved(page, served, page_errors):
    page_errors.expect("status of 400")
    open_recording(page, served, NO_AUDIO)
    form = call_section(page)
    form.get_by_role("button", name="Edit").click()
    form.get_by_label("Started").fill("yesterday")
    form.get_by_role("button", name="Save").click()
    expect(form).to_contain_text("must be a time like 2026-11-18T09:30:00Z")
    expect(form.get_by_label("Started")).to_have_attribute("aria-invalid", "true")
    form.get_by_role("button", name="Cancel").click()
    expect(metadata(page, "Started")).to_have_text("2026-11-18 18:15:02 file name")
    form.get_by_role("button", name="Edit").click()
    form.get_by_label("Caller").fill("+1 202 555 0156")
    form.get_by_label("Name").fill("Ann Lee")
    form.get_by_label("Started").fill("2026-11-18T18:20:00")
    form.get_by_label("Call ID").fill("")
    form.get_by_role("button", name="Save").click()
    expect(metadata(page, "Caller")).to_have_text("+1 202 555 0156 edited")
    expect(metadata(page, "Name")).to_have_text("Ann Lee edited")
    expect(metadata(page, "Started")).to_have_text("2026-11-18 18:20:00-05:00 edited")
    expect(page.get_by_text("19 Nov 2026, 00:20:00").first).to_be_visible()
    expect(metadata(page, "Callee")).to_have_text("2025550100 file name")
    expect(metadata(page, "Call ID")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_have_text("+1 202 555 0156 → 2025550100")
    page.reload()
    expect(metadata(page, "Caller")).to_have_text("+1 202 555 0156 edited")


def test_history_lists_all_events_newest_first(page, served):
    open_recording(page, served, GREETING)
    titles = ("Transcript stored current version", "Attempt 1: POST 200", "Found by sync", "File written", "Call")
    expect(history(page)).to_have_count(len(titles))
    for index, title in enumerate(titles):
        expect(history(page).nth(index)).to_contain_text(title)
    times = [element.get_attribute("datetime") or "" for element in history(page).locator("time").all()]
    assert times == sorted(times, key=datetime.fromisoformat, reverse=True)


def test_failed_recording_shows_its_error_and_the_next_attempt(page, served):
    recording = open_recording(page, served, BREAKS_THE_SERVER)
    notice = page.get_by_role("note")
    expect(notice).to_contain_text("The last attempt failed")
    expect(notice).to_contain_text(recording["error"]["message"])
    expect(notice).to_contain_text("service_error · HTTP 500")
    expect(notice).to_contain_text(re.compile(r"retried in (\d+ minutes|1 hour)"))
    next_attempt = notice.locator("time").last
    assert next_attempt.get_attribute("datetime") == recording["nextAttemptAt"]
    expect(next_attempt).to_have_attribute("title", re.compile(r"^[0-9-]{10} [0-9:]{8} UTC$"))
    expect(history(page).first).to_contain_text("Attempt 1: POST 500")
    expect(page.get_by_text("No transcript yet.")).to_be_visible()
    player = Player(page)  # of an MP3
    player.audio.focus()
    page.keyboard.press("Space")
    player.wait_until_played(0.2)
    open_address(page, recording_address(served, NO_AUDIO))
    expect(notice).to_contain_text("not_audio · HTTP 415")
    expect(notice).to_contain_text("needs manual retry")


def test_unsupported_audio_format_is_reported_and_can_be_downloaded(page, served):
    open_recording(page, served, INTERNAL)  # GSM 6.10
    expect(page.get_by_role("alert")).to_contain_text("Playback failed")
    with page.expect_download() as started:
        page.get_by_role("button", name="Download audio").click()
    assert started.value.path().read_bytes() == audio(INTERNAL)


def test_recording_without_speech_is_not_an_error(page, served):
    open_recording(page, served, SILENCE)
    expect(page.get_by_text("No speech in this recording.")).to_be_visible()
    expect(page.get_by_text("transcribed")).to_contain_text("no speech")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_role("note")).to_have_count(0)


def test_missing_file_is_reported_until_it_is_back(page, served):
    recording = find_recording(served, GREETING)
    name = recording["path"].rpartition("/")[2]
    served.remove(f"{FOLDER}/{name}")
    served.run("sync")
    sign_in(page, served, f"/admin/recordings/{recording['id']}")
    expect(page.get_by_role("note")).to_contain_text("The file is missing")
    expect(segment(page, "Hello, this is the hotel.")).to_be_visible()
    expect(page.locator("audio")).to_have_count(0)
    page.get_by_text("How can I help you today?").click()
    upload(served, {name: audio(GREETING)})
    served.run("sync")
    page.reload()
    page.get_by_text("How can I help you today?").click()
    Player(page).wait_until_played(2.5)
    expect(page.get_by_role("note")).to_have_count(0)


def test_unreachable_audio_is_reported_and_can_be_retried(page, served, page_errors):
    page_errors.expect("net::ERR_FAILED")
    links = []

    def same_link(route):  # as if both were created within one second
        links.append(route.fetch().json())
        route.fulfill(json=links[0])

    page.route("**/audio-link", same_link)
    page.route(lambda url: "X-Amz-Signature" in url, lambda route: route.abort(), times=1)
    open_recording(page, served, GREETING)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("unreachable")
    alert.get_by_role("button", name="Try again").click()
    expect(alert).to_have_count(0)
    player = Player(page)
    page.get_by_text("How can I help you today?").click()
    player.wait_until_played(2.5)
