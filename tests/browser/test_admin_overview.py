"""Overview, failures and server requests: they show what the API returns, and stay up to date."""

import itertools
import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.admin import cell_texts, sign_in, stat, time_element, wait_until_loaded
from tests.browser.dom_changes import recorded_changes, start_recording
from tests.browser.sample_calls import BREAKS_THE_SERVER, GREETING, audio
from tests.e2e.served import ServedStack

pytestmark = pytest.mark.slow

BERLIN = ZoneInfo("Europe/Berlin")
"""The time zone of the browser."""

STATUSES = ("pending", "queued", "processing", "completed", "failed")
SUMMARY = "call-recordings/status-summary"
SERVER_KEY, SECRET_OPTION = "key-of-the-server", "option-that-is-secret"
SERIAL_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def served(served: ServedStack, quick_service: Any) -> ServedStack:
    """The stack with a second call that breaks the server, and with a server key and a secret option."""
    settings = {"baseUrl": f"{quick_service.url}/proxy", "apiKey": SERVER_KEY, "options": f"token={SECRET_OPTION}"}
    served.request("modules/whisperx", "PUT", settings)
    queue_call(served, BREAKS_THE_SERVER)
    served.run("process")
    return served


def queue_call(served: ServedStack, sample: str = GREETING) -> None:
    """Upload one more call, and queue it."""
    served.store(f"2026/11/19/2025550143 {next(SERIAL_NUMBERS)}.{sample[-3:]}", audio(sample))
    served.run("sync", "queue")


def recording_ids(served: ServedStack, filters: str) -> set[str]:
    return {each["id"] for each in served.request(f"call-recordings?{filters}")["items"]}


# overview ------------------------------------------------------------------------------------------------------------


def last_day(page: Page) -> Locator:
    return page.get_by_role("region", name="Last 24 hours")


def incomplete_files(page: Page) -> Locator:
    return page.get_by_role("region", name="Incomplete files")


def wait_for_overview(page: Page) -> None:
    """Wait until all parts of the overview are loaded."""
    expect(incomplete_files(page)).to_contain_text("No incomplete files.")
    expect(page.get_by_text("every 5 minutes")).to_be_visible()
    wait_until_loaded(page)


def test_status_counts_match_the_api_and_link_to_the_recordings(page, served):
    sign_in(page, served)
    summary = served.request(SUMMARY)
    flow = page.get_by_role("list", name=f"Status of {summary['total']} recordings")
    for step in ("Find recordings every 5 minutes", "Queue every 10 minutes", "Transcribe every minute"):
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


def test_age_of_the_oldest_queued_recording_is_shown(page, served):
    queue_call(served)
    since = served.request("call-recordings/activity")["oldestQueuedAt"]
    page.clock.set_fixed_time(datetime.fromisoformat(since) + timedelta(hours=2, minutes=5))
    sign_in(page, served)
    expect(time_element(stat(last_day(page), "Oldest in queue"), since)).to_have_text("2 h 5 min")


def test_last_24_hours_are_shown_as_totals_and_by_hour(page, served):
    with page.expect_response("**/activity") as response:
        sign_in(page, served)
    hours = response.value.json()["hours"]
    total = {name: sum(hour[name] for hour in hours) for name in ("transcribed", "failedAttempts", "audioSeconds")}
    assert all(total.values())
    expect(stat(last_day(page), "Transcribed")).to_have_text(str(total["transcribed"]))
    expect(stat(last_day(page), "Failed attempts")).to_have_text(str(total["failedAttempts"]))
    expect(stat(last_day(page), "Audio")).to_have_text(minutes(total["audioSeconds"]))
    last_day(page).get_by_text("Show as a table").click()
    expect(last_day(page).get_by_role("table")).to_be_visible()
    assert cell_texts(last_day(page).get_by_role("table")) == [
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


def test_failure_counts_link_to_the_recordings(page, served):
    sign_in(page, served)
    failures = page.get_by_role("region", name="Failures by error")
    for error, count in {"Service error": 2, "Not audio": 1}.items():
        item = failures.get_by_role("listitem").filter(has_text=error)
        expect(item.get_by_text(str(count), exact=True)).to_be_visible()
    expect(failures.get_by_role("link", name="View all failures")).to_have_attribute("href", "/admin/failures")
    failures.get_by_role("link", name="Not audio").click()
    expect(page.get_by_text("1 recording", exact=True)).to_be_visible()
    (failed,) = recording_ids(served, "transcriptionStatus=failed&errorCode=not_audio")
    expect(page.locator(f'a[href="/admin/recordings/{failed}"]')).to_be_visible()


@pytest.mark.parametrize("name", ["still empty.wav", "copied.wav.part"])
def test_incomplete_file_is_listed_with_its_reason_until_it_is_gone(page, served, name):
    page.clock.install()
    sign_in(page, served)
    expect(incomplete_files(page)).to_contain_text("No incomplete files.")
    served.store(f"2026/11/19/{name}", b"")
    served.run("sync")
    page.clock.fast_forward("01:01")
    (file,) = served.request("scheduler/runs?task=sync_recordings&limit=1")["items"][0]["waiting"]
    expect(incomplete_files(page)).to_contain_text("1 file is incomplete")
    expect(incomplete_files(page).get_by_role("listitem")).to_contain_text(name)
    expect(incomplete_files(page).get_by_role("listitem")).to_contain_text(file["reason"])
    served.remove(f"2026/11/19/{name}")
    served.run("sync")
    page.clock.fast_forward("01:01")
    expect(incomplete_files(page)).to_contain_text("No incomplete files.")


def test_archived_recordings_are_counted_apart(page, served):
    page.clock.install()
    sign_in(page, served)
    served.store("2026/11/19/cold.wav", b"RIFF", StorageClass="GLACIER")
    served.run("sync")
    page.clock.fast_forward("01:01")
    expect(incomplete_files(page)).to_contain_text("No incomplete files.")
    expect(incomplete_files(page)).to_contain_text("1 recording is archived")
    served.remove("2026/11/19/cold.wav")
    served.run("sync")


def test_outage_is_shown_in_every_view_while_it_lasts(page, served, quick_service, reply, monkeypatch):
    queue_call(served)
    page.clock.install()
    sign_in(page, served)
    alert = page.get_by_role("alert")
    expect(page.get_by_role("link", name="Queued")).to_be_visible()
    expect(alert).to_have_count(0)
    with monkeypatch.context() as overloaded:
        headers = {"Retry-After": "0"}  # the test does not have to wait for the next attempt
        overloaded.setattr(quick_service, "choose_reply", lambda _: reply(status=503, headers=headers))
        served.run("process")
        page.clock.fast_forward("00:11")
        expect(alert).to_contain_text("The WhisperX server is unavailable")
        outage = served.request(SUMMARY)["outage"]
        expect(alert).to_contain_text(f"Last error: {outage['message']}")
        expect(time_element(alert, outage["since"])).to_be_visible()
        expect(time_element(alert, outage["nextTryAt"])).to_be_visible()
        expect(alert.locator('[aria-live="off"] time')).to_have_count(3)  # else screen readers repeat them
        served.run("process")
        page.get_by_role("link", name="Server requests").click()
        expect(page.get_by_role("heading", name="Server requests", level=1)).to_be_visible()
        page.clock.fast_forward("00:11")
        expect(alert).to_contain_text("2 tries failed")
        expect(time_element(alert, outage["since"])).to_be_visible()
    served.run("process")
    page.clock.fast_forward("00:11")
    expect(alert).to_have_count(0)


def test_outage_that_only_a_user_can_end_says_so(page, served, quick_service, reply, monkeypatch):
    queue_call(served)
    with monkeypatch.context() as locked:
        locked.setattr(quick_service, "choose_reply", lambda _: reply(status=401, headers={"Retry-After": "0"}))
        served.run("process")
        sign_in(page, served)
        expect(page.get_by_role("alert")).to_contain_text("The recordings cannot be transcribed")
        expect(page.get_by_role("alert")).to_contain_text("resumes automatically once this is corrected.")
    served.run("process")
    page.reload()
    wait_until_loaded(page)
    expect(page.get_by_role("alert")).to_have_count(0)


# updates -------------------------------------------------------------------------------------------------------------


def test_update_of_the_overview_changes_only_what_is_different(page, served):
    queue_call(served)
    page.clock.install()
    page.set_viewport_size({"width": 1280, "height": 500})
    sign_in(page, served)
    wait_for_overview(page)
    page.get_by_role("link", name="View all failures").focus()
    scroll_position = page.evaluate("scrollY")
    assert scroll_position > 0
    start_recording(page)
    served.run("process")
    queue_call(served)
    page.clock.fast_forward("01:01")
    completed = served.request(SUMMARY)["completed"]
    expect(page.get_by_role("link", name="Completed").get_by_text(str(completed), exact=True)).to_be_attached()
    transcribed = sum(hour["transcribed"] for hour in served.request("call-recordings/activity")["hours"])
    expect(stat(last_day(page), "Transcribed")).to_have_text(str(transcribed))
    expect(
        time_element(incomplete_files(page), served.request("scheduler/tasks")["items"][0]["lastRun"]["startedAt"])
    ).to_be_visible()
    changes = recorded_changes(page)
    assert changes
    assert [each for each in changes if each["kind"] == "childList" or each["before"] == each["after"]] == []
    expect(page.get_by_role("link", name="View all failures")).to_be_focused()
    assert page.evaluate("scrollY") == scroll_position


@pytest.mark.parametrize("view", ["recordings", "scheduler", "server-requests"])
def test_refreshed_list_keeps_its_elements(page, served, view):
    page.clock.install()
    sign_in(page, served, f"/admin/{view}")
    items = page.get_by_role("main").locator("tr, li")
    expect(items).not_to_have_count(0)
    wait_until_loaded(page)
    before = items.count()
    start_recording(page)
    queue_call(served)
    served.run("process")
    page.clock.fast_forward("00:31")
    expect(items).not_to_have_count(before)
    assert [each for each in recorded_changes(page) if each.get("removed")] == []


def test_hidden_page_sends_no_requests(page, served):
    page.clock.install()
    sign_in(page, served)
    wait_for_overview(page)
    set_hidden(page, True)
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.clock.fast_forward("10:00")
    page.clock.fast_forward("10:00")
    page.evaluate("fetch('/health')")  # requests are reported in order: earlier ones come before this one
    assert requested == [f"{served.url}/health"]
    with (
        page.expect_response("**/status-summary") as response,
        page.expect_response("**/activity"),
        page.expect_response("**/tasks"),
    ):
        set_hidden(page, False)
    response.value.finished()
    with page.expect_response("**/status-summary"):
        page.clock.fast_forward("00:11")


def set_hidden(page: Page, hidden: bool) -> None:
    """Make the page believe that its tab is in the background, or in front."""
    page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


# failures ------------------------------------------------------------------------------------------------------------


def failure_group(page: Page, error: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=error))


def test_failures_are_grouped_by_error(page, served):
    sign_in(page, served, "/admin/failures")
    groups = served.request("call-recordings/failure-summary")["items"]
    assert {each["code"]: (each["count"], each["final"]) for each in groups} == {
        "service_error": (2, 0),
        "not_audio": (1, 1),
    }
    for each in groups:
        shown = failure_group(page, each["code"].replace("_", " "))
        expect(shown.get_by_text(str(each["count"]), exact=True).first).to_be_visible()
        expect(shown).to_contain_text(f"HTTP status {each['httpStatus']}")
        expect(shown).to_contain_text(each["message"])
        expect(time_element(stat(shown, "First seen"), each["firstAt"])).to_be_visible()
        expect(time_element(stat(shown, "Last seen"), each["lastAt"])).to_be_visible()
        expect(stat(shown, "Will retry automatically")).to_have_text(str(each["count"] - each["final"]))
        expect(stat(shown, "Need manual retry")).to_have_text(str(each["final"]))
    failure_group(page, "Service error").get_by_role("link", name="View recordings").click()
    expect(page.get_by_text("2 recordings", exact=True)).to_be_visible()


def test_failure_group_is_retried_after_confirmation(page, served):
    sign_in(page, served, "/admin/failures")
    queued, others = recording_ids(served, "transcriptionStatus=queued"), recording_ids(served, "errorCode=not_audio")
    selected = recording_ids(served, "errorCode=service_error")
    retry = page.get_by_role("button", name="Retry all: service error")
    dialog = page.get_by_role("dialog", name="Retry 2 failed recordings?")
    retry.click()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert recording_ids(served, "transcriptionStatus=failed") == selected | others
    retry.click()
    dialog.get_by_role("button", name="Retry 2").click()
    expect(page.get_by_text("2 recordings requeued.")).to_be_visible()
    expect(failure_group(page, "Service error")).to_have_count(0)
    expect(failure_group(page, "Not audio")).to_be_visible()
    assert recording_ids(served, "transcriptionStatus=queued") == queued | selected
    assert recording_ids(served, "transcriptionStatus=failed") == others
    served.run("process")  # they fail again


def test_retry_of_a_group_without_failures_says_so(page, served):
    sign_in(page, served, "/admin/failures")
    expect(failure_group(page, "Service error")).to_be_visible()
    served.request("call-recordings/retry", "POST", {})
    page.get_by_role("button", name="Retry all: service error").click()
    expect(
        page.get_by_text("There is nothing left to retry: none of these recordings has the status Failed.")
    ).to_be_visible()
    expect(page.get_by_text("No failures")).to_be_visible()
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("region", name="Failures by error")).to_contain_text("No failures")
    served.run("process")  # they fail again


# server requests -----------------------------------------------------------------------------------------------------


def format_bytes(number: int) -> str:
    return f"{number} bytes" if number < 1000 else f"{number / 1000:.{int(number < 10_000)}f} kB"


def test_server_requests_match_the_api(page, served):
    sign_in(page, served, "/admin/server-requests")
    requests = served.request("transcription-calls")["items"]
    assert {each["status"] for each in requests} >= {200, 415, 500}
    table = page.get_by_role("table")
    expect(table.locator("tbody tr")).to_have_count(len(requests))
    assert [row[1:] for row in cell_texts(table)] == [
        [
            each["recordingId"][:8],
            str(each["attempt"]),
            f"POST {each['url']}",
            str(each["status"]),
            f"{each['duration']:.1f} s",
            format_bytes(each["bytesSent"]),
            format_bytes(each["bytesReceived"]),
            (each["error"] or "").replace("_", " "),
        ]
        for each in requests
    ]
    times = table.locator("time")
    assert times.evaluate_all("(all) => all.map((each) => each.dateTime)") == [each["startedAt"] for each in requests]
    newest = datetime.fromisoformat(requests[0]["startedAt"])
    expect(times.first).to_have_text(f"{newest.astimezone(BERLIN):%-d %b %Y, %H:%M:%S}")
    expect(times.first).to_have_attribute("title", f"{newest:%Y-%m-%d %H:%M:%S} UTC")


def test_server_requests_are_filtered_by_result_and_time(page, served):
    sign_in(page, served, "/admin/server-requests")
    requests = served.request("transcription-calls")["items"]
    shown = page.locator("tbody tr")
    since, until = page.get_by_label("From", exact=True), page.get_by_label("To", exact=True)
    page.get_by_label("Result").select_option("Failed")
    expect(shown).to_have_count(sum(each["error"] is not None for each in requests))
    expect(page).to_have_url(re.compile(r"/admin/server-requests\?status=failed$"))
    page.get_by_label("Result").select_option("Succeeded")
    expect(shown).to_have_count(sum(each["error"] is None for each in requests))
    page.get_by_label("Result").select_option("All")
    newest, oldest = (datetime.fromisoformat(requests[n]["startedAt"]).astimezone(BERLIN) for n in (0, -1))
    since.fill(f"{newest + timedelta(minutes=1):%Y-%m-%dT%H:%M}")
    expect(page.get_by_text("No matching requests.")).to_be_visible()
    since.fill(f"{oldest:%Y-%m-%dT%H:%M}")
    expect(shown).to_have_count(len(requests))
    until.fill(f"{oldest:%Y-%m-%dT%H:%M}")
    expect(page.get_by_text("No matching requests.")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(shown).to_have_count(len(requests))


def test_server_requests_and_their_recording_link_to_each_other(page, served):
    sign_in(page, served, "/admin/server-requests")
    request_counts = Counter(each["recordingId"] for each in served.request("transcription-calls")["items"])
    recording, count = request_counts.most_common(1)[0]
    page.get_by_role("link", name=recording[:8]).first.click()
    expect(page).to_have_url(f"{served.url}/admin/recordings/{recording}")
    page.get_by_role("link", name="View its server requests").click()
    expect(page).to_have_url(f"{served.url}/admin/server-requests?recordingId={recording}")
    expect(page.locator("tbody tr")).to_have_count(count)
    expect(page.get_by_role("link", name=recording[:8])).to_have_count(count)
    page.get_by_role("link", name="One recording").click()
    expect(page.locator("tbody tr")).to_have_count(request_counts.total())


def test_server_requests_show_no_secrets(page, served, quick_service):
    authorization = f"Bearer {SERVER_KEY}"
    received = [each for each in quick_service.received if each.headers.get("authorization") == authorization]
    assert {"token": [SECRET_OPTION]}.items() <= received[-1].query.items()
    sign_in(page, served, "/admin/server-requests")
    expect(page.get_by_text("/proxy/asr").first).to_be_visible()
    content = page.content()
    for secret in (SERVER_KEY, SECRET_OPTION, served.key, "2025550", "hotel"):
        assert secret not in content
