"""Runs as the API shows them, paused tasks, and disabled modules."""

import pytest

from callscribe.recordings.run import MODULE_BY_TASK, SCHEDULED_TASKS
from callscribe.store import runs

RUNS = "/api/scheduler/runs"
TASKS = "/api/scheduler/tasks"


def newest(handlers, query=""):
    response = handlers.api("GET", RUNS, query=query)
    assert response.status == 200, response.body
    return response.json["items"]


def test_each_run_is_stored_with_trigger_counts_duration_and_error(handlers, put):
    put("a.wav")
    handlers.sync(trigger="api")
    handlers.overrides["RECORDINGS_PATH"] = "s3://no-such-bucket-here/"
    handlers.sync()
    failed, succeeded = newest(handlers)
    assert (succeeded["task"], succeeded["trigger"], succeeded["status"]) == ("sync_recordings", "api", "succeeded")
    assert succeeded["counts"]["added"] == 1
    assert 0 < succeeded["duration"] < 60
    assert (failed["status"], failed["errorCode"], failed["trigger"]) == ("failed", "source_error", "schedule")
    assert "NoSuchBucket" in failed["error"]


@pytest.mark.parametrize("trigger", ["nightly", "", None])
@pytest.mark.parametrize("function", ["sync", "queue", "process"])
def test_unknown_trigger_counts_as_a_request(handlers, function, trigger):
    assert getattr(handlers, function)(trigger=trigger)["status"] == "succeeded"
    assert [run["trigger"] for run in newest(handlers)] == ["api"]


def test_run_without_a_result_is_shown_as_died_after_its_deadline(handlers, monkeypatch):
    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    save, saved = runs.save, list[object]()
    monkeypatch.setattr("callscribe.store.recordings.next_entries", die)
    # a killed process leaves the start of its run, but not its end
    monkeypatch.setattr(runs, "save", lambda run: None if saved else saved.append(save(run)))
    with pytest.raises(Killed):
        handlers.queue()
    (run,) = newest(handlers)
    assert (run["status"], run["finishedAt"]) == ("running", None)
    handlers.advance_clock(minutes=7)
    (run,) = newest(handlers)
    assert (run["status"], run["errorCode"]) == ("died", "run_died")
    assert "log" in run["error"]
    assert newest(handlers, "status=died") == [run]
    assert newest(handlers, "status=running") == []


# paused tasks and disabled modules ------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", SCHEDULED_TASKS)
@pytest.mark.parametrize("reason", ["paused", "module_disabled"])
def test_paused_task_or_task_of_a_disabled_module_is_skipped_with_a_reason(
    handlers, put, list_recordings, service, task, reason
):
    put("a.wav")
    for earlier in SCHEDULED_TASKS[: SCHEDULED_TASKS.index(task)]:
        getattr(handlers, earlier.name.lower())()
    before = list_recordings()
    run_it = getattr(handlers, task.name.lower())
    path, field, value = f"{TASKS}/{task}", "paused", True
    if reason == "module_disabled":
        path, field, value = f"/api/modules/{MODULE_BY_TASK[task]}", "enabled", False
    assert handlers.api("PUT", path, body={field: value}).json[field] is value
    run = run_it()
    assert (run["status"], run["errorCode"]) == ("skipped", reason)
    assert list_recordings() == before
    assert service.received == []
    tasks = {item["command"]: item for item in handlers.api("GET", TASKS).json["items"]}
    assert [command for command, item in tasks.items() if item["paused"]] == ([task] if reason == "paused" else [])
    assert tasks[task]["lastRun"]["status"] == "skipped"
    assert handlers.api("PUT", path, body={field: not value}).json[field] is not value
    assert run_it()["status"] == "succeeded"
    assert list_recordings() != before
