"""/api/scheduler: schedules, running a task now, and the list of runs."""

from datetime import UTC, datetime, timedelta

import pytest

from callscribe.recordings.run import SCHEDULED_TASKS, Run, RunStatus, Task, Trigger
from callscribe.store import runs
from functions.api import invoke
from testing import dynalite
from testing.handlers import read_api_key

TASKS = "/api/scheduler/tasks"
RUNS = "/api/scheduler/runs"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def tasks(handlers):
    """The tasks in the API's response, by command."""
    return lambda: {task["command"]: task for task in handlers.api("GET", TASKS).json["items"]}


def time_of(text):
    return datetime.fromisoformat(text)


# when a task runs ----------------------------------------------------------------------------------------------------


def test_tasks_have_a_schedule_in_words_and_their_next_run(handlers, tasks):
    shown, now = tasks(), handlers.now()
    assert [(task["command"], task["schedule"]) for task in shown.values()] == [
        ("sync_recordings", "every 5 minutes"),
        ("queue_transcriptions", "every 10 minutes"),
        ("process_transcription", "every minute"),
    ]
    assert shown["sync_recordings"]["scheduleExpression"] == "cron(0/5 * * * ? *)"
    for task, minutes in zip(shown.values(), (5, 10, 1), strict=True):
        following = time_of(task["nextRunAt"])
        assert (following.minute % minutes, following.second, following.microsecond) == (0, 0, 0)
        assert timedelta(seconds=-5) < following - now <= timedelta(minutes=minutes)
        assert task["lastRun"] is None
    handlers.sync()
    assert tasks()["sync_recordings"]["lastRun"]["status"] == "succeeded"


def test_paused_or_disabled_task_has_no_next_run(handlers, tasks):
    path = f"{TASKS}/sync_recordings"
    paused = handlers.api("PUT", path, body={"paused": True}).json
    assert (paused["paused"], paused["nextRunAt"], paused["schedule"]) == (True, None, "every 5 minutes")
    assert handlers.api("PUT", path, body={"paused": False}).json["nextRunAt"]
    handlers.api("PUT", "/api/modules/whisperx", body={"enabled": False})
    assert {name: task["moduleEnabled"] for name, task in tasks().items()} == {
        "sync_recordings": True,
        "queue_transcriptions": False,
        "process_transcription": False,
    }
    assert {name: task["nextRunAt"] is None for name, task in tasks().items()} == {
        "sync_recordings": False, "queue_transcriptions": True, "process_transcription": True,
    }  # fmt: skip


def test_rate_counts_from_the_last_scheduled_run(handlers, tasks):
    handlers.overrides["SYNC_SCHEDULE"] = "rate(2 hours)"
    assert (tasks()["sync_recordings"]["schedule"], tasks()["sync_recordings"]["nextRunAt"]) == ("every 2 hours", None)
    handlers.sync(trigger="api")
    assert tasks()["sync_recordings"]["nextRunAt"] is None
    fired = time_of(handlers.sync()["startedAt"])
    handlers.after(minutes=70).sync(trigger="api")
    now = handlers.now()
    runs.save(Run(task=Task.SYNC, id=runs.new_run_id(now), trigger=Trigger.UPLOAD, started_at=now, deadline=now))
    assert time_of(tasks()["sync_recordings"]["nextRunAt"]) == fired + timedelta(hours=2)
    handlers.advance_clock(hours=2)
    overdue = time_of(tasks()["sync_recordings"]["nextRunAt"])
    assert abs(overdue - handlers.now()) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("expression", "words"),
    [("cron(0 2 * * ? *)", "at 02:00 UTC every day"), ("cron(0 2 15W * ? *)", "cron(0 2 15W * ? *)")],
)
def test_unsupported_schedule_is_shown_as_its_expression(handlers, tasks, expression, words):
    handlers.overrides["SYNC_SCHEDULE"] = expression
    shown = tasks()["sync_recordings"]
    assert (shown["schedule"], shown["scheduleExpression"]) == (words, expression)
    assert (shown["nextRunAt"] is None) == (words == expression)


# running it now ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", SCHEDULED_TASKS)
def test_running_a_task_returns_its_run(handlers, put, functions, service, list_recordings, task):
    put("a.wav")
    for earlier in SCHEDULED_TASKS[: SCHEDULED_TASKS.index(task)]:
        assert handlers.api("POST", f"{TASKS}/{earlier}/run").status == 200
    before = list_recordings()
    response = handlers.api("POST", f"{TASKS}/{task}/run")
    assert response.status == 200
    run = response.json
    assert (run["task"], run["trigger"], run["status"]) == (task, "api", "succeeded")
    assert next(iter(run["counts"].values())) == 1
    assert run["duration"] > 0
    assert handlers.api("GET", f"{RUNS}/{run['id']}").json == run
    assert list_recordings() != before


def test_long_task_returns_202_with_the_running_run(handlers, put, monkeypatch):
    put("a.wav")
    payloads = []
    monkeypatch.setattr(invoke, "invoke_and_wait", lambda _function, payload: payloads.append(payload))
    response = handlers.api("POST", f"{TASKS}/sync_recordings/run")
    assert (response.status, response.json["status"], response.json["finishedAt"]) == (202, "running", None)
    by_path = handlers.api("POST", "/api/call-recordings/sync", query=f"recordingsPath={handlers.recordings_path}")
    assert (by_path.status, by_path.json["task"]) == (202, "sync_recordings")
    assert handlers.api("POST", "/api/call-recordings/retry").json["task"] == "retry_recordings"
    for payload in payloads[:2]:
        handlers.sync(**payload)
    handlers.queue(**payloads[2])
    for payload, added in zip(payloads, (1, 0, None), strict=True):
        run = handlers.api("GET", f"{RUNS}/{payload['run']}").json
        assert (run["id"], run["status"], run["trigger"]) == (payload["run"], "succeeded", "api")
        assert run["counts"].get("added") == added
    assert response.json["id"] == payloads[0]["run"]
    assert by_path.json["id"] == payloads[1]["run"]


@pytest.mark.parametrize("task", SCHEDULED_TASKS)
def test_running_a_paused_task_returns_a_skipped_run(handlers, put, functions, list_recordings, task):
    put("a.wav")
    handlers.api("PUT", f"{TASKS}/{task}", body={"paused": True})
    response = handlers.api("POST", f"{TASKS}/{task}/run")
    assert (response.status, response.json["status"], response.json["errorCode"]) == (200, "skipped", "paused")
    assert "Resume it" in response.json["error"]
    assert list_recordings() == {}


def test_body_is_rejected_on_routes_that_accept_none(handlers, put, functions, list_recordings):
    """The path in it would be ignored and the whole source scanned."""
    put("a.wav")
    for path in ("/api/call-recordings/sync", f"{TASKS}/sync_recordings/run"):
        response = handlers.api("POST", path, body={"recordingsPath": "s3://b/in/"})
        assert (response.status, response.json["error"]["code"]) == (400, "invalid_request"), path
        assert "accepts no body" in response.json["error"]["message"]
    assert list_recordings() == {}
    assert handlers.api("POST", "/api/call-recordings/sync", body={}).status == 200


def test_unknown_task_returns_404(handlers, functions):
    for name in ("retry_recordings", "sync", "SYNC_RECORDINGS", "%2e"):
        for method, path in (("POST", f"{TASKS}/{name}/run"), ("PUT", f"{TASKS}/{name}")):
            body = {"paused": True} if method == "PUT" else None
            assert handlers.api(method, path, body=body).status == 404, path
    assert handlers.api("PUT", f"{TASKS}/sync_recordings", body={"paused": "maybe"}).status == 400


# runs ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def history(handlers):
    """Runs of all tasks, several at the same time. Runs requested by the API started after their id was made."""
    handlers.api("GET", RUNS)  # configures the tables
    now = handlers.now()
    history = []
    for number in range(16):
        task = list(Task)[number % 4 if number % 3 else 2]
        requested_at = now - timedelta(seconds=10 * (number // 2))
        trigger = tuple(Trigger)[number % 3]
        run = Run(
            task=task,
            id=runs.new_run_id(requested_at),
            trigger=trigger,
            started_at=requested_at + timedelta(seconds=3) if trigger == "api" else requested_at,
            deadline=now,
            counts={"number": number},
        )
        if number % 5:
            run.end(RunStatus.SUCCEEDED if number % 2 else RunStatus.SKIPPED)
        runs.save(run)
        history.append(run)
    return sorted(history, key=lambda run: run.id, reverse=True)


def walk(handlers, query, limit):
    """Return the ids of the runs on all pages."""
    key, ids, cursor = read_api_key(handlers.stack), [], None
    for _ in range(60):
        response = handlers.api(
            "GET", RUNS, query=f"{query}&limit={limit}&" + (f"cursor={cursor}" * bool(cursor)), key=key
        )
        assert response.status == 200, response.body
        assert len(response.json["items"]) <= limit
        ids += [run["id"] for run in response.json["items"]]
        cursor = response.json["nextCursor"]
        if cursor is None:
            return ids
    raise AssertionError("the list has no last page")


def zulu(timestamp):
    return timestamp.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("stack", dynalite.ENGINES, indirect=True)
def test_pages_contain_every_matching_run_once_for_every_filter(handlers, history):
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
    for query, matches in filters.items():
        expected = [run.id for run in history if matches(run)]
        for limit in (1, 6):
            assert walk(handlers, query, limit) == expected, (query, limit)


def test_rare_runs_are_found_across_empty_pages(handlers, history, monkeypatch):
    monkeypatch.setattr(runs, "PAGE_SIZE", 2)
    monkeypatch.setattr(runs, "MAX_REQUESTS", 2)
    expected = [run.id for run in history if run.trigger == "upload"]
    for limit in (1, 3, 100):
        assert walk(handlers, "trigger=upload", limit) == expected
    assert walk(handlers, "status=failed", 10) == []


def test_new_runs_do_not_shift_the_pages(handlers, history):
    first = handlers.api("GET", RUNS, query="limit=10").json
    handlers.sync()
    rest = handlers.api("GET", RUNS, query=f"limit=100&cursor={first['nextCursor']}").json
    assert [run["id"] for run in first["items"] + rest["items"]] == [run.id for run in history]


@pytest.mark.parametrize(
    "query",
    ["task=sync", "status=asleep", "trigger=test", "from=noon", "limit=0", "limit=501", "cursor=x", "state=failed"],
)
def test_invalid_run_filter_returns_400(handlers, query):
    assert handlers.api("GET", RUNS, query=query).status == 400


def test_cursor_with_other_filters_is_rejected(handlers, history):
    cursor = handlers.api("GET", RUNS, query="limit=1").json["nextCursor"]
    for query in ("task=sync_recordings", "status=succeeded", "trigger=api", "to=2027-01-01T00:00:00Z"):
        assert handlers.api("GET", RUNS, query=f"{query}&cursor={cursor}").json["error"]["code"] == "invalid_cursor"
    backwards = "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"
    assert handlers.api("GET", RUNS, query=backwards).json["error"]["code"] == "invalid_request"


def test_unknown_run_returns_404(handlers, history):
    known = history[0].id
    for name in ("none", known[:-1], known[:-8] + "ffffffff", known.lower(), known + "0", "x" * 3000):
        response = handlers.api("GET", f"{RUNS}/{name}")
        assert (response.status, response.json["error"]["code"]) == (404, "run_not_found"), name
    assert handlers.api("GET", f"{RUNS}/{known}").json["counts"] == history[0].counts
