"""retry_recordings: queues each matching failed recording once, in as many runs as that takes, and changes no other."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from callscribe.call_metadata.metadata import CallMetadata, Direction, Provenance
from callscribe.errors import RetryableError, StoreError
from callscribe.recordings import state_machine, transitions
from callscribe.recordings.recording import Failure, QueueEntry, Status, terminal_sort_key
from callscribe.recordings.retry_policy import RetryPolicy
from callscribe.store import recording_search, recordings, runs
from functions.queue import retry
from testing import dynalite
from testing.signing import signing_as
from tests.integration.store_assertions import all_recordings, assert_counts_are_right

RETRY = "/api/call-recordings/retry"
RUNS = "/api/scheduler/runs"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
IN, OUT, _ = Direction


both_engines = pytest.mark.parametrize("stack", dynalite.ENGINES, indirect=True)


@pytest.fixture
def create(handlers):
    """Creates a recording of a call `minutes` before noon, failed without a next attempt unless `status` is another."""
    handlers.queue()  # configures the tables

    def create(name, minutes=0, code="service_error", status=Status.FAILED, **metadata):
        now = handlers.now()
        failure = Failure(code=code, message="It failed.", at=now, retryable=True)
        new = transitions.create(
            "s3://b",
            f"2026/11/{name}.wav",
            size=9,
            etag="e",
            modified_at=NOON,
            now=now,
            metadata=CallMetadata(**metadata).with_provenance(Provenance.NAME),
            recorded_at=NOON - timedelta(minutes=minutes),
        )
        if status is not Status.PENDING:
            sort_key = terminal_sort_key(now)
            new = replace(new, status=status, sort_key=sort_key, attempts=5, outage_count=2, error=failure)
        assert recordings.create(new)
        return new.id

    return create


@pytest.fixture
def many(create, monkeypatch):
    """The ids of five failed recordings, the oldest call last. A run checks the clock after every second one."""
    monkeypatch.setattr(retry, "BATCH_SIZE", 2)
    return [create(f"call-{minutes}", minutes) for minutes in range(5)]


@pytest.fixture
def request_retry(handlers, functions):
    return lambda **body: handlers.api("POST", RETRY, body=body)


@pytest.fixture
def queue():
    """Returns the ids of all queued recordings, the next one first."""
    return lambda: [entry.id for entry in recordings.next_entries(Status.QUEUED, 100)]


@pytest.fixture
def queued(monkeypatch):
    """The ids of all recordings that retries have queued, first to last."""
    ids, apply_transition = [], recordings.apply_transition

    def record(recording_id, transition):
        recording = apply_transition(recording_id, transition)
        if recording and (transition.from_status, transition.to_status) == (Status.FAILED, Status.QUEUED):
            ids.append(recording_id)
        return recording

    monkeypatch.setattr(recordings, "apply_transition", record)
    return ids


@pytest.fixture
def fail_again(handlers):
    """Claims a queued recording, which then fails again without a next attempt."""

    def fail_again(recording_id):
        claimed = claim(recording_id, handlers.now())
        policy = RetryPolicy(max_attempts=1)
        failed = state_machine.fail(claimed, RetryableError("Again."), policy, handlers.now(), random.Random(1))
        assert recordings.apply_transition(recording_id, failed)

    return fail_again


def claim(recording_id, now):
    recording = recordings.get(recording_id)
    entry = QueueEntry(recording.id, recording.status, recording.sort_key)
    transition = state_machine.claim(entry, "token", now, now + timedelta(minutes=16))
    claimed = recordings.apply_transition(recording_id, transition)
    assert claimed
    return claimed


def get_run(handlers, run_id):
    return handlers.api("GET", f"{RUNS}/{run_id}").json


CASES = [
    ({}, "abcde"),
    ({"transcriptionStatus": "failed"}, "abcde"),
    ({"errorCode": "timeout"}, "bd"),
    ({"errorCode": "none_such"}, ""),
    ({"direction": "outbound"}, "c"),
    ({"from": "2026-11-22T11:57:00Z"}, "abc"),
    ({"to": "2026-11-22T11:58:00+00:00"}, "bcde"),
    ({"from": "2026-11-22T12:57:00+01:00", "to": "2026-11-22T11:58:00Z"}, "bc"),
    ({"phoneNumber": "+1 (202) 555-0143"}, "ac"),
    ({"phoneNumber": "0143", "direction": "inbound", "errorCode": "timeout"}, "b"),
    ({"search": "in-"}, "ab"),
    ({"search": "0143"}, "abc"),
    ({"search": "A.2"}, "c"),
    ({"search": "in", "to": "2026-11-22T11:58:30Z"}, "bd"),
]


@pytest.fixture
def calls(create):
    """The ids of five failed recordings by letter, the oldest call last. Three more have other statuses."""
    failed = {
        "a": create("in-a", 1, direction=IN, caller="+1 202 555 0143", callee="101", call_id="A.1"),
        "b": create("in-b", 2, "timeout", direction=IN, caller="3035550143", callee="101"),
        "c": create("out-c", 3, direction=OUT, caller="102", callee="(202) 555-0143", call_id="A.2"),
        "d": create("internal-d", 4, "timeout"),
        "e": create("e", 5),
    }
    create("in-pending", 2, status=Status.PENDING, direction=IN, caller="2025550143")
    create("in-processing", 2, "timeout", Status.PROCESSING, direction=OUT, caller="2025550143")
    create("in-completed", 2, "timeout", Status.COMPLETED, direction=OUT, caller="2025550143")
    return failed


@both_engines
def test_dry_run_counts_the_matching_recordings_and_changes_nothing(handlers, calls, request_retry):
    recordings_before, runs_before = all_recordings(), handlers.api("GET", RUNS).body
    for body, expected in CASES:
        response = request_retry(**body, dryRun=True)
        assert (response.status, response.json) == (200, {"count": len(expected), "exact": True, "dryRun": True}), body
    assert (all_recordings(), handlers.api("GET", RUNS).body) == (recordings_before, runs_before)


@both_engines
def test_matching_recordings_are_queued_with_zero_attempts_oldest_call_first(handlers, calls, request_retry, queue):
    done = ""
    for body, matching in [CASES[number] for number in (12, 9, 7, 13, 3, 8, 0, 0)]:
        before, queue_before = all_recordings(), queue()
        expected = [letter for letter in reversed(matching) if letter not in done]
        response = request_retry(**body)
        assert (response.status, response.json["status"], response.json["trigger"]) == (200, "succeeded", "api")
        assert response.json["counts"] == {"matched": len(expected), "queued": len(expected), "conflicts": 0}, body
        assert get_run(handlers, response.json["id"]) == response.json
        assert queue() == queue_before + [calls[letter] for letter in expected], body
        after = all_recordings()
        for id_ in queue()[len(queue_before) :]:
            fresh_values = (after[id_].attempts, after[id_].outage_count, after[id_].next_attempt_at)
            assert (*fresh_values, after[id_].error) == (0, 0, None, before.pop(id_).error)
        assert {id_: after[id_] for id_ in before} == before
        done += matching
    assert_counts_are_right()


def test_request_without_a_body_queues_all_failed_recordings(handlers, create, functions, queue):
    create("a")
    assert handlers.api("POST", RETRY).json["counts"] == {"matched": 1, "queued": 1, "conflicts": 0}
    assert len(queue()) == 1


def test_recording_with_a_scheduled_attempt_is_queued_now(handlers, create, request_retry, queue):
    id_ = create("a")
    request_retry()
    failed = state_machine.fail(
        claim(id_, handlers.now()), RetryableError(""), RetryPolicy(), handlers.now(), random.Random(1)
    )
    assert recordings.apply_transition(id_, failed).next_attempt_at
    assert request_retry().json["counts"]["queued"] == 1
    assert recordings.get(id_).next_attempt_at is None
    assert queue() == [id_]


def test_retry_that_exceeds_one_request_continues_with_the_next_runs_of_queue(
    handlers, many, request_retry, functions, queue, queued
):
    functions["queue"] = 15_000
    response = request_retry(errorCode="service_error")
    assert (response.status, response.json["status"], response.json["finishedAt"]) == (202, "running", None)
    assert response.json["counts"] == {"matched": 5, "queued": 2, "conflicts": 0}
    assert response.json["filter"] == {"transcriptionStatus": "failed", "errorCode": "service_error"}
    assert get_run(handlers, response.json["id"]) == response.json
    assert queue() == many[:2:-1]
    queue_run = handlers.queue()
    assert (queue_run["task"], queue_run["counts"]["queued"]) == ("queue_transcriptions", 0)
    finished = get_run(handlers, response.json["id"])
    assert (finished["status"], finished["counts"]["queued"]) == ("succeeded", 5)
    assert finished["duration"] > 0
    assert queue() == queued == many[::-1]
    handlers.queue()
    assert get_run(handlers, response.json["id"]) == finished


def test_each_run_of_queue_continues_the_retry_until_its_time_is_up(
    handlers, many, request_retry, functions, queued, monkeypatch
):
    functions["queue"] = 0
    run_id = request_retry().json["id"]
    apply_transition, progress = recordings.apply_transition, []

    def apply_slowly(*arguments):
        handlers.advance_clock(seconds=20)
        return apply_transition(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "apply_transition", apply_slowly)
        for _ in range(2):
            handlers.queue(remaining_ms=50_000)
            progress.append(get_run(handlers, run_id)["counts"]["queued"])
    assert progress == [4, 5]
    assert queued == many[::-1]


def test_killed_run_is_resumed_after_its_lease_and_queues_each_recording_once(
    handlers, many, request_retry, queue, queued, monkeypatch
):
    with pytest.raises(Killed):
        request_retry_and_die(monkeypatch, request_retry, queued_before=3)
    (run,) = handlers.api("GET", RUNS, query="task=retry_recordings").json["items"]
    assert (run["status"], run["counts"]["queued"]) == ("running", 2)
    handlers.after(minutes=4).queue()  # the lease has not expired yet
    assert len(queue()) == 3
    handlers.after(minutes=3).queue()
    assert get_run(handlers, run["id"])["status"] == "succeeded"
    assert queue() == queued == many[::-1]
    assert_counts_are_right()


class Killed(BaseException):
    pass


def request_retry_and_die(monkeypatch, request_retry, queued_before):
    """Request a retry that dies after `queued_before` recordings."""
    apply_transition, remaining = recordings.apply_transition, iter(range(queued_before))

    def die(*arguments):
        if next(remaining, None) is None:
            raise Killed
        return apply_transition(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "apply_transition", die)
        request_retry()


def test_recording_that_fails_again_meanwhile_is_not_queued_twice(
    handlers, many, request_retry, functions, queued, fail_again
):
    functions["queue"] = 15_000
    request_retry()
    for id_ in many[:2:-1]:
        fail_again(id_)
    handlers.queue()
    assert queued == many[::-1]
    assert request_retry().json["counts"]["queued"] == 2


def test_recording_that_fails_again_before_a_killed_run_resumes_is_not_queued_twice(
    handlers, many, request_retry, queued, fail_again, monkeypatch
):
    with pytest.raises(Killed):
        request_retry_and_die(monkeypatch, request_retry, queued_before=3)
    handlers.advance_clock(minutes=1)
    for id_ in queued:
        fail_again(id_)
    handlers.after(minutes=7).queue()
    assert queued == many[::-1]


def test_only_one_of_two_concurrent_runs_of_queue_resumes_a_retry(
    handlers, many, request_retry, functions, queued, monkeypatch
):
    """Both have read that the lease has expired."""
    functions["queue"] = 15_000
    run_id = request_retry().json["id"]
    resumable, extend_lease = runs.resumable, runs.extend_lease
    leases: list[bool] = []

    def resume_in_another_run_first(now):
        unfinished_runs = resumable(now)
        monkeypatch.setattr(runs, "resumable", resumable)
        retry.resume(handlers.now, handlers.now() + timedelta(minutes=5))
        return unfinished_runs

    def record_lease(run, deadline):
        leases.append(extend_lease(run, deadline))
        return leases[-1]

    monkeypatch.setattr(runs, "resumable", resume_in_another_run_first)
    monkeypatch.setattr(runs, "extend_lease", record_lease)
    handlers.queue()
    assert leases[-1] is False
    assert leases.count(False) == 1
    assert queued == many[::-1]
    assert get_run(handlers, run_id)["counts"] == {"matched": 5, "queued": 5, "conflicts": 0}


def test_run_of_queue_does_not_resume_a_running_retry(handlers, many, request_retry, queued, monkeypatch):
    apply_transition, queue_runs = recordings.apply_transition, list[object]()

    def run_queue_first(*arguments):
        if not queue_runs:
            queue_runs.append(handlers.queue())
        return apply_transition(*arguments)

    monkeypatch.setattr(recordings, "apply_transition", run_queue_first)
    assert request_retry().json["counts"] == {"matched": 5, "queued": 5, "conflicts": 0}
    assert queued == many[::-1]


def test_retry_continues_while_queue_is_paused(handlers, many, request_retry, functions, queue):
    functions["queue"] = 15_000
    handlers.api("PUT", "/api/scheduler/tasks/queue_transcriptions", body={"paused": True})
    run_id = request_retry().json["id"]
    assert handlers.queue()["errorCode"] == "paused"
    assert get_run(handlers, run_id)["status"] == "succeeded"
    assert len(queue()) == 5


def test_recording_claimed_or_deleted_meanwhile_is_a_conflict(handlers, many, request_retry, monkeypatch):
    apply_transition = recordings.apply_transition

    def apply_too_late(recording_id, transition):
        with signing_as("another-user"), monkeypatch.context() as patch:
            patch.setattr(recordings, "apply_transition", apply_transition)
            if recording_id == many[2]:
                claim(recording_id, handlers.now())
            if recording_id == many[3] and (recording := recordings.get(recording_id)):
                assert recordings.delete_recording(recording)
        return apply_transition(recording_id, transition)

    monkeypatch.setattr(recordings, "apply_transition", apply_too_late)
    assert request_retry().json["counts"] == {"matched": 5, "queued": 3, "conflicts": 2}
    assert recordings.get(many[2]).status is Status.PROCESSING
    assert recordings.get(many[3]) is None


@pytest.mark.parametrize("operation", ["UpdateItem", "PutItem"])
def test_write_with_a_lost_response_is_counted_once(handlers, many, queue, monkeypatch, lose_response, operation):
    run_id = handlers.queue(remaining_ms=15_000, retry={})["id"]
    assert len(queue()) == 2
    resumable = runs.resumable

    def lose_the_next_response(now):
        unfinished_runs = resumable(now)
        lose_response(operation)
        return unfinished_runs

    monkeypatch.setattr(runs, "resumable", lose_the_next_response)
    handlers.after(seconds=1).queue()
    assert get_run(handlers, run_id)["counts"] == {"matched": 5, "queued": 5, "conflicts": 0}


def test_search_that_matches_too_many_names_queues_by_time(handlers, many, queue, monkeypatch):
    monkeypatch.setattr(recording_search, "MAX_NAME_MATCHES", 1)
    assert handlers.queue(retry={"search": "call-"})["counts"]["queued"] == 5
    assert queue() == many[::-1]


@pytest.mark.parametrize(
    "where", ["recordings.apply_transition", "recording_search.page", "runs.extend_lease", "runs.resumable"]
)
def test_store_error_leaves_the_retry_to_a_later_run(
    handlers, many, request_retry, functions, queued, monkeypatch, where
):
    functions["queue"] = 15_000
    run_id = request_retry().json["id"]

    def refuse(*_, **__):
        raise StoreError("DynamoDB is throttling requests.")

    with monkeypatch.context() as patch:
        patch.setattr(f"callscribe.store.{where}", refuse)
        assert handlers.queue()["status"] == "succeeded"
    assert get_run(handlers, run_id)["status"] == "running"
    handlers.after(minutes=7).queue()
    assert get_run(handlers, run_id)["status"] == "succeeded"
    assert queued == many[::-1]


def test_store_error_at_the_very_end_queues_nothing_twice(handlers, many, request_retry, queued, monkeypatch):
    extend_lease = runs.extend_lease

    def refuse(run, deadline):
        if run.finished_at:
            raise StoreError("DynamoDB is throttling requests.")
        return extend_lease(run, deadline)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "extend_lease", refuse)
        response = request_retry()
    assert (response.status, response.json["status"], response.json["counts"]["queued"]) == (202, "running", 5)
    handlers.after(minutes=7).queue()
    assert get_run(handlers, response.json["id"])["status"] == "succeeded"
    assert queued == many[::-1]


def test_unhandled_exception_fails_the_retry_and_does_not_block_other_runs(handlers, many, functions, monkeypatch):
    def fail(*_):
        raise KeyError("sort_key")

    with monkeypatch.context() as patch:
        patch.setattr(retry, "_requeue", fail)
        with pytest.raises(KeyError):
            handlers.queue(retry={}, run=runs.new_run_id(handlers.now()))
    (run,) = handlers.api("GET", RUNS, query="task=retry_recordings").json["items"]
    assert (run["status"], run["errorCode"]) == ("failed", "internal_error")
    assert handlers.queue()["status"] == "succeeded"
    assert handlers.api("GET", RUNS, query="task=retry_recordings").json["items"] == [run]


def test_one_run_of_queue_finishes_two_retries(handlers, many, request_retry, functions, queued):
    functions["queue"] = 15_000
    first = request_retry(errorCode="service_error").json["id"]
    second = request_retry().json["id"]
    handlers.queue()
    assert {get_run(handlers, run_id)["status"] for run_id in (first, second)} == {"succeeded"}
    assert queued == many[::-1]


INVALID = [
    {"transcriptionStatus": "completed"},
    {"transcriptionStatus": None},
    {"errorCode": "Service Error"},
    {"direction": "sideways"},
    {"phoneNumber": "abc"},
    {"search": "\ud800"},
    {"from": 1795000000},
    {"from": "2026-11-22T12:00:00"},
    {"from": "2026-11-22T12:00:00Z", "to": "2026-11-22T11:00:00Z"},
    {"dryRun": "yes"},
    {"errorcode": "timeout"},
    [],
]


def test_invalid_filter_is_refused_and_nothing_is_queued(handlers, create, functions, queue):
    create("a")
    for body in INVALID:
        response = handlers.api("POST", RETRY, body=body)
        assert (response.status, (response.json or {}).get("error", {}).get("code")) == (400, "invalid_request"), body
    assert queue() == []
