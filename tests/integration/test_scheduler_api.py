"""The scheduler over HTTP: when each task runs, running it now, and what became of its runs, page by page."""

from datetime import UTC, datetime, timedelta

import pytest

from callscribe.recordings.run import SCHEDULED_TASKS, Run, RunStatus, Task
from callscribe.store import runs
from functions.api import invoke
from testing import dynalite
from testing.handlers import read_api_key

TASKS = "/api/scheduler/tasks"
RUNS = "/api/scheduler/runs"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def tasks(handlers):
    """The tasks as the API shows them, by their names."""
    return lambda: {each["command"]: each for each in handlers.api("GET", TASKS).json["items"]}


def time_of(text):
    return datetime.fromisoformat(text)


# when a task runs ----------------------------------------------------------------------------------------------------


def test_each_task_tells_its_schedule_in_words_and_when_it_runs_next(handlers, tasks):
    shown, now = tasks(), handlers.now()
    assert [(each["command"], each["schedule"]) for each in shown.values()] == [
        ("sync_recordings", "every 5 minutes"),
        ("queue_transcriptions", "every 10 minutes"),
        ("process_transcription", "every minute"),
    ]
    assert shown["sync_recordings"]["scheduleExpression"] == "cron(0/5 * * * ? *)"
    for each, minutes in zip(shown.values(), (5, 10, 1), strict=True):
        following = time_of(each["nextRunAt"])
        assert (following.minute % minutes, following.second, following.microsecond) == (0, 0, 0)
        assert timedelta(seconds=-5) < following - now <= timedelta(minutes=minutes)
        assert each["lastRun"] is None
    handlers.sync()
    assert tasks()["sync_recordings"]["lastRun"]["status"] == "succeeded"


def test_nothing_is_next_of_what_is_paused_or_disabled(handlers, tasks):
    path = f"{TASKS}/sync_recordings"
    paused = handlers.api("PUT", path, body={"paused": True}).json
    assert (paused["paused"], paused["nextRunAt"], paused["schedule"]) == (True, None, "every 5 minutes")
    assert handlers.api("PUT", path, body={"paused": False}).json["nextRunAt"]
    handlers.api("PUT", "/api/modules/whisperx", body={"enabled": False})
    assert {name: each["nextRunAt"] is None for name, each in tasks().items()} == {
        "sync_recordings": False, "queue_transcriptions": True, "process_transcription": True,
    }  # fmt: skip


def test_a_rate_counts_from_the_last_run_that_it_fired(handlers, tasks):
    handlers.overrides["SYNC_SCHEDULE"] = "rate(2 hours)"
    assert (tasks()["sync_recordings"]["schedule"], tasks()["sync_recordings"]["nextRunAt"]) == ("every 2 hours", None)
    handlers.sync(trigger="api")
    assert tasks()["sync_recordings"]["nextRunAt"] is None
    fired = time_of(handlers.sync()["startedAt"])
    handlers.after(minutes=70).sync(trigger="api")
    now = handlers.now()
    runs.save(Run(task=Task.SYNC, id=runs.new_run_id(now), trigger="upload", started_at=now, deadline=now))
    assert time_of(tasks()["sync_recordings"]["nextRunAt"]) == fired + timedelta(hours=2)
    handlers.advance_clock(hours=2)
    overdue = time_of(tasks()["sync_recordings"]["nextRunAt"])
    assert abs(overdue - handlers.now()) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("expression", "words"),
    [("cron(0 2 * * ? *)", "at 02:00 UTC every day"), ("cron(0 2 15W * ? *)", "cron(0 2 15W * ? *)")],
)
def test_a_schedule_that_cannot_be_put_into_words_is_shown_as_it_is(handlers, tasks, expression, words):
    handlers.overrides["SYNC_SCHEDULE"] = expression
    shown = tasks()["sync_recordings"]
    assert (shown["schedule"], shown["scheduleExpression"]) == (words, expression)
    assert (shown["nextRunAt"] is None) == (words == expression)


# running it now ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", SCHEDULED_TASKS)
def test_a_task_that_is_run_now_answers_with_its_run(handlers, put, functions, service, listed, task):
    put("a.wav")
    for earlier in SCHEDULED_TASKS[: SCHEDULED_TASKS.index(task)]:
        assert handlers.api("POST", f"{TASKS}/{earlier}/run").status == 200
    before = listed()
    answer = handlers.api("POST", f"{TASKS}/{task}/run")
    assert answer.status == 200
    run = answer.json
    assert (run["task"], run["trigger"], run["status"]) == (task, "api", "succeeded")
    assert next(iter(run["counts"].values())) == 1
    assert run["duration"] > 0
    assert handlers.api("GET", f"{RUNS}/{run['id']}").json == run
    assert listed() != before


def test_a_task_that_takes_longer_than_a_request_answers_with_the_run_that_goes_on(handlers, put, monkeypatch):
    put("a.wav")
    later = []
    monkeypatch.setattr(invoke, "invoke_and_wait", lambda _function, payload: later.append(payload))
    answer = handlers.api("POST", f"{TASKS}/sync_recordings/run")
    assert (answer.status, answer.json["status"], answer.json["finishedAt"]) == (202, "running", None)
    by_path = handlers.api("POST", "/api/call-recordings/sync", query=f"recordingsPath={handlers.recordings_path}")
    assert (by_path.status, by_path.json["task"]) == (202, "sync_recordings")
    assert handlers.api("POST", "/api/call-recordings/retry").json["task"] == "retry_recordings"
    for payload in later[:2]:
        handlers.sync(**payload)
    handlers.queue(**later[2])
    for payload, added in zip(later, (1, 0, None), strict=True):
        run = handlers.api("GET", f"{RUNS}/{payload['run']}").json
        assert (run["id"], run["status"], run["trigger"]) == (payload["run"], "succeeded", "api")
        assert run["counts"].get("added") == added
    assert answer.json["id"] == later[0]["run"]
    assert by_path.json["id"] == later[1]["run"]


@pytest.mark.parametrize("task", SCHEDULED_TASKS)
def test_a_paused_task_that_is_run_now_says_that_it_did_nothing(handlers, put, functions, listed, task):
    put("a.wav")
    handlers.api("PUT", f"{TASKS}/{task}", body={"paused": True})
    answer = handlers.api("POST", f"{TASKS}/{task}/run")
    assert (answer.status, answer.json["status"], answer.json["errorCode"]) == (200, "skipped", "paused")
    assert "Resume it" in answer.json["error"]
    assert listed() == {}


def test_a_body_that_nobody_would_read_is_refused(handlers, put, functions, listed):
    """The path in it would be passed over, and all of the source swept."""
    put("a.wav")
    for path in ("/api/call-recordings/sync", f"{TASKS}/sync_recordings/run"):
        answer = handlers.api("POST", path, body={"recordingsPath": "s3://b/in/"})
        assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_request"), path
        assert "accepts no body" in answer.json["error"]["message"]
    assert listed() == {}
    assert handlers.api("POST", "/api/call-recordings/sync", body={}).status == 200


def test_there_are_three_tasks_and_no_other(handlers, functions):
    for name in ("retry_recordings", "sync", "SYNC_RECORDINGS", "%2e"):
        for method, path in (("POST", f"{TASKS}/{name}/run"), ("PUT", f"{TASKS}/{name}")):
            body = {"paused": True} if method == "PUT" else None
            assert handlers.api(method, path, body=body).status == 404, path
    assert handlers.api("PUT", f"{TASKS}/sync_recordings", body={"paused": "maybe"}).status == 400


# runs ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def history(handlers):
    """Runs of all tasks, several at the same moment; those over the API started a moment after they were asked for."""
    handlers.api("GET", RUNS)  # binds the models to the tables
    now = handlers.now()
    made = []
    for number in range(16):
        task = list(Task)[number % 4 if number % 3 else 2]
        asked = now - timedelta(seconds=10 * (number // 2))
        trigger = ("schedule", "api", "upload")[number % 3]
        run = Run(
            task=task,
            id=runs.new_run_id(asked),
            trigger=trigger,
            started_at=asked + timedelta(seconds=3) if trigger == "api" else asked,
            deadline=now,
            counts={"number": number},
        )
        if number % 5:
            run.end(RunStatus.SUCCEEDED if number % 2 else RunStatus.SKIPPED)
        runs.save(run)
        made.append(run)
    return sorted(made, key=lambda run: run.id, reverse=True)


def walk(handlers, query, limit):
    """The ids of the runs on all pages."""
    key, ids, cursor = read_api_key(handlers.stack), [], None
    for _ in range(60):
        answer = handlers.api(
            "GET", RUNS, query=f"{query}&limit={limit}&" + (f"cursor={cursor}" * bool(cursor)), key=key
        )
        assert answer.status == 200, answer.body
        assert len(answer.json["items"]) <= limit
        ids += [each["id"] for each in answer.json["items"]]
        cursor = answer.json["nextCursor"]
        if cursor is None:
            return ids
    raise AssertionError("there is no end to it")


def zulu(moment):
    return moment.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("stack", dynalite.ENGINES, indirect=True)
def test_runs_are_paged_each_once_whatever_they_are_filtered_by(handlers, history):
    handlers.advance_clock(seconds=1)
    since, until = sorted((history[4].started_at, history[10].started_at))
    filters = {
        "": lambda _run: True,
        "task=sync_recordings": lambda run: run.task is Task.SYNC,
        "task=retry_recordings&status=skipped": lambda run: run.task is Task.RETRY and run.status is RunStatus.SKIPPED,
        "status=succeeded": lambda run: run.status is RunStatus.SUCCEEDED,
        "status=died": lambda run: run.status is RunStatus.RUNNING and run.task is not Task.RETRY,
        "status=failed": lambda _run: False,
        "trigger=api": lambda run: run.trigger == "api",
        f"from={zulu(since)}": lambda run: run.started_at >= since,
        f"to={zulu(until)}": lambda run: run.started_at <= until,
        f"from={zulu(since)}&to={zulu(until)}&trigger=upload": (
            lambda run: since <= run.started_at <= until and run.trigger == "upload"
        ),
        f"from={zulu(until)}&to={zulu(until)}": lambda run: run.started_at == until,
        "from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z": lambda _run: True,
        "from=2020-01-01T00:00:00Z&to=2021-01-01T00:00:00Z": lambda _run: False,
    }
    for query, meant in filters.items():
        expected = [run.id for run in history if meant(run)]
        for limit in (1, 6):
            assert walk(handlers, query, limit) == expected, (query, limit)


def test_a_search_among_very_many_runs_goes_on_over_pages_that_may_be_empty(handlers, history, monkeypatch):
    monkeypatch.setattr(runs, "PAGE_SIZE", 2)
    monkeypatch.setattr(runs, "MAX_REQUESTS", 2)
    expected = [run.id for run in history if run.trigger == "upload"]
    for limit in (1, 3, 100):
        assert walk(handlers, "trigger=upload", limit) == expected
    assert walk(handlers, "status=failed", 10) == []


def test_runs_that_begin_meanwhile_move_no_page(handlers, history):
    first = handlers.api("GET", RUNS, query="limit=10").json
    handlers.sync()
    rest = handlers.api("GET", RUNS, query=f"limit=100&cursor={first['nextCursor']}").json
    assert [each["id"] for each in first["items"] + rest["items"]] == [run.id for run in history]


@pytest.mark.parametrize(
    "query",
    ["task=sync", "status=asleep", "trigger=test", "from=noon", "limit=0", "limit=501", "cursor=x", "state=failed"],
)
def test_what_runs_cannot_be_filtered_by_is_400(handlers, query):
    assert handlers.api("GET", RUNS, query=query).status == 400


def test_a_cursor_of_one_list_is_none_of_another(handlers, history):
    cursor = handlers.api("GET", RUNS, query="limit=1").json["nextCursor"]
    for query in ("task=sync_recordings", "status=succeeded", "trigger=api", "to=2027-01-01T00:00:00Z"):
        assert handlers.api("GET", RUNS, query=f"{query}&cursor={cursor}").json["error"]["code"] == "invalid_cursor"
    backwards = "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"
    assert handlers.api("GET", RUNS, query=backwards).json["error"]["code"] == "invalid_request"


def test_a_run_that_is_none_is_404(handlers, history):
    known = history[0].id
    for name in ("none", known[:-1], known[:-8] + "ffffffff", known.lower(), known + "0", "x" * 3000):
        answer = handlers.api("GET", f"{RUNS}/{name}")
        assert (answer.status, answer.json["error"]["code"]) == (404, "run_not_found"), name
    assert handlers.api("GET", f"{RUNS}/{known}").json["counts"] == history[0].counts
