"""`--once` runs the tasks until nothing is left to do, and gives up when it has to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.run_until_done import TaskError, run_until_done

NO_COUNTS = {"completed": 0, "failed": 0}
SYNC_COUNTS = {"waiting": 0, "path_too_long": 0, "unreadable": 0}
EMPTY_SUMMARY = {"pending": 0, "queued": 0, "processing": 0, "completed": 0, "failed": 0, "outage": None}


@pytest.fixture
def clock(monkeypatch):
    """A clock that only `sleep` advances; its first item is the time."""
    now = [0.0]
    monkeypatch.setattr("local.run_until_done.time.monotonic", lambda: now[0])
    monkeypatch.setattr("local.run_until_done.time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


class ScriptedStack:
    """Tasks and an API with scripted results; the last result of a task is repeated."""

    def __init__(self, summaries=(EMPTY_SUMMARY,), failed=(), processing=(), **runs):
        self.runs = {"sync": [sync_run()], "queue": [{}], **runs}
        self.invoked_tasks = []
        self.printed = []
        self.test_result = {"ok": False, "code": "connection_refused", "message": "It refuses."}
        self._summaries = list(summaries)
        self._recordings = {"failed": failed, "processing": processing}

    def invoke(self, task):
        self.invoked_tasks.append(task)
        run = self.runs[task].pop(0) if len(self.runs[task]) > 1 else self.runs[task][0]
        if isinstance(run, Exception):
            raise run
        return run() if callable(run) else run

    def summary(self):
        return self._summaries.pop(0) if len(self._summaries) > 1 else self._summaries[0]

    def recordings(self, status=None):
        return iter(self._recordings[status])

    def test_service(self):
        return self.test_result

    def run_until_done(self: Any, **options):
        return run_until_done(self.invoke, self, lambda: None, self.printed.append, **options)


def sync_run(incomplete=(), **counts):
    return {"status": "succeeded", "counts": {**SYNC_COUNTS, **counts}, "waiting": incomplete}


def process_run(completed=0, failed=0):
    return {"status": "succeeded", "errorCode": None, "counts": {"completed": completed, "failed": failed}}


def failed_run(status="failed", code="service_unavailable"):
    return {"status": status, "errorCode": code, "error": "The server is down.", "counts": NO_COUNTS}


def outage_summary(code="service_unavailable", **delay):
    """A status summary with an outage and this delay until the next try."""
    next_try_at = (datetime.now(UTC) + timedelta(**delay)).isoformat()
    return {**EMPTY_SUMMARY, "outage": {"nextTryAt": next_try_at, "code": code}}


@pytest.mark.parametrize(
    "script",
    [
        {"process": [process_run(completed=1), process_run(failed=1), process_run()]},
        {
            "summaries": [{**EMPTY_SUMMARY, "failed": 1}],
            "failed": [{"nextAttemptAt": None}],
            "process": [process_run()],
        },
        {"process": [failed_run(), failed_run("skipped"), failed_run(), process_run(completed=1), process_run()]},
        {"process": [failed_run(code="endpoint_not_found"), process_run(completed=1), process_run()]},
        {
            "summaries": [outage_summary(minutes=4)] * 31 + [EMPTY_SUMMARY],
            "process": [failed_run(), *[failed_run("skipped")] * 30, process_run()],
        },
        {"process": [TaskError("process crashed."), process_run(completed=1), process_run()]},
    ],
    ids=["processed", "terminal failure", "short outage", "404 at first", "next try in four minutes", "crash"],
)
def test_processes_until_nothing_is_left(clock, script):
    assert ScriptedStack(**script).run_until_done() is None


@pytest.mark.parametrize(
    ("counts", "recordings"),
    [
        ({"failed": 1}, {"failed": [{"nextAttemptAt": "soon", "error": {"code": "timeout"}}]}),
        ({"pending": 1}, {}),
        ({"processing": 1}, {"processing": [{"jobStartedAt": "before"}]}),
    ],
    ids=["scheduled retry", "more than one run queues", "job on the server"],
)
def test_waits_silently_for_unfinished_recordings(clock, counts, recordings):
    stack = ScriptedStack([EMPTY_SUMMARY | counts, EMPTY_SUMMARY], **recordings, process=[process_run()])
    assert stack.run_until_done() is None
    assert stack.invoked_tasks.count("queue") == 2
    assert stack.printed == []


@pytest.mark.parametrize(("is_processing", "messages"), [(False, 1), (True, 0)])
def test_claim_of_no_worker_of_this_stack_is_mentioned_once(clock, is_processing, messages):
    processing = {**EMPTY_SUMMARY, "processing": 1}
    stack = ScriptedStack(
        [processing, processing, EMPTY_SUMMARY], processing=[{"jobStartedAt": None}], process=[process_run()]
    )
    assert stack.run_until_done(is_processing=lambda: is_processing) is None
    assert len(stack.printed) == messages


def test_long_outage_is_reported_with_the_option_to_correct(clock):
    stack = ScriptedStack(process=[failed_run()])
    assert stack.run_until_done().startswith("The server is down. (See --whisperx.)")
    assert len(stack.printed) == 1
    assert 300 < clock[0] < 310


@pytest.mark.parametrize("code", ["service_unavailable", "service_down", "service_busy"])
def test_server_that_loads_its_model_for_two_minutes_is_waited_for(clock, code):
    stack = ScriptedStack(process=[*[failed_run(code=code)] * 120, process_run(completed=1), process_run()])
    assert stack.run_until_done() is None
    assert clock[0] > 100
    assert "loading its model" in stack.printed[0]
    assert "available again" in stack.printed[1]


def test_recording_without_sound_does_not_end_an_outage(clock):
    """It is completed without a request to the server."""
    runs = [failed_run(code="service_busy"), process_run(completed=1), failed_run(code="service_busy")]
    stack = ScriptedStack([outage_summary(seconds=1)], process=runs)
    assert stack.run_until_done().startswith("The server is down.")
    assert len(stack.printed) == 1
    assert 299 <= clock[0] < 310


def test_server_that_responds_404_is_not_waited_for_as_long(clock):
    assert ScriptedStack(process=[failed_run(code="endpoint_not_found")]).run_until_done()
    assert 40 < clock[0] < 45


def test_outage_is_reported_with_what_becomes_of_the_recordings(clock):
    problem = ScriptedStack(process=[failed_run()]).run_until_done(what_remains="They stay queued.")
    assert problem.endswith(" They stay queued.")


def test_gives_up_when_the_server_requests_a_long_pause(clock):
    stack = ScriptedStack(
        [outage_summary(minutes=4), outage_summary(minutes=6)], process=[failed_run(), failed_run("skipped")]
    )
    assert "sent in 6 minutes" in stack.run_until_done()
    assert clock[0] < 10


def test_long_pause_from_the_beginning_is_not_waited_for(clock):
    stack = ScriptedStack([outage_summary(minutes=60)], process=[failed_run(code="service_busy")])
    assert "sent in 60 minutes" in stack.run_until_done()
    assert stack.printed == []


def test_probe_that_would_come_after_the_announced_time_is_not_waited_for(clock):
    summaries = [outage_summary(seconds=1), outage_summary(seconds=299)]
    stack = ScriptedStack(summaries, process=[failed_run()])
    assert stack.run_until_done()
    assert clock[0] < 10


def test_server_that_refuses_several_recordings_is_not_said_to_load_its_model(clock):
    stack = ScriptedStack(
        [outage_summary("wrong_settings", seconds=1)],
        process=[process_run(failed=5), failed_run("skipped"), failed_run(code="wrong_settings")],
    )
    assert stack.run_until_done()
    (message,) = stack.printed
    assert "loading" not in message
    assert "40 seconds" in message


def test_connection_test_explains_a_server_of_another_dialect(clock):
    stack = ScriptedStack(process=[failed_run()])
    stack.test_result = {"ok": False, "code": "wrong_dialect", "message": "Another dialect."}
    assert "Another dialect. (See --dialect.)" in stack.run_until_done()
    assert 40 < clock[0] < 45


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("failed", "configuration_error"),
        ("skipped", "paused"),
        ("failed", "authentication_failed"),
        ("failed", "invalid_options"),
        ("failed", "payment_required"),
        ("failed", "access_denied"),
    ],
)
def test_error_that_needs_a_user_is_reported_at_once(clock, status, code):
    assert ScriptedStack(process=[failed_run(status, code)]).run_until_done().startswith("The server is down.")
    assert clock[0] == 0


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_stops_when_sync_fails_or_is_skipped(clock, status):
    stack = ScriptedStack(sync=[{"status": status, "error": "The folder does not exist."}])
    assert stack.run_until_done() == "The folder does not exist."


def test_gives_up_when_every_process_run_crashes(clock):
    with pytest.raises(TaskError):
        ScriptedStack(process=[TaskError("process crashed.")]).run_until_done()


def incomplete_file(name, size=100, age_seconds=0, reason="It grows."):
    since = datetime.now(UTC) - timedelta(seconds=age_seconds)
    return {"path": f"/calls/{name}", "size": size, "since": since.isoformat(), "reason": reason}


def test_waits_for_incomplete_files_then_names_them(clock):
    empty, grows = incomplete_file("b.wav", 0, reason="It is empty."), incomplete_file("a.wav")
    incomplete = sync_run([empty, grows], waiting=2)
    assert ScriptedStack(sync=[incomplete, sync_run()], process=[process_run()]).run_until_done() is None
    stack = ScriptedStack(sync=[incomplete], process=[process_run()])
    problem = stack.run_until_done()
    assert problem.startswith("2 file(s) are still incomplete: a.wav: It grows. b.wav")
    assert len(stack.printed) == 1
    assert 60 < clock[0] < 120


def test_files_are_looked_at_again_after_a_long_transcription(clock):
    incomplete = sync_run([incomplete_file("a.wav")], waiting=1)

    def transcribe():
        clock[0] += 600
        return process_run(completed=1)

    stack = ScriptedStack(sync=[incomplete, incomplete, sync_run()], process=[transcribe, process_run()])
    assert stack.run_until_done() is None
    assert stack.invoked_tasks.count("sync") == 3


@pytest.mark.parametrize(
    "run",
    [
        sync_run([incomplete_file("a.wav", 0, age_seconds=3600)], waiting=1),
        sync_run(empty=1),
        sync_run(archived=1),
        sync_run(ignored=1),
    ],
    ids=["empty for an hour", "counted as empty", "archived", "ignored"],
)
def test_files_that_cannot_be_transcribed_are_mentioned_and_no_problem(clock, run):
    stack = ScriptedStack(sync=[run], process=[process_run()])
    assert stack.run_until_done() is None
    (message,) = stack.printed
    assert message.startswith("1 file(s)")
    assert clock[0] == 0


@pytest.mark.parametrize("code", ["access_denied", "archived", "audio_missing"])
def test_recording_that_waits_for_a_user_is_not_waited_for(clock, code):
    failed = {"nextAttemptAt": "in an hour", "error": {"code": code}}
    stack = ScriptedStack([EMPTY_SUMMARY | {"failed": 1}], failed=[failed], process=[process_run()])
    assert stack.run_until_done() is None
    assert clock[0] == 0


def test_files_that_sync_cannot_ingest_are_reported(clock):
    problem = ScriptedStack(sync=[sync_run(path_too_long=2, unreadable=1)], process=[process_run()]).run_until_done()
    assert "2 file(s) have a path" in problem
    assert "1 file(s) or folder(s) cannot be read" in problem
