"""How it stands: the overview, what failed, and the calls to the service, as the API tells it, and kept up to date."""

import itertools
import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.admin import arrive, figure, moment, rows, settled
from tests.browser.calls import BREAKS_THE_SERVER, GREETING, audio
from tests.browser.watching import touched, watch
from tests.e2e.served import Served

pytestmark = pytest.mark.slow

BERLIN = ZoneInfo("Europe/Berlin")
"""Where the viewer is."""

STATUSES = ("pending", "queued", "processing", "completed", "failed")
SUMMARY = "call-recordings/status-summary"
KEY, OPTION = "key-of-the-server", "option-that-is-secret"
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def served(served: Served, quick_service: Any) -> Served:
    """With a second call that broke the server, which has a key by now."""
    change = {"baseUrl": f"{quick_service.url}/behind", "apiKey": KEY, "options": f"token={OPTION}"}
    served.ask("modules/whisperx", "PUT", change)
    put_in_line(served, BREAKS_THE_SERVER)
    served.run("process")
    return served


def put_in_line(served: Served, sample: str = GREETING) -> None:
    """One more call."""
    served.store(f"2026/11/19/2025550143 {next(NUMBERS)}.{sample[-3:]}", audio(sample))
    served.run("sync", "queue")


def ids(served: Served, filters: str) -> set[str]:
    return {each["id"] for each in served.ask(f"call-recordings?{filters}")["items"]}


# overview ------------------------------------------------------------------------------------------------------------


def day(page: Page) -> Locator:
    return page.get_by_role("region", name="The last 24 hours")


def incomplete(page: Page) -> Locator:
    return page.get_by_role("region", name="Waiting to be complete")


def wait_for_overview(page: Page) -> None:
    """Until every part of it has been read."""
    expect(incomplete(page)).to_contain_text("No file waits.")
    expect(page.get_by_text("every 5 minutes")).to_be_visible()
    settled(page)


def test_each_status_is_counted_as_the_api_counts_it_and_leads_to_its_recordings(page, served):
    arrive(page, served)
    summary = served.ask(SUMMARY)
    flow = page.get_by_role("list", name=f"The way of recordings: {summary['total']} recordings")
    for step in ("sync every 5 minutes", "queue every 10 minutes", "process every minute"):
        expect(flow.get_by_role("listitem").filter(has_text=step)).to_be_visible()
    expect(flow.get_by_role("link")).to_have_count(len(STATUSES))
    for status in STATUSES:
        card = flow.get_by_role("link", name=status)
        expect(card.get_by_text(str(summary[status]), exact=True)).to_be_visible()
        expect(card).to_have_attribute("href", f"/admin/recordings?status={status}")
    flow.get_by_role("link", name="failed").click()
    expect(page.get_by_role("heading", name="Recordings", level=1)).to_be_focused()
    expect(page.get_by_label("Status")).to_have_value("failed")
    expect(page.get_by_text(f"{summary['failed']} recordings", exact=True)).to_be_visible()


def test_how_long_the_oldest_is_in_line_is_told(page, served):
    put_in_line(served)
    since = served.ask("call-recordings/activity")["oldestQueuedAt"]
    page.clock.set_fixed_time(datetime.fromisoformat(since) + timedelta(hours=2, minutes=5))
    arrive(page, served)
    expect(moment(figure(day(page), "Oldest in line"), since)).to_have_text("2 h 5 min")


def test_the_last_day_is_summed_up_and_told_by_the_hour(page, served):
    with page.expect_response("**/activity") as answer:
        arrive(page, served)
    hours = answer.value.json()["hours"]
    total = {name: sum(hour[name] for hour in hours) for name in ("transcribed", "failedAttempts", "audioSeconds")}
    assert all(total.values())
    expect(figure(day(page), "Transcribed")).to_have_text(str(total["transcribed"]))
    expect(figure(day(page), "Failed attempts")).to_have_text(str(total["failedAttempts"]))
    expect(figure(day(page), "Audio")).to_have_text(minutes(total["audioSeconds"]))
    day(page).get_by_text("As a table").click()
    expect(day(page).get_by_role("table")).to_be_visible()
    assert rows(day(page).get_by_role("table")) == [
        [
            f"{datetime.fromisoformat(hour['startsAt']).astimezone(BERLIN):%H:%M}",
            str(hour["transcribed"]),
            str(hour["failedAttempts"]),
            minutes(hour["audioSeconds"]),
        ]
        for hour in hours
    ]


def minutes(seconds: int) -> str:
    return f"{int(seconds / 6 + 0.5) / 10:g} min"


def test_failures_are_counted_by_reason_and_lead_to_their_recordings(page, served):
    arrive(page, served)
    reasons = page.get_by_role("region", name="Failures by reason")
    for reason, count in {"Service error": 2, "Not audio": 1}.items():
        told = reasons.get_by_role("listitem").filter(has_text=reason)
        expect(told.get_by_text(str(count), exact=True)).to_be_visible()
    expect(reasons.get_by_role("link", name="All failures")).to_have_attribute("href", "/admin/failures")
    reasons.get_by_role("link", name="Not audio").click()
    expect(page.get_by_text("1 recording", exact=True)).to_be_visible()
    (failed,) = ids(served, "transcriptionStatus=failed&errorCode=not_audio")
    expect(page.locator(f'a[href="/admin/recordings/{failed}"]')).to_be_visible()


def test_a_file_that_is_not_complete_is_named_with_its_reason_as_long_as_it_waits(page, served):
    page.clock.install()
    arrive(page, served)
    expect(incomplete(page)).to_contain_text("No file waits.")
    served.store("2026/11/19/still empty.wav", b"")
    served.run("sync")
    page.clock.fast_forward("01:01")
    expect(incomplete(page)).to_contain_text("1 file is not complete yet")
    expect(incomplete(page).get_by_role("listitem")).to_contain_text("still empty.wav")
    expect(incomplete(page).get_by_role("listitem")).to_contain_text("It is empty.")
    served.remove("2026/11/19/still empty.wav")
    served.run("sync")
    page.clock.fast_forward("01:01")
    expect(incomplete(page)).to_contain_text("No file waits.")


def test_an_outage_is_told_in_each_view_as_long_as_it_lasts(page, served, quick_service, reply, monkeypatch):
    put_in_line(served)
    page.clock.install()
    arrive(page, served)
    told = page.get_by_role("alert")
    expect(page.get_by_role("link", name="Queued")).to_be_visible()
    expect(told).to_have_count(0)
    with monkeypatch.context() as overloaded:
        at_once = {"Retry-After": "0"}  # so that the test need not wait for the next try
        overloaded.setattr(quick_service, "choose", lambda _: reply(status=503, headers=at_once))
        served.run("process")
        page.clock.fast_forward("00:11")
        expect(told).to_contain_text("The transcription service is unavailable")
        expect(told).to_contain_text("Last error: The service reports that it is overloaded (503).")
        outage = served.ask(SUMMARY)["outage"]
        expect(moment(told, outage["since"])).to_be_visible()
        expect(moment(told, outage["nextTryAt"])).to_be_visible()
        expect(told.locator('[aria-live="off"] time')).to_have_count(3)  # else they are read out again and again
        served.run("process")
        page.get_by_role("link", name="Calls", exact=True).click()
        expect(page.get_by_role("heading", name="Calls", level=1)).to_be_visible()
        page.clock.fast_forward("00:11")
        expect(told).to_contain_text("Tried in vain so far: 2.")
        expect(moment(told, outage["since"])).to_be_visible()
    served.run("process")
    page.clock.fast_forward("00:11")
    expect(told).to_have_count(0)


# how it keeps up -----------------------------------------------------------------------------------------------------


def test_an_update_of_the_overview_touches_nothing_but_what_has_changed(page, served):
    put_in_line(served)
    page.clock.install()
    page.set_viewport_size({"width": 1280, "height": 500})
    arrive(page, served)
    wait_for_overview(page)
    page.get_by_role("link", name="All failures").focus()
    place = page.evaluate("scrollY")
    assert place > 0
    watch(page)
    served.run("process")
    put_in_line(served)
    page.clock.fast_forward("01:01")
    completed = served.ask(SUMMARY)["completed"]
    expect(page.get_by_role("link", name="Completed").get_by_text(str(completed), exact=True)).to_be_attached()
    transcribed = sum(hour["transcribed"] for hour in served.ask("call-recordings/activity")["hours"])
    expect(figure(day(page), "Transcribed")).to_have_text(str(transcribed))
    expect(moment(incomplete(page), served.ask("scheduler/tasks")["items"][0]["lastRun"]["startedAt"])).to_be_visible()
    found = touched(page)
    assert found
    assert [each for each in found if each["kind"] == "childList" or each["before"] == each["after"]] == []
    expect(page.get_by_role("link", name="All failures")).to_be_focused()
    assert page.evaluate("scrollY") == place


@pytest.mark.parametrize("view", ["recordings", "scheduler", "calls"])
def test_a_list_that_is_read_again_keeps_what_is_in_it(page, served, view):
    page.clock.install()
    arrive(page, served, f"/admin/{view}")
    listed = page.get_by_role("main").locator("tr, li")
    expect(listed).not_to_have_count(0)
    settled(page)
    before = listed.count()
    watch(page)
    put_in_line(served)
    served.run("process")
    page.clock.fast_forward("00:31")
    expect(listed).not_to_have_count(before)
    assert [each for each in touched(page) if each.get("removed")] == []


def test_nothing_is_asked_for_while_nobody_sees_the_page(page, served):
    page.clock.install()
    arrive(page, served)
    wait_for_overview(page)
    see(page, False)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.fast_forward("10:00")
    page.clock.fast_forward("10:00")
    page.evaluate("fetch('/health')")  # what was asked for before this is told before it
    assert asked == [f"{served.url}/health"]
    with (
        page.expect_response("**/status-summary") as answer,
        page.expect_response("**/activity"),
        page.expect_response("**/tasks"),
    ):
        see(page, True)
    answer.value.finished()
    with page.expect_response("**/status-summary"):
        page.clock.fast_forward("00:11")


def see(page: Page, seen: bool) -> None:
    """The tab comes to the front, or goes."""
    page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        not seen,
    )


# failures ------------------------------------------------------------------------------------------------------------


def group(page: Page, reason: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=reason))


def test_failures_are_grouped_by_what_went_wrong(page, served):
    arrive(page, served, "/admin/failures")
    groups = served.ask("call-recordings/failure-summary")["items"]
    assert {each["code"]: (each["count"], each["final"]) for each in groups} == {
        "service_error": (2, 0),
        "not_audio": (1, 1),
    }
    for each in groups:
        shown = group(page, each["code"].replace("_", " "))
        expect(shown.get_by_text(str(each["count"]), exact=True).first).to_be_visible()
        expect(shown).to_contain_text(f"HTTP {each['httpStatus']}")
        expect(shown).to_contain_text(each["message"])
        expect(moment(figure(shown, "First seen"), each["firstAt"])).to_be_visible()
        expect(moment(figure(shown, "Last seen"), each["lastAt"])).to_be_visible()
        expect(figure(shown, "Retried by themselves")).to_have_text(str(each["count"] - each["final"]))
        expect(figure(shown, "Wait for you")).to_have_text(str(each["final"]))
    group(page, "Service error").get_by_role("link", name="Show them").click()
    expect(page.get_by_text("2 recordings", exact=True)).to_be_visible()


def test_a_group_is_retried_once_its_number_was_shown_and_agreed_to(page, served):
    arrive(page, served, "/admin/failures")
    queued, others = ids(served, "transcriptionStatus=queued"), ids(served, "errorCode=not_audio")
    meant = ids(served, "errorCode=service_error")
    retry = page.get_by_role("button", name="Retry all of service error")
    dialog = page.get_by_role("dialog", name="Retry 2 failed recordings?")
    retry.click()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert ids(served, "transcriptionStatus=failed") == meant | others
    retry.click()
    dialog.get_by_role("button", name="Retry 2").click()
    expect(page.get_by_text("2 recordings back in line.")).to_be_visible()
    expect(group(page, "Service error")).to_have_count(0)
    expect(group(page, "Not audio")).to_be_visible()
    assert ids(served, "transcriptionStatus=queued") == queued | meant
    assert ids(served, "transcriptionStatus=failed") == others
    served.run("process")  # they fail again


def test_where_nothing_has_failed_any_more_it_says_so(page, served):
    arrive(page, served, "/admin/failures")
    expect(group(page, "Service error")).to_be_visible()
    served.ask("call-recordings/retry", "POST", {})
    page.get_by_role("button", name="Retry all of service error").click()
    expect(page.get_by_text("None of them is failed any more.")).to_be_visible()
    expect(page.get_by_text("Nothing has failed.")).to_be_visible()
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("region", name="Failures by reason")).to_contain_text("Nothing has failed.")
    served.run("process")  # they fail again


# calls to the service ------------------------------------------------------------------------------------------------


def size(number: int) -> str:
    return f"{number} bytes" if number < 1000 else f"{number / 1000:.{int(number < 10_000)}f} kB"


def test_each_call_is_told_with_what_it_took_and_how_it_ended(page, served):
    arrive(page, served, "/admin/calls")
    calls = served.ask("transcription-calls")["items"]
    assert {each["status"] for each in calls} >= {200, 415, 500}
    table = page.get_by_role("table")
    expect(table.locator("tbody tr")).to_have_count(len(calls))
    assert [row[1:] for row in rows(table)] == [
        [
            each["recordingId"][:8],
            str(each["attempt"]),
            f"POST {each['url']}",
            str(each["status"]),
            f"{each['duration']:.1f} s",
            size(each["bytesSent"]),
            size(each["bytesReceived"]),
            (each["error"] or "").replace("_", " "),
        ]
        for each in calls
    ]
    times = table.locator("time")
    assert times.evaluate_all("(all) => all.map((each) => each.dateTime)") == [each["startedAt"] for each in calls]
    newest = datetime.fromisoformat(calls[0]["startedAt"])
    expect(times.first).to_have_text(f"{newest.astimezone(BERLIN):%-d %b %Y, %H:%M:%S}")
    expect(times.first).to_have_attribute("title", f"{newest:%Y-%m-%d %H:%M:%S} UTC")


def test_calls_are_found_by_how_they_ended_and_when_they_were(page, served):
    arrive(page, served, "/admin/calls")
    calls = served.ask("transcription-calls")["items"]
    found = page.locator("tbody tr")
    since, until = page.get_by_label("From", exact=True), page.get_by_label("To", exact=True)
    page.get_by_label("Result").select_option("Failed")
    expect(found).to_have_count(sum(each["error"] is not None for each in calls))
    expect(page).to_have_url(re.compile(r"/admin/calls\?status=failed$"))
    page.get_by_label("Result").select_option("Succeeded")
    expect(found).to_have_count(sum(each["error"] is None for each in calls))
    page.get_by_label("Result").select_option("All")
    newest, oldest = (datetime.fromisoformat(calls[at]["startedAt"]).astimezone(BERLIN) for at in (0, -1))
    since.fill(f"{newest + timedelta(minutes=1):%Y-%m-%dT%H:%M}")
    expect(page.get_by_text("There are no calls.")).to_be_visible()
    since.fill(f"{oldest:%Y-%m-%dT%H:%M}")
    expect(found).to_have_count(len(calls))
    until.fill(f"{oldest:%Y-%m-%dT%H:%M}")
    expect(page.get_by_text("There are no calls.")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(found).to_have_count(len(calls))


def test_a_call_leads_to_its_recording_and_a_recording_to_its_calls(page, served):
    arrive(page, served, "/admin/calls")
    calls = Counter(each["recordingId"] for each in served.ask("transcription-calls")["items"])
    recording, number = calls.most_common(1)[0]
    page.get_by_role("link", name=recording[:8]).first.click()
    expect(page).to_have_url(f"{served.url}/admin/recordings/{recording}")
    page.get_by_role("link", name="Its calls to the service").click()
    expect(page).to_have_url(f"{served.url}/admin/calls?recordingId={recording}")
    expect(page.locator("tbody tr")).to_have_count(number)
    expect(page.get_by_role("link", name=recording[:8])).to_have_count(number)
    page.get_by_role("link", name="One recording").click()
    expect(page.locator("tbody tr")).to_have_count(calls.total())


def test_nothing_secret_is_told_of_a_call(page, served, quick_service):
    received = [each for each in quick_service.received if each.headers.get("authorization") == f"Bearer {KEY}"]
    assert {"token": [OPTION]}.items() <= received[-1].query.items()
    arrive(page, served, "/admin/calls")
    expect(page.get_by_text("/behind/asr").first).to_be_visible()
    told = page.content()
    for secret in (KEY, OPTION, served.key, "2025550", "hotel"):
        assert secret not in told
