"""Scheduler and settings: run, pause and resume tasks; test, save and reset the settings of both modules."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from local.cloud.client import aws_client
from tests.browser.admin import cell_texts, sign_in, stat, submit_key, time_element
from tests.e2e.served import ServedStack

pytestmark = pytest.mark.slow

TASKS = {
    "sync_recordings": "Find recordings",
    "queue_transcriptions": "Queue",
    "process_transcription": "Transcribe",
}
WHISPERX, CALL_RECORDINGS = "WhisperX server", "Call recordings"
VALID = {WHISPERX: ("Model", "large-v3"), CALL_RECORDINGS: ("File extensions", "wav")}
"""A field of each module, and a valid value."""

SERVER_KEY = "key-of-the-server"


@pytest.fixture(scope="module")
def served(served: ServedStack) -> ServedStack:
    """The stack with a skipped run of queue, a failed run of sync, and a file name that cannot be recognised."""
    task = "scheduler/tasks/queue_transcriptions"
    served.request(task, "PUT", {"paused": True})
    served.run("queue")
    served.request(task, "PUT", {"paused": False})
    s3 = aws_client("s3", served.stack.endpoint)
    s3.create_bucket(Bucket="was-deleted")
    served.request("modules/call-recordings", "PUT", {"recordingsPath": "s3://was-deleted/"})
    s3.delete_bucket(Bucket="was-deleted")
    served.run("sync")
    served.request("modules/call-recordings", "PUT", {"recordingsPath": None})
    served.store("desk-104 about the order.wav", b"RIFF" + bytes(100))
    served.run("sync")
    return served


@pytest.fixture
def restored(served: ServedStack) -> Iterator[None]:
    """Resets all settings to the template's after the test."""
    yield
    whisperx_fields = ("baseUrl", "language", "diarize", "model", "apiKey")
    served.request("modules/whisperx", "PUT", {"enabled": True, **dict.fromkeys(whisperx_fields)})
    call_recordings_fields = ("recordingsPath", "timeZone", "patterns", "extensions")
    served.request("modules/call-recordings", "PUT", dict.fromkeys(call_recordings_fields))


# scheduler -----------------------------------------------------------------------------------------------------------


def task(page: Page, command: str) -> Locator:
    return page.get_by_role("listitem", name=command)


def test_tasks_show_schedule_next_run_and_last_run(page, served):
    page.clock.install()
    sign_in(page, served, "/admin/failures")
    with page.expect_response("**/scheduler/tasks") as response:
        page.get_by_role("link", name="Scheduler").click()
    items = response.value.json()["items"]
    page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=1))  # the page must not refresh the next runs
    assert {each["command"] for each in items} == TASKS.keys()
    for each in items:
        shown = task(page, each["command"])
        expect(shown.get_by_role("heading", name=TASKS[each["command"]])).to_be_visible()
        expect(stat(shown, "Schedule")).to_have_text(each["schedule"])
        expect(time_element(stat(shown, "Next run"), each["nextRunAt"])).to_be_visible()
        expect(time_element(stat(shown, "Last run"), each["lastRun"]["startedAt"])).to_be_visible()
        expect(stat(shown, "Last run")).to_contain_text(each["lastRun"]["status"].capitalize())


@pytest.mark.parametrize(
    ("changes", "next_run"),
    [
        ({"paused": True}, "paused"),
        ({"moduleEnabled": False}, "none while call-recordings is disabled"),
        ({}, "unknown"),  # a rate without a run
    ],
)
def test_task_without_a_next_run_says_why(page, served, changes, next_run):
    tasks = served.request("scheduler/tasks")
    (sync,) = (each for each in tasks["items"] if each["command"] == "sync_recordings")
    body = {"items": [sync | {"nextRunAt": None} | changes]}
    page.route("**/api/scheduler/tasks", lambda route: route.fulfill(json=body))
    sign_in(page, served, "/admin/scheduler")
    expect(stat(task(page, "sync_recordings"), "Next run")).to_have_text(next_run)


def test_page_of_runs_without_a_match_leads_to_the_next_page(page, served):
    empty_page = {"items": [], "nextCursor": "next-page"}
    page.route(re.compile("/api/scheduler/runs"), lambda route: route.fulfill(json=empty_page))
    sign_in(page, served, "/admin/scheduler?status=failed")
    expect(page.get_by_text("No matching runs on this page.")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("[Nn]ext|[Oo]lder"))).to_have_attribute(
        "href", re.compile("status=failed&cursor=next-page")
    )


def test_last_runs_are_shown_as_a_chart_and_a_summary(page, served):
    sign_in(page, served, "/admin/scheduler")
    seen_statuses: set[str] = set()
    for command in TASKS:
        runs = served.request(f"scheduler/runs?task={command}")["items"]
        statuses = Counter(each["status"] for each in runs)
        seen_statuses |= statuses.keys()
        summary = f"Last {len(runs)} run{'s' * (len(runs) > 1)}: {statuses['failed']} failed"
        if statuses["skipped"]:
            summary += f", {statuses['skipped']} skipped"
        chart = task(page, command).get_by_role("img", name=summary, exact=True)
        expect(chart).to_be_visible()
        expect(task(page, command).get_by_text(summary, exact=True)).to_be_visible()
        tooltips = chart.locator("[title]").evaluate_all("(bars) => bars.map((bar) => bar.title)")
        for tooltip, run in zip(tooltips, reversed(runs), strict=True):
            assert f": {run['status']}" in tooltip
            assert (run["error"] or "") in tooltip
    assert seen_statuses == {"succeeded", "failed", "skipped"}


def test_run_now_shows_the_result_and_adds_the_run_to_the_list(page, served):
    served.store("desk-105 about the order.wav", b"RIFF" + bytes(100))
    sign_in(page, served, "/admin/scheduler")
    shown = task(page, "sync_recordings")
    button = shown.get_by_role("button", name="Run now")
    button.focus()
    page.keyboard.press("Enter")
    result = shown.get_by_text(re.compile(r"^The run succeeded: \d+\slisted, 1\sadded\.$"))
    expect(result).to_be_visible()
    expect(button).to_be_focused()
    run, *_ = served.request("scheduler/runs?trigger=api")["items"]
    expect(time_element(stat(shown, "Last run"), run["startedAt"])).to_be_visible()
    table = page.get_by_role("table")
    expect(time_element(table.get_by_role("row").nth(1), run["startedAt"])).to_be_visible()
    assert cell_texts(table)[0][1:] == [
        "Find recordings",
        "API",
        "Succeeded",
        f"{run['duration']:.1f} s",
        result.inner_text().removeprefix("The run succeeded: ").removesuffix("."),
    ]


def test_paused_task_is_skipped_until_it_is_resumed(page, served):
    sign_in(page, served, "/admin/scheduler")
    shown = task(page, "queue_transcriptions")
    shown.get_by_role("button", name="Pause").click()
    expect(shown.get_by_text("Paused. The task does nothing until you resume it.")).to_be_visible()
    expect(stat(shown, "Next run")).to_have_text("paused")
    shown.get_by_role("button", name="Run now").click()
    expect(shown.get_by_text("The run was skipped: ")).to_be_visible()
    expect(stat(shown, "Last run")).to_contain_text("Skipped")
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("listitem").filter(has_text="queue paused")).to_be_visible()
    page.go_back()
    shown.get_by_role("button", name="Resume").click()
    expect(shown.get_by_text("Resumed.")).to_be_visible()
    expect(stat(shown, "Next run").locator("time")).to_be_visible()
    shown.get_by_role("button", name="Run now").click()
    expect(shown.get_by_text("The run succeeded: ")).to_be_visible()


@pytest.mark.usefixtures("restored")
def test_failed_run_is_shown_with_its_error(page, served):
    secret = {"SecretId": served.stack.secrets["WhisperXSecret"]}
    secrets = aws_client("secretsmanager", served.stack.endpoint)
    secrets.put_secret_value(**secret, SecretString="no JSON")
    served.request(
        "modules/whisperx", "PUT", {"baseUrl": served.request("modules/whisperx")["baseUrl"] + "/"}
    )  # process reads the secret again
    sign_in(page, served, "/admin/scheduler")
    shown = task(page, "process_transcription")
    shown.get_by_role("button", name="Run now").click()
    result = shown.get_by_text("The run failed: ")
    expect(result).to_be_visible()
    expect(result).to_have_class(re.compile(r"\berror\b"))
    expect(stat(shown, "Last run")).to_contain_text("Failed")
    run, *_ = served.request("scheduler/runs?task=process_transcription&limit=1")["items"]
    assert run["errorCode"] == "configuration_error"
    expect(result).to_contain_text(run["error"])
    expect(page.get_by_role("row").nth(1)).to_contain_text(run["error"])
    secrets.put_secret_value(**secret, SecretString='{"apiKey": ""}')


def test_runs_are_filtered_by_task_and_status(page, served):
    sign_in(page, served, "/admin/scheduler")
    all_runs = served.request("scheduler/runs")["items"]
    table_rows = page.locator("tbody tr")
    expect(table_rows).to_have_count(len(all_runs))
    page.get_by_label("Task").select_option("Find recordings")
    expect(table_rows).to_have_count(sum(each["task"] == "sync_recordings" for each in all_runs))
    assert {row[1] for row in cell_texts(page.get_by_role("table"))} == {"Find recordings"}
    page.get_by_label("Status").select_option("failed")
    expect(table_rows).to_have_count(1)
    (failed,) = [each for each in all_runs if each["status"] == "failed" and each["task"] == "sync_recordings"]
    expect(table_rows).to_contain_text(failed["error"])
    expect(page).to_have_url(re.compile(r"\?task=sync_recordings&status=failed$"))
    page.get_by_label("Status").select_option("died")
    expect(page.get_by_text("No matching runs.")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(table_rows).to_have_count(len(all_runs))


# settings ------------------------------------------------------------------------------------------------------------


def module(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title)


def field(page: Page, label: str) -> Locator:
    return page.get_by_label(label, exact=True)


def press(page: Page, title: str, button: str, message: str = "") -> None:
    """Press a button of a module, and wait until the module shows this message."""
    module(page, title).get_by_role("button", name=button, exact=True).click()
    if message:
        expect(module(page, title).get_by_text(message)).to_be_visible()


def run_connection_test(page: Page, title: str, expected_code: str) -> str:
    """Test the connection of a module, and wait until the module shows the message of the API; return it."""
    with page.expect_response("**/test") as response:
        press(page, title, "Test connection")
    result = response.value.json()
    assert result["code"] == expected_code
    expect(module(page, title).get_by_text(result["message"])).to_be_visible()
    return str(result["message"])


def save_invalid(page: Page, title: str) -> list[dict[str, str]]:
    """Save invalid settings; return the errors that the API reports, each with its `field` and `message`."""
    with page.expect_response(lambda response: response.request.method == "PUT") as response:
        press(page, title, "Save", "Some settings are invalid.")
    errors: list[dict[str, str]] = response.value.json()["error"]["details"]
    return errors


def expect_error(page: Page, label: str, name: str, errors: list[dict[str, str]]) -> None:
    """The field is marked as invalid, and described by the message that the API has for it."""
    (message,) = [error["message"] for error in errors if name in error["field"].split(".")]
    expect(field(page, label)).to_have_attribute("aria-invalid", "true")
    expect(field(page, label)).to_have_accessible_description(re.compile(re.escape(message)))


def settings(served: ServedStack) -> list[Any]:
    """The settings of both modules, as the API has them."""
    return [served.request(f"modules/{slug}") for slug in ("whisperx", "call-recordings")]


def authorizations(service: Any) -> list[str | None]:
    """The Authorization headers that the service has received."""
    return [request.headers.get("authorization") for request in service.received]


def test_modules_show_the_settings_of_the_api(page, served):
    sign_in(page, served, "/admin/settings")
    whisperx, call_recordings = settings(served)
    for label, name in {
        "Server URL": "baseUrl", "Dialect": "dialect", "Language": "language", "Model": "model",
        "Additional options": "options", "Server API key": "",
    }.items():  # fmt: skip
        expect(field(page, label)).to_have_value(whisperx.get(name, ""))
    expect(module(page, WHISPERX).get_by_label("Enabled")).to_be_checked()
    expect(page.get_by_role("checkbox", name="Speaker diarization")).not_to_be_checked()
    for label, name in {
        "Recordings path": "recordingsPath", "Phone system": "phoneSystem", "Time zone": "timeZone",
        "Channels": "channels",
    }.items():  # fmt: skip
        expect(field(page, label)).to_have_value(call_recordings[name])
    expect(field(page, "File extensions")).to_have_value(" ".join(call_recordings["extensions"]))
    expect(field(page, "File name patterns")).to_have_value("")
    assert field(page, "Phone system").locator("option").all_inner_texts()[1:] == call_recordings["phoneSystems"]


INVALID = {
    "Server URL": ("baseUrl", "gpu-box:9000"),
    "Language": ("language", "english"),
    "Time zone": ("timeZone", "Mars/Phobos"),
    "File name patterns": ("patterns", "("),
    "Recordings path": ("recordingsPath", "s3://no-such-calls/"),
}
"""The API's name of a field, and an invalid value, by label."""


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(
    ("title", "labels"),
    [
        (WHISPERX, ["Server URL", "Language"]),
        (CALL_RECORDINGS, ["Time zone", "File name patterns"]),
        (CALL_RECORDINGS, ["Recordings path"]),
    ],
)
def test_invalid_values_are_reported_at_their_fields_and_nothing_is_saved(page, served, page_errors, title, labels):
    page_errors.expect("status of 400")
    before = settings(served)
    valid_label, valid_value = VALID[title]
    sign_in(page, served, "/admin/settings")
    field(page, valid_label).fill(valid_value)
    for label in labels:
        field(page, label).fill(INVALID[label][1])
        expect(field(page, label)).to_have_attribute("aria-invalid", "false")
    errors = save_invalid(page, title)
    for label in labels:
        expect_error(page, label, INVALID[label][0], errors)
    expect(field(page, labels[0])).to_be_focused()
    expect(field(page, valid_label)).to_have_attribute("aria-invalid", "false")
    expect(field(page, valid_label)).to_have_value(valid_value)
    assert settings(served) == before
    press(page, title, "Discard changes")
    for label in labels:
        expect(field(page, label)).to_have_attribute("aria-invalid", "false")
        expect(field(page, label)).not_to_have_value(INVALID[label][1])
    expect(field(page, valid_label)).not_to_have_value(valid_value)


RECORD_VALUES = """
(id) => {
  window.values = new Set();
  const record = () => {
    values.add(document.getElementById(id).value);
    requestAnimationFrame(record);
  };
  record();
}
"""
"""Records the values that a field shows in each frame."""


@pytest.mark.usefixtures("restored")
def test_saved_settings_are_shown_without_interruption_and_after_a_reload(page, served):
    sign_in(page, served, "/admin/settings")
    save = module(page, WHISPERX).get_by_role("button", name="Save")
    expect(save).to_be_disabled()
    field(page, "Language").fill("en")
    page.evaluate(RECORD_VALUES, "language")
    page.get_by_role("checkbox", name="Speaker diarization").check()
    press(page, WHISPERX, "Save", "Saved.")
    expect(save).to_be_disabled()
    assert page.evaluate("[...values]") == ["en"]  # the previous value did not flash up while it was saved
    page.reload()
    expect(field(page, "Language")).to_have_value("en")
    expect(page.get_by_role("checkbox", name="Speaker diarization")).to_be_checked()
    assert served.request("modules/whisperx")["changed"] == ["language", "diarize"]


def test_unsaved_changes_survive_a_visit_to_another_view(page, served):
    sign_in(page, served, "/admin/settings")
    field(page, "Language").fill("de")
    page.get_by_role("link", name="Server requests").click()
    expect(page.get_by_role("heading", name="Server requests", level=1)).to_be_visible()
    page.get_by_role("link", name="Settings").click()
    expect(field(page, "Language")).to_have_value("de")
    press(page, WHISPERX, "Discard changes")
    expect(field(page, "Language")).to_have_value("")


def test_sign_out_discards_unsaved_changes(page, served):
    sign_in(page, served, "/admin/settings")
    field(page, "Language").fill("de")
    field(page, "Server API key").fill(SERVER_KEY)
    page.get_by_role("button", name="Sign out").click()
    submit_key(page, served.key)
    expect(field(page, "Server API key")).to_have_value("")
    expect(field(page, "Language")).to_have_value("")


@pytest.mark.usefixtures("restored")
def test_reset_restores_the_template_value_and_keeps_unsaved_changes(page, served):
    served.request("modules/call-recordings", "PUT", {"timeZone": "Europe/Berlin"})
    sign_in(page, served, "/admin/settings")
    expect(field(page, "Time zone")).to_have_value("Europe/Berlin")
    field(page, "File name patterns").fill("^(?P<caller>[0-9]+)")
    page.get_by_role("button", name="Time zone: reset to default").click()
    expect(field(page, "Time zone")).to_have_value("UTC")
    expect(field(page, "Time zone")).to_be_focused()
    expect(page.get_by_role("button", name="Time zone: reset to default")).to_have_count(0)
    expect(field(page, "File name patterns")).to_have_value("^(?P<caller>[0-9]+)")
    saved = served.request("modules/call-recordings")
    assert (saved["timeZone"], saved["patterns"], saved["changed"]) == ("UTC", [], [])


@pytest.mark.usefixtures("restored")
def test_connection_test_uses_unsaved_changes(page, served, quick_service):
    before = settings(served)
    sign_in(page, served, "/admin/settings")
    run_connection_test(page, WHISPERX, "ok")
    field(page, "Dialect").select_option("tasks")
    run_connection_test(page, WHISPERX, "wrong_dialect")
    field(page, "Server URL").fill("http://127.0.0.1:9")
    run_connection_test(page, WHISPERX, "connection_refused")
    press(page, WHISPERX, "Discard changes")
    field(page, "Server API key").fill("only-for-the-test")
    run_connection_test(page, WHISPERX, "ok")
    assert "Bearer only-for-the-test" in authorizations(quick_service)
    run_connection_test(page, CALL_RECORDINGS, "ok")
    field(page, "Recordings path").fill("s3://no-such-calls/")
    run_connection_test(page, CALL_RECORDINGS, "source_error")
    assert settings(served) == before


@pytest.mark.usefixtures("restored")
def test_server_key_can_be_set_used_and_removed_and_is_never_shown(page, served, quick_service, page_errors):
    page_errors.expect("status of 400")
    sign_in(page, served, "/admin/settings")
    expect(page.get_by_text("No key is set.")).to_be_visible()
    field(page, "Server API key").fill(SERVER_KEY)
    press(page, WHISPERX, "Save")
    expect(page.get_by_text("A key is set. It is never shown.")).to_be_visible()
    expect(field(page, "Server API key")).to_have_value("")
    run_connection_test(page, WHISPERX, "ok")
    assert f"Bearer {SERVER_KEY}" in authorizations(quick_service)
    page.reload()
    expect(page.get_by_text("A key is set. It is never shown.")).to_be_visible()
    expect(field(page, "Server API key")).to_have_value("")
    assert SERVER_KEY not in page.content() + str(settings(served))
    field(page, "Server URL").fill("http://another.example:9000")
    expect_error(page, "Server API key", "apiKey", save_invalid(page, WHISPERX))
    press(page, WHISPERX, "Discard changes")
    page.get_by_role("button", name="Remove key").click()
    expect(page.get_by_text("The key will be removed when you save.")).to_be_visible()
    expect(page.get_by_role("button", name="Remove key")).to_be_focused()
    press(page, WHISPERX, "Save")
    expect(page.get_by_text("No key is set.").first).to_be_visible()
    assert not served.request("modules/whisperx")["apiKeySet"]
    quick_service.received.clear()
    run_connection_test(page, WHISPERX, "ok")
    assert set(authorizations(quick_service)) == {None}


@pytest.mark.usefixtures("restored")
def test_file_name_preview_uses_unsaved_changes(page, served):
    sign_in(page, served, "/admin/settings")
    press(page, CALL_RECORDINGS, "Preview file names")
    form = module(page, CALL_RECORDINGS)
    count = served.request("call-recordings/count")["count"]
    expect(form.get_by_text(f"7 of {count} file names recognised")).to_be_visible()
    row = form.get_by_role("table").get_by_role("row").filter(has_text="1795012210.17")
    for text in ("Inbound", "2025550143", "2025550100", "freepbx"):
        expect(row).to_contain_text(text)
    form.get_by_text("Not recognised").click()
    expect(form.get_by_text("desk-104 about the order.wav")).to_be_visible()
    field(page, "File name patterns").fill("^desk-(?P<extension>[0-9]+)")
    press(page, CALL_RECORDINGS, "Preview file names")
    expect(form.get_by_text(f"{count} of {count} file names recognised")).to_be_visible()
    expect(form.get_by_text(f"{count - 7} by your patterns")).to_be_visible()
    expect(form.get_by_role("row").filter(has_text="desk-104")).to_contain_text("104")
    assert served.request("modules/call-recordings")["patterns"] == []


@pytest.mark.usefixtures("restored")
def test_tasks_of_a_disabled_module_are_skipped(page, served):
    sign_in(page, served, "/admin/settings")
    module(page, WHISPERX).get_by_label("Enabled").uncheck()
    press(page, WHISPERX, "Save", "Saved.")
    page.get_by_role("link", name="Scheduler").click()
    shown = task(page, "process_transcription")
    expect(stat(shown, "Next run")).to_have_text("none while whisperx is disabled")
    shown.get_by_role("button", name="Run now").click()
    expect(shown.get_by_text("The run was skipped: ")).to_be_visible()
    run, *_ = served.request("scheduler/runs?task=process_transcription&limit=1")["items"]
    assert run["errorCode"] == "module_disabled"
    page.get_by_role("link", name="Settings").click()
    module(page, WHISPERX).get_by_label("Enabled").check()
    press(page, WHISPERX, "Save", "Saved.")
    assert served.request("modules/whisperx")["enabled"]
