"""What an overview shows over the API: the work of the last hours, since when the queue waits, what failed of what."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from callscribe.clock import to_iso
from callscribe.recordings import sort_keys, state_machine
from callscribe.recordings.recording import Failure, Status
from callscribe.recordings.run import Run, Task
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
        answer = handlers.api("GET", f"{LIST}/{name}")
        assert answer.status == 200, answer.body
        return answer.json

    overview("activity")  # binds the models to the tables
    return overview


@pytest.fixture
def at_noon(monkeypatch):
    """It is half past twelve."""
    monkeypatch.setattr(recording_routes, "utc_now", lambda: NOW)


@pytest.fixture
def ran(overview, at_noon):
    """Stores a run that has started then, and was asked for a moment before."""

    def ran(started_at, task=Task.PROCESS, asked=timedelta(), **counts):
        run_id = runs.new_run_id(started_at - asked)
        run = Run(task=task, id=run_id, trigger="api", started_at=started_at, deadline=started_at, counts=counts)
        runs.save(run)

    return ran


@pytest.fixture
def failed(overview):
    """Makes a recording that failed so many minutes ago, for good unless it is to be tried again."""

    def failed(name, code="service_error", minutes=0, *, again=False, **values):
        at = NOW - timedelta(minutes=minutes)
        due = NOW if again else None
        position = sort_keys.retry_sort_key(due) if due else sort_keys.terminal_sort_key(at)
        error = code and Failure(code=code, message=f"{code}.", at=at, retryable=True, **values)
        new = state_machine.create("s3://b", f"{name}.wav", size=9, etag="e", modified_at=at, now=at)
        failed = replace(new, status=Status.FAILED, sort_key=position, error=error or None, next_attempt_at=due)
        assert recordings.create(failed)
        return failed

    return failed


@pytest.fixture
def queued(overview):
    """Makes a recording that is in line since so many minutes."""

    def queued(name, minutes, *, head=False):
        at = NOW - timedelta(minutes=minutes)
        new = state_machine.create("s3://b", f"{name}.wav", size=9, etag="e", modified_at=NOW, now=NOW)
        position = sort_keys.queued_sort_key(at, to_iso(NOW), at_front=head)
        assert recordings.create(replace(new, status=Status.QUEUED, sort_key=position, queue_sort_key=position))

    return queued


def worked(answer):
    """The hours in which something was done, by their beginning."""
    hours = {
        hour["startsAt"]: (hour["transcribed"], hour["failedAttempts"], hour["audioSeconds"])
        for hour in answer["hours"]
    }
    assert list(hours) == [to_iso(TWELVE - timedelta(hours=ago)).replace(".000000", "") for ago in reversed(range(24))]
    return {start: work for start, work in hours.items() if any(work)}


# the last hours ------------------------------------------------------------------------------------------------------


def test_where_nothing_was_ever_done_there_are_24_empty_hours_and_no_failures(overview, at_noon):
    answer = overview("activity")
    assert worked(answer) == {}
    assert (answer["oldestQueuedAt"], answer["exact"]) == (None, True)
    assert overview("failure-summary") == {"items": [], "exact": True}


def test_the_hours_add_up_what_the_runs_of_process_did_that_started_in_them(overview, ran):
    ran(TWELVE, completed=2, failed=1, recovered=5, audio_seconds=70)
    ran(NOW, completed=1, audio_seconds=30)
    ran(TWELVE - timedelta(microseconds=1), completed=4, failed=0, audio_seconds=9)
    ran(TWELVE - timedelta(hours=23), failed=3)
    ran(TWELVE - timedelta(hours=23, microseconds=1), completed=100)
    ran(NOW - timedelta(hours=5), completed=1)  # of before seconds were counted
    ran(NOW - timedelta(hours=6))  # was skipped
    ran(NOW, Task.SYNC, completed=100)
    ran(NOW, Task.RETRY, failed=100)
    assert worked(overview("activity")) == {
        "2026-11-21T13:00:00Z": (0, 3, 0),
        "2026-11-22T07:00:00Z": (1, 0, 0),
        "2026-11-22T11:00:00Z": (4, 0, 9),
        "2026-11-22T12:00:00Z": (3, 1, 100),
    }


def test_a_run_that_was_asked_for_a_moment_before_the_first_hour_and_started_in_it_counts(overview, ran):
    ran(TWELVE - timedelta(hours=23), asked=timedelta(seconds=2), completed=1)
    assert worked(overview("activity")) == {"2026-11-21T13:00:00Z": (1, 0, 0)}


def test_many_runs_are_read_page_by_page_and_of_too_many_the_oldest_are_missing(overview, ran, monkeypatch):
    for ago in range(7):
        ran(NOW - timedelta(hours=ago), completed=1)
    monkeypatch.setattr(RunModel, "query", partial(RunModel.query, page_size=2))
    whole = overview("activity")
    assert (len(worked(whole)), whole["exact"]) == (7, True)
    monkeypatch.setattr(statistics, "MAX_REQUESTS", 2)
    short = overview("activity")
    assert (list(worked(short)), short["exact"]) == (
        [f"2026-11-22T{hour:02}:00:00Z" for hour in (9, 10, 11, 12)], False,
    )  # fmt: skip


def test_what_process_does_is_there_with_its_seconds(handlers, put, overview, listed, service, reply):
    """By the file where it tells, else by the transcript, and none where neither does."""
    service.choose_reply = lambda received: reply(body=b'{"segments": []}') if b"silence" in received.body else reply()
    put("long.wav", wav(tone(7.4, 8_000)))
    put("transcript.wav", b"RIFF" + b"\0" * 100)
    put("nothing.wav", b"RIFF" + b"silence" * 20)
    handlers.overrides["RECORDINGS_PER_RUN"] = "3"
    handlers.sync()
    handlers.queue()
    counts = handlers.process()["counts"]
    assert (counts["completed"], counts["audio_seconds"]) == (3, 7 + 1)
    durations = {name: (item["audio"]["duration"], item["transcript"]["duration"]) for name, item in listed().items()}
    assert durations == {"long.wav": (7.4, 7.4), "transcript.wav": (None, 0.9), "nothing.wav": (None, None)}
    hours = overview("activity")["hours"]  # the run may be of the hour before, if that ended just now
    assert sum(hour["transcribed"] for hour in hours[-2:]) == 3
    assert sum(hour["audioSeconds"] for hour in hours[-2:]) == 8


# the queue -----------------------------------------------------------------------------------------------------------


def test_the_queue_waits_since_the_one_that_waits_longest_was_put_in_line(overview, queued, counted):
    queued("a", 20)
    queued("b", 50)
    queued("c", 10)
    with counted() as requests:
        assert overview("activity")["oldestQueuedAt"] == "2026-11-22T11:40:00Z"
    assert requests["Query"] == 2
    queued("d", 5, head=True)  # stands before all others
    with counted() as requests:
        assert overview("activity")["oldestQueuedAt"] == "2026-11-22T11:40:00Z"
    assert requests["Query"] == 3


@pytest.mark.parametrize("others", [(), (30,)])
def test_one_at_the_head_counts_where_none_waits_for_longer(overview, queued, others):
    queued("head", 40, head=True)
    queued("head of later", 35, head=True)
    for minutes in others:
        queued("other", minutes)
    assert overview("activity")["oldestQueuedAt"] == "2026-11-22T11:50:00Z"


# failures ------------------------------------------------------------------------------------------------------------


def test_failed_recordings_are_summed_up_by_the_code_of_their_last_error(overview, failed, monkeypatch):
    failed("a", minutes=9, status=500)
    failed("b", minutes=3, status=504, again=True)
    failed("c", minutes=5)
    failed("d", "request_rejected", minutes=7, status=422)
    failed("e", "no_audio", minutes=2)
    completed = failed("f", "no_audio")
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


def test_a_failed_recording_without_an_error_or_of_before_its_status_was_kept_breaks_nothing(
    overview, failed, handlers
):
    failed("a", "")
    old = failed("b", minutes=3)
    RecordingModel(old.id).update([RecordingModel.error.status.remove()])  # type: ignore[attr-defined]
    (group,) = overview("failure-summary")["items"]
    assert (group["code"], group["count"], group["httpStatus"]) == ("service_error", 1, None)
    shown = {item["id"]: item["error"] for item in handlers.api("GET", LIST).json["items"]}
    assert shown.pop(old.id)["httpStatus"] is None
    assert list(shown.values()) == [None]


def test_where_time_is_up_it_says_that_there_are_more(overview, failed, monkeypatch):
    for name in "abc":
        failed(name)
    monkeypatch.setattr(recording_routes, "COUNT_TIME_BUDGET", timedelta())
    assert overview("failure-summary")["exact"] is True
    monkeypatch.setattr(statistics, "raw_query", partial(recording_queries.raw_query, limit=2))
    answer = overview("failure-summary")
    assert (answer["items"][0]["count"], answer["exact"]) == (2, False)


@pytest.mark.parametrize(
    ("replies", "status"), [({"status": 500}, 500), ({"status": 415}, 415), ({"close": True}, None), ({}, None)]
)
def test_a_recording_tells_with_which_status_the_service_answered_where_it_did(
    handlers, put, listed, overview, service, reply, replies, status
):
    service.replies = [reply(**replies or {"body": b"<html>"})]
    put("a.wav")
    handlers.overrides["MAX_ATTEMPTS"] = "3"
    handlers.sync()
    handlers.queue()
    handlers.process()
    item = listed()["a.wav"]
    assert (item["transcriptionStatus"], item["attempts"], item["maxAttempts"]) == ("failed", 1, 3)
    assert item["error"]["httpStatus"] == status
    (group,) = overview("failure-summary")["items"]
    assert {name: group[name] for name in ("code", "message", "httpStatus")} == {
        name: item["error"][name] for name in ("code", "message", "httpStatus")
    }
    assert (group["firstAt"], group["final"]) == (item["error"]["at"], int(item["nextAttemptAt"] is None))


@pytest.mark.parametrize(("status", "kept"), [(502, 502), (None, None)])
def test_what_waits_out_an_outage_tells_its_status_too(handlers, put, listed, overview, service, reply, status, kept):
    if status is None:
        handlers.overrides["WHISPERX_URL"] = "http://127.0.0.1:9"
    service.replies = [reply(status=status or 200)]
    put("a.wav")
    handlers.sync()
    handlers.queue()
    handlers.process()
    item = listed()["a.wav"]
    assert (item["transcriptionStatus"], item["error"]["httpStatus"]) == ("queued", kept)
    assert overview("failure-summary")["items"] == []
