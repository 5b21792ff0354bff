"""How it is steered: the tasks are run and paused, and the settings of both modules tried, kept and taken back."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from local.cloud.client import aws_client
from tests.browser.admin import arrive, enter, figure, moment, rows
from tests.e2e.served import Served

pytestmark = pytest.mark.slow

TASKS = {
    "sync_recordings": "Find recordings",
    "queue_transcriptions": "Put them in line",
    "process_transcription": "Transcribe",
}
WHISPERX, CALL_RECORDINGS = "WhisperX server", "Call recordings"
RIGHT = {WHISPERX: ("Model", "large-v3"), CALL_RECORDINGS: ("Extensions", "wav")}
"""A field of each, and what it may hold."""

KEY = "key-of-the-server"


@pytest.fixture(scope="module")
def served(served: Served) -> Served:
    """With a run of queue that was skipped, one of sync that failed, and a name that nobody understands."""
    task = "scheduler/tasks/queue_transcriptions"
    served.ask(task, "PUT", {"paused": True})
    served.run("queue")
    served.ask(task, "PUT", {"paused": False})
    s3 = aws_client("s3", served.stack.endpoint)
    s3.create_bucket(Bucket="was-deleted")
    served.ask("modules/call-recordings", "PUT", {"recordingsPath": "s3://was-deleted/"})
    s3.delete_bucket(Bucket="was-deleted")
    served.run("sync")
    served.ask("modules/call-recordings", "PUT", {"recordingsPath": None})
    served.store("desk-104 about the order.wav", b"RIFF" + bytes(100))
    served.run("sync")
    return served


@pytest.fixture
def restored(served: Served) -> Iterator[None]:
    """The template's settings come back, whatever a test has kept."""
    yield
    of_whisperx = ("baseUrl", "language", "diarize", "model", "apiKey")
    served.ask("modules/whisperx", "PUT", {"enabled": True, **dict.fromkeys(of_whisperx)})
    of_recordings = ("recordingsPath", "timeZone", "patterns", "extensions")
    served.ask("modules/call-recordings", "PUT", dict.fromkeys(of_recordings))


# scheduler -----------------------------------------------------------------------------------------------------------


def task(page: Page, command: str) -> Locator:
    return page.get_by_role("listitem", name=command)


def test_each_task_tells_when_it_runs_and_how_it_ran(page, served):
    page.clock.install()
    arrive(page, served, "/admin/failures")
    with page.expect_response("**/scheduler/tasks") as answer:
        page.get_by_role("link", name="Scheduler").click()
    items = answer.value.json()["items"]
    page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=1))  # or the page reads the next runs again
    assert {each["command"] for each in items} == TASKS.keys()
    for each in items:
        shown = task(page, each["command"])
        expect(shown.get_by_role("heading", name=TASKS[each["command"]])).to_be_visible()
        expect(figure(shown, "Schedule")).to_have_text(each["schedule"])
        expect(moment(figure(shown, "Next run"), each["nextRunAt"])).to_be_visible()
        expect(moment(figure(shown, "Last run"), each["lastRun"]["startedAt"])).to_be_visible()
        expect(figure(shown, "Last run")).to_contain_text(each["lastRun"]["status"].capitalize())


def test_the_last_runs_are_a_picture_and_a_sentence(page, served):
    arrive(page, served, "/admin/scheduler")
    ended: set[str] = set()
    for command in TASKS:
        runs = served.ask(f"scheduler/runs?task={command}")["items"]
        ends = Counter(each["status"] for each in runs)
        ended |= ends.keys()
        says = f"{len(runs)} run{'s' * (len(runs) > 1)}: {ends['failed']} bad, {ends['skipped']} skipped"
        strip = task(page, command).get_by_role("img", name=f"The last {says}")
        expect(strip).to_be_visible()
        expect(task(page, command).get_by_text(f"Last {says}")).to_be_visible()
        told = strip.locator("[title]").evaluate_all("(bars) => bars.map((bar) => bar.title)")
        for each, run in zip(told, reversed(runs), strict=True):
            assert f": {run['status']}" in each
            assert (run["error"] or "") in each
    assert ended == {"succeeded", "failed", "skipped"}


def test_a_run_that_is_asked_for_says_what_came_of_it_and_is_listed(page, served):
    served.store("desk-105 about the order.wav", b"RIFF" + bytes(100))
    arrive(page, served, "/admin/scheduler")
    shown = task(page, "sync_recordings")
    button = shown.get_by_role("button", name="Run now")
    button.focus()
    page.keyboard.press("Enter")
    came_of_it = shown.get_by_text(re.compile(r"^The run succeeded\. \d+ listed, 1 added$"))
    expect(came_of_it).to_be_visible()
    expect(button).to_be_focused()
    run, *_ = served.ask("scheduler/runs?trigger=api")["items"]
    expect(moment(figure(shown, "Last run"), run["startedAt"])).to_be_visible()
    table = page.get_by_role("table")
    expect(moment(table.get_by_role("row").nth(1), run["startedAt"])).to_be_visible()
    assert rows(table)[0][1:] == [
        "Find recordings",
        "api",
        "Succeeded",
        f"{run['duration']:.1f} s",
        came_of_it.inner_text().removeprefix("The run succeeded. "),
    ]


def test_a_paused_task_says_so_everywhere_and_does_nothing_until_it_is_resumed(page, served):
    arrive(page, served, "/admin/scheduler")
    shown = task(page, "queue_transcriptions")
    shown.get_by_role("button", name="Pause").click()
    expect(shown.get_by_text("Paused: it does nothing until it is resumed.")).to_be_visible()
    expect(figure(shown, "Next run")).to_have_text("paused")
    shown.get_by_role("button", name="Run now").click()
    expect(shown.get_by_text("The run was skipped: The task is paused.")).to_be_visible()
    expect(figure(shown, "Last run")).to_contain_text("Skipped")
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("listitem").filter(has_text="queue paused")).to_be_visible()
    page.go_back()
    shown.get_by_role("button", name="Resume").click()
    expect(shown.get_by_text("Resumed.")).to_be_visible()
    expect(figure(shown, "Next run").locator("time")).to_be_visible()
    shown.get_by_role("button", name="Run now").click()
    expect(shown.get_by_text("The run succeeded.")).to_be_visible()


@pytest.mark.usefixtures("restored")
def test_a_run_that_fails_is_told_as_bad_with_its_reason(page, served):
    secret = {"SecretId": served.stack.secrets["WhisperXSecret"]}
    secrets = aws_client("secretsmanager", served.stack.endpoint)
    kept = secrets.get_secret_value(**secret)["SecretString"]
    secrets.put_secret_value(**secret, SecretString="no JSON")
    served.ask(
        "modules/whisperx", "PUT", {"baseUrl": served.ask("modules/whisperx")["baseUrl"] + "/"}
    )  # it is read anew
    arrive(page, served, "/admin/scheduler")
    shown = task(page, "process_transcription")
    shown.get_by_role("button", name="Run now").click()
    told = shown.get_by_text("The run failed: The WhisperX secret cannot be read")
    expect(told).to_be_visible()
    expect(told).to_have_class(re.compile(r"\bbad\b"))
    expect(figure(shown, "Last run")).to_contain_text("Failed")
    expect(page.get_by_role("row").nth(1)).to_contain_text("The WhisperX secret cannot be read")
    secrets.put_secret_value(**secret, SecretString=kept)


def test_runs_are_found_by_task_and_by_how_they_ended_and_the_address_says_so(page, served):
    arrive(page, served, "/admin/scheduler")
    all_runs = served.ask("scheduler/runs")["items"]
    found = page.locator("tbody tr")
    expect(found).to_have_count(len(all_runs))
    page.get_by_label("Task").select_option("Find recordings")
    expect(found).to_have_count(sum(each["task"] == "sync_recordings" for each in all_runs))
    assert {row[1] for row in rows(page.get_by_role("table"))} == {"Find recordings"}
    page.get_by_label("Ended").select_option("failed")
    expect(found).to_have_count(1)
    expect(found).to_contain_text("The bucket does not exist")
    expect(page).to_have_url(re.compile(r"\?task=sync_recordings&status=failed$"))
    page.get_by_label("Ended").select_option("died")
    expect(page.get_by_text("No run matches.")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(found).to_have_count(len(all_runs))


# settings ------------------------------------------------------------------------------------------------------------


def module(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title)


def field(page: Page, label: str) -> Locator:
    return page.get_by_label(label, exact=True)


def press(page: Page, title: str, button: str, says: str = "") -> None:
    """Presses a button of a module, and waits until the module says so."""
    module(page, title).get_by_role("button", name=button, exact=True).click()
    if says:
        expect(module(page, title).get_by_text(says)).to_be_visible()


def test_both_modules_show_what_the_api_has(page, served):
    arrive(page, served, "/admin/settings")
    kept = served.ask("modules/whisperx")
    for label, name in {
        "Address": "baseUrl", "Dialect": "dialect", "Language": "language", "Model": "model",
        "Further options": "options", "Key of the server": "",
    }.items():  # fmt: skip
        expect(field(page, label)).to_have_value(kept.get(name, ""))
    expect(module(page, WHISPERX).get_by_label("Enabled")).to_be_checked()
    expect(page.get_by_role("checkbox", name="Tell speakers apart")).not_to_be_checked()
    kept = served.ask("modules/call-recordings")
    for label, name in {
        "Recordings path": "recordingsPath", "Phone system": "phoneSystem", "Time zone": "timeZone",
        "Channels": "channels",
    }.items():  # fmt: skip
        expect(field(page, label)).to_have_value(kept[name])
    expect(field(page, "Extensions")).to_have_value(" ".join(kept["extensions"]))
    expect(field(page, "Patterns for names")).to_have_value("")
    assert field(page, "Phone system").locator("option").all_inner_texts()[1:] == kept["phoneSystems"]


WRONG = {
    "Address": ("gpu-box:9000", "must be a URL like http"),
    "Language": ("english", "must be two or three lowercase letters"),
    "Time zone": ("Mars/Phobos", "must be the name of a time zone"),
    "Patterns for names": ("(", "a parenthesis is not closed"),
    "Recordings path": ("s3://no-such-calls/", "The bucket does not exist"),
}
"""By field; and what is to be said of it."""


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(
    ("title", "labels"),
    [
        (WHISPERX, ["Address", "Language"]),
        (CALL_RECORDINGS, ["Time zone", "Patterns for names"]),
        (CALL_RECORDINGS, ["Recordings path"]),
    ],
)
def test_each_wrong_value_is_named_at_its_field_and_nothing_is_kept(page, served, complaints, title, labels):
    complaints.expect("status of 400")
    before = settings(served)
    other, right = RIGHT[title]
    arrive(page, served, "/admin/settings")
    field(page, other).fill(right)
    for label in labels:
        field(page, label).fill(WRONG[label][0])
        expect(field(page, label)).to_have_attribute("aria-invalid", "false")
    press(page, title, "Save", "Some settings cannot be used")
    for label in labels:
        expect_fault(page, label, WRONG[label][1])
    expect(field(page, labels[0])).to_be_focused()
    expect(field(page, other)).to_have_attribute("aria-invalid", "false")
    expect(field(page, other)).to_have_value(right)
    assert settings(served) == before
    press(page, title, "Discard")
    for label in labels:
        expect(field(page, label)).to_have_attribute("aria-invalid", "false")
        expect(field(page, label)).not_to_have_value(WRONG[label][0])
    expect(field(page, other)).not_to_have_value(right)


def expect_fault(page: Page, label: str, says: str) -> None:
    """The field is marked, and whoever comes to it is told why."""
    expect(field(page, label)).to_have_attribute("aria-invalid", "true")
    expect(field(page, label)).to_have_accessible_description(re.compile(re.escape(says)))


def settings(served: Served) -> list[Any]:
    return [served.ask(f"modules/{slug}") for slug in ("whisperx", "call-recordings")]


@pytest.mark.usefixtures("restored")
def test_what_is_saved_never_leaves_the_sight_and_is_there_for_the_next_one_too(page, served):
    """Between what was typed and what is kept, the former value must not come back for a moment."""
    arrive(page, served, "/admin/settings")
    save = module(page, WHISPERX).get_by_role("button", name="Save")
    expect(save).to_be_disabled()
    field(page, "Language").fill("en")
    page.evaluate(EACH_FRAME, "language")
    page.get_by_role("checkbox", name="Tell speakers apart").check()
    press(page, WHISPERX, "Save", "Saved.")
    expect(save).to_be_disabled()
    assert page.evaluate("[...seen]") == ["en"]
    page.reload()
    expect(field(page, "Language")).to_have_value("en")
    expect(page.get_by_role("checkbox", name="Tell speakers apart")).to_be_checked()
    assert served.ask("modules/whisperx")["changed"] == ["language", "diarize"]


EACH_FRAME = """
(id) => {
  window.seen = new Set();
  const look = () => {
    seen.add(document.getElementById(id).value);
    requestAnimationFrame(look);
  };
  look();
}
"""


def test_what_is_not_kept_yet_outlives_a_look_at_another_view(page, served):
    arrive(page, served, "/admin/settings")
    field(page, "Language").fill("de")
    page.get_by_role("link", name="Calls", exact=True).click()
    expect(page.get_by_role("heading", name="Calls", level=1)).to_be_visible()
    page.get_by_role("link", name="Settings").click()
    expect(field(page, "Language")).to_have_value("de")
    press(page, WHISPERX, "Discard")
    expect(field(page, "Language")).to_have_value("")


def test_who_signs_out_leaves_nothing_that_was_typed(page, served):
    arrive(page, served, "/admin/settings")
    field(page, "Language").fill("de")
    field(page, "Key of the server").fill(KEY)
    page.get_by_role("button", name="Sign out").click()
    enter(page, served.key)
    expect(field(page, "Key of the server")).to_have_value("")
    expect(field(page, "Language")).to_have_value("")


@pytest.mark.usefixtures("restored")
def test_the_template_s_value_comes_back_and_what_is_not_kept_yet_stays(page, served):
    served.ask("modules/call-recordings", "PUT", {"timeZone": "Europe/Berlin"})
    arrive(page, served, "/admin/settings")
    expect(field(page, "Time zone")).to_have_value("Europe/Berlin")
    field(page, "Patterns for names").fill("^(?P<caller>[0-9]+)")
    page.get_by_role("button", name="Time zone: use the template").click()
    expect(field(page, "Time zone")).to_have_value("UTC")
    expect(field(page, "Time zone")).to_be_focused()
    expect(page.get_by_role("button", name="Time zone: use the template")).to_have_count(0)
    expect(field(page, "Patterns for names")).to_have_value("^(?P<caller>[0-9]+)")
    kept = served.ask("modules/call-recordings")
    assert (kept["timeZone"], kept["patterns"], kept["changed"]) == ("UTC", [], [])


@pytest.mark.usefixtures("restored")
def test_a_connection_is_tried_with_what_is_not_kept_yet(page, served, quick_service):
    before = settings(served)
    arrive(page, served, "/admin/settings")
    press(page, WHISPERX, "Test connection", "The server responds and uses the dialect asr.")
    field(page, "Dialect").select_option("tasks")
    press(page, WHISPERX, "Test connection", "choose the dialect asr instead of tasks")
    field(page, "Address").fill("http://127.0.0.1:9")
    press(page, WHISPERX, "Test connection", "The host refuses connections at this port.")
    press(page, WHISPERX, "Discard")
    field(page, "Key of the server").fill("is-tried-alone")
    press(page, WHISPERX, "Test connection", "Whether it takes the key cannot be told")
    assert "Bearer is-tried-alone" in authorizations(quick_service)
    press(page, CALL_RECORDINGS, "Test connection", "The recordings path can be listed")
    field(page, "Recordings path").fill("s3://no-such-calls/")
    press(page, CALL_RECORDINGS, "Test connection", "The bucket does not exist")
    assert settings(served) == before


def authorizations(service: Any) -> list[str | None]:
    return [each.headers.get("authorization") for each in service.received]


@pytest.mark.usefixtures("restored")
def test_the_key_is_set_used_never_shown_and_taken_away(page, served, quick_service, complaints):
    complaints.expect("status of 400")
    arrive(page, served, "/admin/settings")
    expect(page.get_by_text("None is set.")).to_be_visible()
    field(page, "Key of the server").fill(KEY)
    press(page, WHISPERX, "Save")
    expect(page.get_by_text("A key is set. It is never shown.")).to_be_visible()
    expect(field(page, "Key of the server")).to_have_value("")
    press(page, WHISPERX, "Test connection", "The server answers")
    assert f"Bearer {KEY}" in authorizations(quick_service)
    page.reload()
    expect(page.get_by_text("A key is set. It is never shown.")).to_be_visible()
    expect(field(page, "Key of the server")).to_have_value("")
    assert KEY not in page.content() + str(settings(served))
    field(page, "Address").fill("http://another.example:9000")
    press(page, WHISPERX, "Save")
    expect_fault(page, "Key of the server", "baseUrl is another server")
    press(page, WHISPERX, "Discard")
    page.get_by_role("button", name="Take the key away").click()
    expect(page.get_by_text("The key is taken away when this is saved.")).to_be_visible()
    expect(page.get_by_role("button", name="Take the key away")).to_be_focused()
    press(page, WHISPERX, "Save")
    expect(page.get_by_text("None is set.")).to_be_visible()
    quick_service.received.clear()
    press(page, WHISPERX, "Test connection", "No key is set")
    assert set(authorizations(quick_service)) == {None}


@pytest.mark.usefixtures("restored")
def test_names_are_tried_with_what_is_not_kept_yet(page, served):
    arrive(page, served, "/admin/settings")
    press(page, CALL_RECORDINGS, "Preview names")
    told = module(page, CALL_RECORDINGS)
    names = served.ask("call-recordings/count")["count"]
    expect(told.get_by_text(f"7 of {names} names understood")).to_be_visible()
    understood = told.get_by_role("table").get_by_role("row").filter(has_text="1795012210.17")
    for cell in ("Inbound", "2025550143", "2025550100", "freepbx"):
        expect(understood).to_contain_text(cell)
    told.get_by_text("Not understood").click()
    expect(told.get_by_text("desk-104 about the order.wav")).to_be_visible()
    field(page, "Patterns for names").fill("^desk-(?P<extension>[0-9]+)")
    press(page, CALL_RECORDINGS, "Preview names")
    expect(told.get_by_text(f"{names} of {names} names understood")).to_be_visible()
    expect(told.get_by_text(f"{names - 7} by a pattern of yours")).to_be_visible()
    expect(told.get_by_role("row").filter(has_text="desk-104")).to_contain_text("104")
    assert served.ask("modules/call-recordings")["patterns"] == []


@pytest.mark.usefixtures("restored")
def test_a_module_that_is_switched_off_lets_its_tasks_do_nothing(page, served):
    arrive(page, served, "/admin/settings")
    module(page, WHISPERX).get_by_label("Enabled").uncheck()
    press(page, WHISPERX, "Save", "Saved.")
    page.get_by_role("link", name="Scheduler").click()
    shown = task(page, "process_transcription")
    expect(figure(shown, "Next run")).to_have_text("none while whisperx is disabled")
    shown.get_by_role("button", name="Run now").click()
    expect(shown.get_by_text("The run was skipped: The module whisperx is disabled.")).to_be_visible()
    page.get_by_role("link", name="Settings").click()
    module(page, WHISPERX).get_by_label("Enabled").check()
    press(page, WHISPERX, "Save", "Saved.")
    assert served.ask("modules/whisperx")["enabled"]
