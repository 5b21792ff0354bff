"""The list of recordings: filters, search, pages, progress texts, and retries."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.admin import sign_in
from tests.browser.recordings import TINY, call_name, find_recording, forget_refusals, list_recordings, upload
from tests.browser.sample_calls import BREAKS_THE_SERVER, NO_AUDIO, ORDER, SILENCE, audio

pytestmark = pytest.mark.slow

PAGE = 50
OLD_CALLS = 60
"""More than one page."""

OLD_DAY = datetime(2026, 11, 12, 15, tzinfo=UTC)
HALF_PAST_MIDNIGHT = datetime(2026, 11, 15, 23, 30, tzinfo=UTC)
"""In Berlin, on the 16th."""

FAILURE_DAY, OTHER_FAILURE_DAY = datetime(2026, 11, 17, 9, tzinfo=UTC), datetime(2026, 11, 14, 9, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
LIST = "**/api/call-recordings?*"
NOT_AUDIO = "/admin/recordings?status=failed&errorCode=not_audio"


@pytest.fixture(scope="module")
def served(served):
    """The stack with 62 more pending calls, and seven that failed permanently: four on one day, three on another."""
    for caller, day, count in ((2025550180, FAILURE_DAY, 4), (2025550190, OTHER_FAILURE_DAY, 3)):
        forget_refusals(served)
        calls = {call_name(str(caller + n), day + timedelta(minutes=n)): audio(NO_AUDIO) for n in range(count)}
        upload(served, calls)
        served.run("sync", "queue", "process")  # the first time, this also completes the sample that was queued
    upload(served, {call_name("2025550171", OLD_DAY + timedelta(days=1)): TINY})
    served.run("sync", "queue")
    upload(served, {call_name("2025550199", OLD_DAY + timedelta(minutes=n)): TINY for n in range(OLD_CALLS)})
    upload(served, {call_name(f"202555016{n}", HALF_PAST_MIDNIGHT + timedelta(days=n)): TINY for n in range(2)})
    served.run("sync")
    return served


def rows(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("listitem")


def row(page: Page, name: str) -> Locator:
    """The row with this text in its link."""
    return rows(page).filter(has=page.get_by_role("link", name=name))


def numbers(page: Page) -> list[str]:
    """The callers, from top to bottom."""
    return [re.match("[0-9]+", text)[0] for text in rows(page).get_by_role("link").all_inner_texts()]


def field(page: Page, label: str) -> Locator:
    """A field of the filter form."""
    return page.get_by_role("search").get_by_label(label)


def search(page: Page, text: str) -> None:
    field(page, "Number").fill(text)
    field(page, "Number").press("Enter")


def wait_for_query(page: Page, **query: str) -> None:
    """Wait until the URL has exactly these query parameters."""
    page.wait_for_url(lambda url: dict(parse_qsl(urlsplit(url).query)) == query)


def expect_count(page: Page, text: str) -> None:
    expect(page.get_by_role("status").filter(has_text=re.compile("recording"))).to_have_text(text)


def statuses(served, *callers: str) -> set[str]:
    return {each["transcriptionStatus"] for each in list_recordings(served) if each["caller"] in callers}


def test_filters_are_kept_in_the_url(page, served):
    sign_in(page, served, "/admin/recordings")
    field(page, "Status").select_option("Failed")
    wait_for_query(page, status="failed")
    expect_count(page, "9 recordings")
    field(page, "Direction").select_option("Outbound")
    wait_for_query(page, status="failed", direction="outbound")
    expect_count(page, "1 recording")
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


def test_url_sets_the_filters_and_clear_filters_resets_them(page, served):
    sign_in(page, served, "/admin/recordings?search=0155&status=failed&direction=inbound&from=2026-11-19&to=2026-11-20")
    expect(rows(page)).to_have_count(1)
    expect(row(page, "2025550155")).to_be_visible()
    values = {"Number, call ID or file name": "0155", "Status": "failed", "Direction": "inbound"}
    values |= {"From": "2026-11-19", "To": "2026-11-20"}
    for label, value in values.items():
        expect(field(page, label)).to_have_value(value)
    page.get_by_role("link", name="Clear filters").click()
    wait_for_query(page)
    expect(rows(page)).to_have_count(PAGE)
    for label in values:
        expect(field(page, label)).to_have_value("")
    expect(page.get_by_role("link", name="Clear filters")).to_have_count(0)


def test_call_is_found_by_number_call_id_and_file_name(page, served):
    sign_in(page, served, "/admin/recordings")
    for text in ("0143", "2025550143", "+1 (202) 555-0143", "1795012210.17", "in-2025550100-2025550143"):
        search(page, text)
        expect_count(page, "1 recording")
        expect(row(page, "2025550143 → 2025550100")).to_be_visible()
        expect(rows(page)).to_have_count(1)
    search(page, "0199")
    expect_count(page, f"{OLD_CALLS} recordings")
    search(page, "  0198 ")
    wait_for_query(page, search="0198")
    expect(page.get_by_text("No matching recordings.")).to_be_visible()
    expect_count(page, "0 recordings")
    page.get_by_role("link", name="Clear the filters").click()
    expect(rows(page)).to_have_count(PAGE)


def test_days_are_in_the_time_zone_of_the_browser(page, served, page_errors):
    page_errors.expect("status of 400")
    sign_in(page, served, "/admin/recordings")
    field(page, "From").fill("2026-11-16")
    field(page, "To").fill("2026-11-16")
    wait_for_query(page, **{"from": "2026-11-16"}, to="2026-11-16")
    expect(rows(page)).to_have_count(1)
    call = row(page, "2025550160").locator("time")
    expect(call).to_have_text("16 Nov 2026, 00:30:00")
    expect(call).to_have_attribute("title", "2026-11-15 23:30:00 UTC")
    field(page, "To").fill("2026-11-15")
    expect(page.get_by_role("alert")).to_contain_text("from")
    field(page, "From").fill("2026-11-15")
    expect(page.get_by_text("No matching recordings.")).to_be_visible()


def test_typing_a_date_adds_one_history_entry(page, served):
    sign_in(page, served, "/admin/recordings")
    field(page, "From").press_sequentially("11162026")
    wait_for_query(page, **{"from": "2026-11-16"})
    page.go_back()
    wait_for_query(page)
    expect(field(page, "From")).to_have_value("")


def test_error_filter_is_a_chip_that_can_be_removed(page, served):
    sign_in(page, served, NOT_AUDIO)
    field(page, "Direction").select_option("Inbound")
    expect_count(page, "8 recordings")
    page.get_by_role("link", name="Error: not audio").click()
    wait_for_query(page, status="failed", direction="inbound")
    expect(page.get_by_role("link", name="Error")).to_have_count(0)


def test_pages_continue_where_the_previous_one_ends(page, served):
    sign_in(page, served, "/admin/recordings?direction=inbound")
    callers = [each["caller"] for each in list_recordings(served, direction="inbound")]
    expect_count(page, f"{len(callers)} recordings")
    expect(rows(page)).to_have_count(PAGE)
    first = numbers(page)
    page.get_by_role("link", name="Next page").click()
    expect(rows(page)).to_have_count(len(callers) - PAGE)
    assert first + numbers(page) == callers
    expect(page.get_by_role("link", name="Next page")).to_have_count(0)
    page.reload()
    expect(rows(page)).to_have_count(len(callers) - PAGE)
    page.go_back()
    expect(rows(page)).to_have_count(PAGE)
    assert numbers(page) == first
    page.go_forward()
    page.get_by_role("link", name="First page").click()
    expect(rows(page)).to_have_count(PAGE)
    assert numbers(page) == first


def test_each_row_shows_status_and_progress(page, served):
    failed, queued, completed, silent = (
        find_recording(served, name) for name in (BREAKS_THE_SERVER, "*-2025550171-*", ORDER, SILENCE)
    )
    next_attempt = datetime.fromisoformat(failed["nextAttemptAt"])
    now = (next_attempt - timedelta(seconds=1)).astimezone(BERLIN)
    page.clock.set_fixed_time(now)

    def short_time(timestamp):
        at = datetime.fromisoformat(timestamp).astimezone(BERLIN)
        return f"{at:%H:%M}" if at.date() == now.date() else f"{at.day} {at:%b %Y, %H:%M}"

    def expect_row(name, status, progress):
        expect(row(page, name).get_by_text(status, exact=True)).to_be_visible()
        expect(row(page, name).get_by_text(re.compile(f"^{re.escape(progress)}$"))).to_be_visible()

    sign_in(page, served, "/admin/recordings")
    expect_row(
        "102 → 2025550119", "Failed", f"attempt 1 of 5 · 500 · next attempt {short_time(failed['nextAttemptAt'])}"
    )
    utc = f"{next_attempt:%Y-%m-%d %H:%M:%S} UTC"
    expect(row(page, "102 → 2025550119").locator("time").last).to_have_attribute("title", utc)
    expect_row("2025550155", "Failed", "attempt 1 of 5 · 415 · needs manual retry")
    expect_row("2025550171", "Queued", f"queued since {short_time(queued['statusSince'])}")
    expect_row("2025550160", "Pending", "found · will be queued at the next run")
    expect_row("2025550178 → 101", "Completed", f"transcribed {short_time(completed['statusSince'])}")
    expect_row("2025550107", "Completed", f"transcribed {short_time(silent['statusSince'])} · no speech")
    now -= timedelta(days=1)
    page.clock.set_fixed_time(now)
    page.reload()
    expect_row(
        "102 → 2025550119", "Failed", f"attempt 1 of 5 · 500 · next attempt {short_time(failed['nextAttemptAt'])}"
    )


def test_refresh_of_the_list_keeps_what_is_being_typed(page, served):
    page.clock.install()
    sign_in(page, served, "/admin/recordings?status=failed")
    expect(rows(page)).to_have_count(9)
    field(page, "Number").press_sequentially("20255")
    with page.expect_response(LIST):
        page.clock.fast_forward(31_000)
    field(page, "Number").press_sequentially("50155")
    expect(field(page, "Number")).to_be_focused()
    field(page, "Number").press("Enter")
    wait_for_query(page, search="2025550155", status="failed")
    expect(rows(page)).to_have_count(1)


def test_empty_list_says_what_to_do_next(page, served):
    empty: dict[str, object] = {"items": [], "nextCursor": None}
    page.route(LIST, lambda route: route.fulfill(json=empty))
    sign_in(page, served, "/admin/recordings")
    expect(page.get_by_text("No recordings yet.")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("link", name="Settings")).to_have_attribute("href", "/admin/settings")
    page.unroute_all()
    empty_page = {"items": [], "nextCursor": "next-page"}
    page.route(LIST, lambda route: route.fulfill(json=empty_page))
    search(page, "0143")
    expect(page.get_by_role("link", name="Search older recordings")).to_have_attribute(
        "href", re.compile("search=0143&cursor=")
    )


def test_only_selected_recordings_are_retried(page, served, page_errors):
    page_errors.expect("status of 409")
    sign_in(page, served, f"{NOT_AUDIO}&from=2026-11-17&to=2026-11-17")
    expect(rows(page)).to_have_count(4)
    select_all = page.get_by_label("Select all failed on this page")
    select_all.check()
    expect(page.get_by_role("button", name="Retry selected (4)")).to_be_enabled()
    select_all.uncheck()
    expect(page.get_by_role("button", name="Retry selected (0)")).to_be_disabled()
    for caller in ("2025550180", "2025550181", "2025550183"):
        page.get_by_label(f"Select {caller}").check()
    expect(select_all).not_to_be_checked()
    requeued = find_recording(served, "*-2025550180-*")["id"]
    served.request(f"call-recordings/{requeued}", "PUT", {"transcriptionStatus": "queued"})
    page.get_by_role("button", name="Retry selected (3)").click()
    expect(page.get_by_text("2 recordings requeued. 1 other could not be requeued: ")).to_be_visible()
    expect(rows(page)).to_have_count(1)
    expect_count(page, "1 recording")
    assert statuses(served, "2025550181", "2025550183") == {"queued"}
    assert statuses(served, "2025550182") == {"failed"}


def test_all_matching_recordings_are_retried_after_confirmation(page, served):
    sign_in(page, served, f"{NOT_AUDIO}&from=2026-11-14&to=2026-11-14")
    callers = ("2025550190", "2025550191", "2025550192")
    page.get_by_role("button", name="Retry all matching").click()
    dialog = page.get_by_role("dialog", name="Retry 3 failed recordings?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert statuses(served, *callers) == {"failed"}
    page.get_by_role("button", name="Retry all matching").click()
    dialog.get_by_role("button", name="Retry 3").click()
    expect(page.get_by_text("3 recordings requeued.")).to_be_visible()
    expect(page.get_by_text("No matching recordings.")).to_be_visible()
    assert statuses(served, *callers) == {"queued"}
    assert find_recording(served, NO_AUDIO)["transcriptionStatus"] == "failed"
