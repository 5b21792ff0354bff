"""The list of recordings: what its filters find, what a row says, pages, and retrying those that failed."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.admin import arrive
from tests.browser.calls import BREAKS_THE_SERVER, NO_AUDIO, ORDER, SILENCE, audio
from tests.browser.recordings import TINY, call_name, put, recording, recordings

pytestmark = pytest.mark.slow

PAGE = 50
OLD_CALLS = 60
"""So there are two pages."""

OLD_DAY = datetime(2026, 11, 12, 15, tzinfo=UTC)
HALF_PAST_MIDNIGHT = datetime(2026, 11, 15, 23, 30, tzinfo=UTC)
"""In Berlin, of the 16th."""

BAD_DAY, WORSE_DAY = datetime(2026, 11, 17, 9, tzinfo=UTC), datetime(2026, 11, 14, 9, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
LIST = "**/api/call-recordings?*"
NOT_AUDIO = "/admin/recordings?status=failed&errorCode=not_audio"


@pytest.fixture(scope="module")
def served(served):
    """With many more: 62 calls are pending, four and three have failed for good on a day each."""
    files = {call_name(f"20255501{80 + n}", BAD_DAY + timedelta(minutes=n)): audio(NO_AUDIO) for n in range(4)}
    files |= {call_name(f"20255501{90 + n}", WORSE_DAY + timedelta(minutes=n)): audio(NO_AUDIO) for n in range(3)}
    put(served, files)
    served.run("sync", "queue", "process")  # the sample that was in line is completed by it
    put(served, {call_name("2025550171", OLD_DAY + timedelta(days=1)): TINY})
    served.run("sync", "queue")
    put(served, {call_name("2025550199", OLD_DAY + timedelta(minutes=n)): TINY for n in range(OLD_CALLS)})
    put(served, {call_name(f"202555016{n}", HALF_PAST_MIDNIGHT + timedelta(days=n)): TINY for n in range(2)})
    served.run("sync")
    return served


def rows(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("listitem")


def row(page: Page, name: str) -> Locator:
    """The one of this number, or whatever its link says."""
    return rows(page).filter(has=page.get_by_role("link", name=name))


def numbers(page: Page) -> list[str]:
    """The callers, from top to bottom."""
    return [re.match("[0-9]+", each)[0] for each in rows(page).get_by_role("link").all_inner_texts()]


def field(page: Page, label: str) -> Locator:
    """One of the filters."""
    return page.get_by_role("search").get_by_label(label)


def search(page: Page, words: str) -> None:
    field(page, "Number").fill(words)
    field(page, "Number").press("Enter")


def filtered(page: Page, **query: str) -> None:
    """Waits until the address says so, and nothing else."""
    page.wait_for_url(lambda url: dict(parse_qsl(urlsplit(url).query)) == query)


def counted(page: Page, words: str) -> None:
    expect(page.get_by_role("status").filter(has_text=re.compile("recording"))).to_have_text(words)


def statuses(served, *callers: str) -> set[str]:
    return {each["transcriptionStatus"] for each in recordings(served) if each["caller"] in callers}


def test_a_filter_stands_in_the_address_and_is_there_after_reload_and_back(page, served):
    arrive(page, served, "/admin/recordings")
    field(page, "Status").select_option("Failed")
    filtered(page, status="failed")
    counted(page, "9 recordings")
    field(page, "Direction").select_option("Outbound")
    filtered(page, status="failed", direction="outbound")
    counted(page, "1 recording")
    expect(rows(page)).to_have_count(1)
    page.reload()
    expect(rows(page)).to_have_count(1)
    expect(field(page, "Status")).to_have_value("failed")
    expect(field(page, "Direction")).to_have_value("outbound")
    page.go_back()
    expect(rows(page)).to_have_count(9)
    expect(field(page, "Status")).to_have_value("failed")
    expect(field(page, "Direction")).to_have_value("")
    page.go_forward()
    expect(rows(page)).to_have_count(1)


def test_a_bookmark_shows_what_it_says_and_clear_all_shows_all(page, served):
    arrive(page, served, "/admin/recordings?search=0155&status=failed&direction=inbound&from=2026-11-19&to=2026-11-20")
    expect(rows(page)).to_have_count(1)
    expect(row(page, "2025550155")).to_be_visible()
    shown = {"Number, call id or file name": "0155", "Status": "failed", "Direction": "inbound"}
    for label, value in (shown | {"From": "2026-11-19", "To": "2026-11-20"}).items():
        expect(field(page, label)).to_have_value(value)
    page.get_by_role("link", name="Clear all").click()
    filtered(page)
    expect(rows(page)).to_have_count(PAGE)
    for label in (*shown, "From", "To"):
        expect(field(page, label)).to_have_value("")
    expect(page.get_by_role("link", name="Clear all")).to_have_count(0)


def test_a_call_is_found_by_its_number_its_id_and_its_files_name(page, served):
    arrive(page, served, "/admin/recordings")
    for words in ("0143", "2025550143", "+1 (202) 555-0143", "1795012210.17", "in-2025550100-2025550143"):
        search(page, words)
        counted(page, "1 recording")
        expect(row(page, "2025550143 → 2025550100")).to_be_visible()
        expect(rows(page)).to_have_count(1)
    search(page, "0199")
    counted(page, f"{OLD_CALLS} recordings")
    search(page, "  0198 ")
    filtered(page, search="0198")
    expect(page.get_by_text("No recording matches.")).to_be_visible()
    counted(page, "0 recordings")
    page.get_by_role("link", name="Clear the filters").click()
    expect(rows(page)).to_have_count(PAGE)


def test_a_day_is_the_viewers_own(page, served, complaints):
    complaints.expect("status of 400")
    arrive(page, served, "/admin/recordings")
    field(page, "From").fill("2026-11-16")
    field(page, "To").fill("2026-11-16")
    filtered(page, **{"from": "2026-11-16"}, to="2026-11-16")
    expect(rows(page)).to_have_count(1)
    call = row(page, "2025550160").locator("time")
    expect(call).to_have_text("16 Nov 2026, 00:30:00")
    expect(call).to_have_attribute("title", "2026-11-15 23:30:00 UTC")
    field(page, "To").fill("2026-11-15")
    expect(page.get_by_role("alert")).to_contain_text("from")
    field(page, "From").fill("2026-11-15")
    expect(page.get_by_text("No recording matches.")).to_be_visible()


def test_a_day_can_be_typed_and_is_one_step_of_the_history(page, served):
    arrive(page, served, "/admin/recordings")
    field(page, "From").press_sequentially("11162026")
    filtered(page, **{"from": "2026-11-16"})
    page.go_back()
    filtered(page)
    expect(field(page, "From")).to_have_value("")


def test_a_reason_stands_as_a_chip_that_stays_until_it_is_taken_away(page, served):
    arrive(page, served, NOT_AUDIO)
    field(page, "Direction").select_option("Inbound")
    counted(page, "8 recordings")
    page.get_by_role("link", name="Reason: not audio").click()
    filtered(page, status="failed", direction="inbound")
    expect(page.get_by_role("link", name="Reason")).to_have_count(0)


def test_the_next_page_goes_on_where_the_first_one_ends(page, served):
    arrive(page, served, "/admin/recordings?direction=inbound")
    all_of_them = [each["caller"] for each in recordings(served, direction="inbound")]
    counted(page, f"{len(all_of_them)} recordings")
    expect(rows(page)).to_have_count(PAGE)
    first = numbers(page)
    page.get_by_role("link", name="Next page").click()
    expect(rows(page)).to_have_count(len(all_of_them) - PAGE)
    assert first + numbers(page) == all_of_them
    expect(page.get_by_role("link", name="Next page")).to_have_count(0)
    page.reload()
    expect(rows(page)).to_have_count(len(all_of_them) - PAGE)
    page.go_back()
    expect(rows(page)).to_have_count(PAGE)
    assert numbers(page) == first
    page.go_forward()
    page.get_by_role("link", name="First page").click()
    expect(rows(page)).to_have_count(PAGE)
    assert numbers(page) == first


def test_each_row_says_how_far_it_is_and_what_comes_next(page, served):
    failed, queued, spoken, silent = (
        recording(served, name) for name in (BREAKS_THE_SERVER, "*-2025550171-*", ORDER, SILENCE)
    )
    next_try = datetime.fromisoformat(failed["nextAttemptAt"])
    now = (next_try - timedelta(seconds=1)).astimezone(BERLIN)
    page.clock.set_fixed_time(now)

    def near(moment):
        at = datetime.fromisoformat(moment).astimezone(BERLIN)
        return f"{at:%H:%M}" if at.date() == now.date() else f"{at.day} {at:%b %Y, %H:%M}"

    def shows(name, status, way):
        expect(row(page, name).get_by_text(status, exact=True)).to_be_visible()
        expect(row(page, name).get_by_text(re.compile(f"^{re.escape(way)}$"))).to_be_visible()

    arrive(page, served, "/admin/recordings")
    shows("102 → 2025550119", "Failed", f"attempt 1 of 5 · 500 · next {near(failed['nextAttemptAt'])}")
    utc = f"{next_try:%Y-%m-%d %H:%M:%S} UTC"
    expect(row(page, "102 → 2025550119").locator("time").last).to_have_attribute("title", utc)
    shows("2025550155", "Failed", "attempt 1 of 5 · 415 · waits for a person")
    shows("2025550171", "Queued", f"in line since {near(queued['statusSince'])}")
    shows("2025550160", "Pending", "found · queued at the next run")
    shows("2025550178 → 101", "Completed", f"transcribed {near(spoken['statusSince'])}")
    shows("2025550107", "Completed", f"transcribed {near(silent['statusSince'])} · nobody speaks")
    now -= timedelta(days=1)
    page.clock.set_fixed_time(now)
    page.reload()
    shows("102 → 2025550119", "Failed", f"attempt 1 of 5 · 500 · next {near(failed['nextAttemptAt'])}")


def test_what_is_being_typed_is_not_undone_by_the_list_that_is_read_anew(page, served):
    page.clock.install()
    arrive(page, served, "/admin/recordings?status=failed")
    expect(rows(page)).to_have_count(9)
    field(page, "Number").press_sequentially("20255")
    with page.expect_response(LIST):
        page.clock.fast_forward(31_000)
    field(page, "Number").press_sequentially("50155")
    expect(field(page, "Number")).to_be_focused()
    field(page, "Number").press("Enter")
    filtered(page, search="2025550155", status="failed")
    expect(rows(page)).to_have_count(1)


def test_where_there_is_nothing_it_is_said_what_to_do(page, served):
    nothing: dict[str, object] = {"items": [], "nextCursor": None}
    page.route(LIST, lambda route: route.fulfill(json=nothing))
    arrive(page, served, "/admin/recordings")
    expect(page.get_by_text("There are no recordings yet.")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("link", name="Settings")).to_have_attribute("href", "/admin/settings")
    page.unroute_all()
    further = {"items": [], "nextCursor": "further"}
    page.route(LIST, lambda route: route.fulfill(json=further))
    search(page, "0143")
    expect(page.get_by_role("link", name="Look further back")).to_have_attribute(
        "href", re.compile("search=0143&cursor=")
    )


def test_those_that_are_selected_are_retried_and_no_others(page, served, complaints):
    complaints.expect("status of 409")
    arrive(page, served, f"{NOT_AUDIO}&from=2026-11-17&to=2026-11-17")
    expect(rows(page)).to_have_count(4)
    every = page.get_by_label("All failed of this page")
    every.check()
    expect(page.get_by_role("button", name="Retry selected (4)")).to_be_enabled()
    every.uncheck()
    expect(page.get_by_role("button", name="Retry selected (0)")).to_be_disabled()
    for caller in ("2025550180", "2025550181", "2025550183"):
        page.get_by_label(f"Select {caller}").check()
    expect(every).not_to_be_checked()
    other = recording(served, "*-2025550180-*")["id"]
    served.ask(f"call-recordings/{other}", "PUT", {"transcriptionStatus": "queued"})
    page.get_by_role("button", name="Retry selected (3)").click()
    expect(page.get_by_text("2 recordings back in line. 1 other could not be: ")).to_be_visible()
    expect(rows(page)).to_have_count(1)
    counted(page, "1 recording")
    assert statuses(served, "2025550181", "2025550183") == {"queued"}
    assert statuses(served, "2025550182") == {"failed"}


def test_all_that_match_are_retried_when_a_person_has_seen_how_many_they_are(page, served):
    arrive(page, served, f"{NOT_AUDIO}&from=2026-11-14&to=2026-11-14")
    callers = ("2025550190", "2025550191", "2025550192")
    page.get_by_role("button", name="Retry all that match").click()
    question = page.get_by_role("dialog", name="Retry 3 failed recordings?")
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_have_count(0)
    assert statuses(served, *callers) == {"failed"}
    page.get_by_role("button", name="Retry all that match").click()
    question.get_by_role("button", name="Retry 3").click()
    expect(page.get_by_text("3 recordings back in line.")).to_be_visible()
    expect(page.get_by_text("No recording matches.")).to_be_visible()
    assert statuses(served, *callers) == {"queued"}
    assert recording(served, NO_AUDIO)["transcriptionStatus"] == "failed"
