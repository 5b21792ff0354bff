"""The overview of the API: the work of the last 24 hours, the age of the queue, and failures by error code."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from callscribe.clock import to_iso
from callscribe.recordings import transitions
from callscribe.recordings.recording import Failure, Status, queued_sort_key, retry_sort_key, terminal_sort_key
from callscribe.recordings.run import Run, Task, Trigger
from callscribe.store import recording_queries, recordings, runs, statistics
from callscribe.store.tables import RecordingModel, RunModel
from functions.api.routes import recordings as recording_routes
from testing import dynalite
from testing.made_audio import tone, wav

pytestmark = pytest.mark.parametrize("stack", dynalite.ENGINES, indirect=True)

LIST = "/api/call-recordings"
NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
TWELVE = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def overview(handlers):
    def overview(name):
        response = handlers.api("GET", f"{LIST}/{name}")
        assert response.status == 200, response.body
        return response.json

    overview("activity")  # configures the tables
    return overview


@pytest.fixture
def at_noon(monkeypatch):
    """Set the API's clock to half past twelve."""
    monkeypatch.setattr(recording_routes, "utc_now", lambda: NOW)


@pytest.fixture
def save_run(overview, at_noon):
    """Save a run that started at this time, and was requested slightly earlier."""

    def save_run(started_at, task=Task.PROCESS, delay=timedelta(), **counts):
        run_id = runs.new_run_id(started_at - delay)
        run = Run(task=task, id=run_id, trigger=Trigger.API, started_at=started_at, deadline=started_at, counts=counts)
        runs.save(run)

    return save_run


@pytest.fixture
def create_failed(overview):
    """Create a recording that failed `minutes` ago, terminally unless it is `retried`."""

    def create_failed(name, code="service_error", minutes=0, *, retried=False, **values):
        at = NOW - timedelta(minutes=minutes)
        due = NOW if retried else None
        sort_key = retry_sort_key(due) if due else terminal_sort_key(at)
        error = code and Failure(code=code, message=f"{code}.", at=at, retryable=True, **values)
        new = transitions.create("s3://b", f"{name}.wav", size=9, etag="e", modified_at=at, now=at)
        recording = replace(new, status=Status.FAILED, sort_key=sort_key, error=error or None, next_attempt_at=due)
        assert recordings.create(recording)
        return recording

    return create_failed


@pytest.fixture
def create_queued(overview):
    """Create a recording that was queued `minutes` ago."""

    def create_queued(name, minutes, *, at_front=False):
        at = NOW - timedelta(minutes=minutes)
        new = transitions.create("s3://b", f"{name}.wav", size=9, etag="e", modified_at=NOW, now=NOW)
        sort_key = queued_sort_key(at, to_iso(NOW), at_front=at_front)
        assert recordings.create(replace(new, status=Status.QUEUED, sort_key=sort_key, queue_sort_key=sort_key))

    return create_queued


def active_hours(activity):
    """The hours with work, by their start."""
    hours = {
        hour["startsAt"]: (hour["transcribed"], hour["failedAttempts"], hour["audioSeconds"])
        for hour in activity["hours"]
    }
    assert list(hours) == [
        to_iso(TWELVE - timedelta(hours=hours_ago)).replace(".000000", "") for hours_ago in reversed(range(24))
    ]
    return {start: work for start, work in hours.items() if any(work)}


# activity ------------------------------------------------------------------------------------------------------------


def test_empty_overview_has_24_empty_hours_and_no_failures(overview, at_noon):
    activity = overview("activity")
    assert active_hours(activity) == {}
    assert (activity["oldestQueuedAt"], activity["exact"]) == (None, True)
    assert overview("failure-summary") == {"items": [], "exact": True}


def test_hour_adds_up_the_process_runs_that_started_in_it(overview, save_run):
    save_run(TWELVE, completed=2, failed=1, recovered=5, audio_seconds=70)
    save_run(NOW, completed=1, audio_seconds=30)
    save_run(TWELVE - timedelta(microseconds=1), completed=4, failed=0, audio_seconds=9)
    save_run(TWELVE - timedelta(hours=23), failed=3)
    save_run(TWELVE - timedelta(hours=23, microseconds=1), completed=100)
    save_run(NOW - timedelta(hours=5), completed=1)  # without audio seconds
    save_run(NOW - timedelta(hours=6))  # skipped
    save_run(NOW, Task.SYNC, completed=100)
    save_run(NOW, Task.RETRY, failed=100)
    assert active_hours(overview("activity")) == {
        "2026-11-21T13:00:00Z": (0, 3, 0),
        "2026-11-22T07:00:00Z": (1, 0, 0),
        "2026-11-22T11:00:00Z": (4, 0, 9),
        "2026-11-22T12:00:00Z": (3, 1, 100),
    }


def test_run_requested_before_the_first_hour_but_started_in_it_counts(overview, save_run):
    save_run(TWELVE - timedelta(hours=23), delay=timedelta(seconds=2), completed=1)
    assert active_hours(overview("activity")) == {"2026-11-21T13:00:00Z": (1, 0, 0)}


def test_many_runs_are_read_in_pages_and_the_oldest_of_too_many_are_missing(overview, save_run, monkeypatch):
    for hours_ago in range(7):
        save_run(NOW - timedelta(hours=hours_ago), completed=1)
    monkeypatch.setattr(RunModel, "query", partial(RunModel.query, page_size=2))
    complete = overview("activity")
    assert (len(active_hours(complete)), complete["exact"]) == (7, True)
    monkeypatch.setattr(statistics, "MAX_REQUESTS", 2)
    truncated = overview("activity")
    assert (list(active_hours(truncated)), truncated["exact"]) == (
        [f"2026-11-22T{hour:02}:00:00Z" for hour in (9, 10, 11, 12)], False,
    )  # fmt: skip


def test_activity_includes_the_audio_seconds_of_a_process_run(handlers, put, overview, list_recordings, service, reply):
    """From the file if known, else from the transcript, else zero."""
    service.choose_reply = lambda received: reply(body=b'{"segments": []}') if b"silence" in received.body else reply()
    put("long.wav", wav(tone(7.4, 8_000)))
    put("transcript.wav", b"RIFF" + b"\0" * 100)
    put("nothing.wav", b"RIFF" + b"silence" * 20)
    handlers.overrides["RECORDINGS_PER_RUN"] = "3"
    handlers.sync()
    handlers.queue()
    counts = handlers.process()["counts"]
    assert (counts["completed"], counts["audio_seconds"]) == (3, 7 + 1)
    durations = {
        name: (item["audio"]["duration"], item["transcript"]["duration"]) for name, item in list_recordings().items()
    }
    assert durations == {"long.wav": (7.4, 7.4), "transcript.wav": (None, 0.9), "nothing.wav": (None, None)}
    hours = overview("activity")["hours"]  # the run may have started in the previous hour
    assert sum(hour["transcribed"] for hour in hours[-2:]) == 3
    assert sum(hour["audioSeconds"] for hour in hours[-2:]) == 8


# the queue -----------------------------------------------------------------------------------------------------------


def test_oldest_queued_at_comes_from_the_longest_waiting_recording(overview, create_queued, count_requests):
    create_queued("a", 20)
    create_queued("b", 50)
    create_queued("c", 10)
    with count_requests() as requests:
        assert overview("activity")["oldestQueuedAt"] == "2026-11-22T11:40:00Z"
    assert requests["Query"] == 2
    create_queued("d", 5, at_front=True)  # at the front of the queue
    with count_requests() as requests:
        assert overview("activity")["oldestQueuedAt"] == "2026-11-22T11:40:00Z"
    assert requests["Query"] == 3


@pytest.mark.parametrize("others", [(), (30,)])
def test_recording_at_the_front_counts_if_none_has_waited_longer(overview, create_queued, others):
    create_queued("front", 40, at_front=True)
    create_queued("later front", 35, at_front=True)
    for minutes in others:
        create_queued("other", minutes)
    assert overview("activity")["oldestQueuedAt"] == "2026-11-22T11:50:00Z"


# failures ------------------------------------------------------------------------------------------------------------


def test_failed_recordings_are_grouped_by_the_code_of_their_last_error(overview, create_failed, monkeypatch):
    create_failed("a", minutes=9, status=500)
    create_failed("b", minutes=3, status=504, retried=True)
    create_failed("c", minutes=5)
    create_failed("d", "request_rejected", minutes=7, status=422)
    create_failed("e", "no_audio", minutes=2)
    completed = create_failed("f", "no_audio")
    RecordingModel(completed.id).update([RecordingModel.status.set("completed")])
    expected = {
        "items": [
            {
                "code": "service_error", "httpStatus": 504, "count": 3, "final": 2, "message": "service_error.",
                "firstAt": "2026-11-22T12:21:00Z", "lastAt": "2026-11-22T12:27:00Z",
            },
            {
                "code": "no_audio", "httpStatus": None, "count": 1, "final": 1, "message": "no_audio.",
                "firstAt": "2026-11-22T12:28:00Z", "lastAt": "2026-11-22T12:28:00Z",
            },
            {
                "code": "request_rejected", "httpStatus": 422, "count": 1, "final": 1, "message": "request_rejected.",
                "firstAt": "2026-11-22T12:23:00Z", "lastAt": "2026-11-22T12:23:00Z",
            },
        ],
        "exact": True,
    }  # fmt: skip
    assert overview("failure-summary") == expected
    monkeypatch.setattr(statistics, "raw_query", partial(recording_queries.raw_query, limit=2))
    assert overview("failure-summary") == expected


def test_failed_recording_without_an_error_or_without_its_http_status_is_accepted(overview, create_failed, handlers):
    create_failed("a", "")
    old = create_failed("b", minutes=3)
    RecordingModel(old.id).update([RecordingModel.error.status.remove()])  # type: ignore[attr-defined]
    (group,) = overview("failure-summary")["items"]
    assert (group["code"], group["count"], group["httpStatus"]) == ("service_error", 1, None)
    errors = {item["id"]: item["error"] for item in handlers.api("GET", LIST).json["items"]}
    assert errors.pop(old.id)["httpStatus"] is None
    assert list(errors.values()) == [None]


def test_failure_summary_is_not_exact_when_its_time_is_up(overview, create_failed, monkeypatch):
    for name in "abc":
        create_failed(name)
    monkeypatch.setattr(recording_routes, "COUNT_TIME_BUDGET", timedelta())
    assert overview("failure-summary")["exact"] is True
    monkeypatch.setattr(statistics, "raw_query", partial(recording_queries.raw_query, limit=2))
    summary = overview("failure-summary")
    assert (summary["items"][0]["count"], summary["exact"]) == (2, False)


@pytest.mark.parametrize(
    ("replies", "status"), [({"status": 500}, 500), ({"status": 415}, 415), ({"close": True}, None), ({}, None)]
)
def test_failed_recording_shows_the_http_status_of_the_service(
    handlers, put, list_recordings, overview, service, reply, replies, status
):
    service.replies = [reply(**replies or {"body": b'{"text'})]
    put("a.wav")
    handlers.overrides["MAX_ATTEMPTS"] = "3"
    handlers.sync()
    handlers.queue()
    handlers.process()
    item = list_recordings()["a.wav"]
    assert (item["transcriptionStatus"], item["attempts"], item["maxAttempts"]) == ("failed", 1, 3)
    assert item["error"]["httpStatus"] == status
    (group,) = overview("failure-summary")["items"]
    assert {name: group[name] for name in ("code", "message", "httpStatus")} == {
        name: item["error"][name] for name in ("code", "message", "httpStatus")
    }
    assert (group["firstAt"], group["final"]) == (item["error"]["at"], int(item["nextAttemptAt"] is None))


@pytest.mark.parametrize(("status", "stored"), [(502, 502), (None, None)])
def test_recording_requeued_after_an_outage_shows_the_http_status(
    handlers, put, list_recordings, overview, service, reply, status, stored
):
    if status is None:
        handlers.overrides["WHISPERX_URL"] = "http://127.0.0.1:9"
    service.replies = [reply(status=status or 200)]
    put("a.wav")
    handlers.sync()
    handlers.queue()
    handlers.process()
    item = list_recordings()["a.wav"]
    assert (item["transcriptionStatus"], item["error"]["httpStatus"]) == ("queued", stored)
    assert overview("failure-summary")["items"] == []
