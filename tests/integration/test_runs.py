"""Runs as people see them, and what people turn off."""

import pytest

from callscribe.recordings.run import MODULE_BY_TASK, SCHEDULED_TASKS
from callscribe.store import runs

RUNS = "/api/scheduler/runs"
TASKS = "/api/scheduler/tasks"


def newest(handlers, query=""):
    answer = handlers.api("GET", RUNS, query=query)
    assert answer.status == 200, answer.body
    return answer.json["items"]


def test_each_run_is_kept_with_trigger_counts_duration_and_error(handlers, put):
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


def test_a_run_that_died_is_shown_as_such_once_it_cannot_be_running_any_more(handlers, monkeypatch):
    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    save, saved = runs.save, list[object]()
    monkeypatch.setattr("callscribe.store.recordings.next_entries", die)
    # what a killed process leaves: the beginning of its run, not its end
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


# switches ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", SCHEDULED_TASKS)
@pytest.mark.parametrize("why", ["paused", "module_disabled"])
def test_a_task_that_is_paused_or_of_a_disabled_module_does_nothing_and_says_so(
    handlers, put, listed, service, task, why
):
    put("a.wav")
    for earlier in SCHEDULED_TASKS[: SCHEDULED_TASKS.index(task)]:
        getattr(handlers, earlier.name.lower())()
    before = listed()
    run_it = getattr(handlers, task.name.lower())
    path, field, value = f"{TASKS}/{task}", "paused", True
    if why == "module_disabled":
        path, field, value = f"/api/modules/{MODULE_BY_TASK[task]}", "enabled", False
    assert handlers.api("PUT", path, body={field: value}).json[field] is value
    run = run_it()
    assert (run["status"], run["errorCode"]) == ("skipped", why)
    assert listed() == before
    assert service.received == []
    shown = {each["command"]: each for each in handlers.api("GET", TASKS).json["items"]}
    assert [command for command, each in shown.items() if each["paused"]] == ([task] if why == "paused" else [])
    assert shown[task]["lastRun"]["status"] == "skipped"
    assert handlers.api("PUT", path, body={field: not value}).json[field] is not value
    assert run_it()["status"] == "succeeded"
    assert listed() != before
