"""Retrying all that failed and match a filter: each is queued once, in however many runs, and nothing else changes."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from callscribe.call_metadata.metadata import CallMetadata, Direction, Provenance
from callscribe.errors import RetryableError, StoreError
from callscribe.recordings import state_machine
from callscribe.recordings.recording import Failure, Status
from callscribe.recordings.state_machine import QueueEntry, RetryPolicy
from callscribe.store import recording_search, recordings, runs
from functions.queue import retry
from testing import dynalite
from testing.signing import signing_as
from tests.integration.checks import all_recordings, assert_counts_are_right

RETRY = "/api/call-recordings/retry"
RUNS = "/api/scheduler/runs"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
IN, OUT, _ = Direction


both_engines = pytest.mark.parametrize("stack", dynalite.ENGINES, indirect=True)


@pytest.fixture
def made(handlers):
    """Makes a recording of a call so many minutes before noon, failed for good unless it is to have another status."""
    handlers.queue()  # binds the models to the tables

    def made(name, minutes=0, code="service_error", status=Status.FAILED, **known):
        now = handlers.now()
        failure = Failure(code=code, message="It failed.", at=now, retryable=True)
        new = state_machine.create(
            "s3://b",
            f"2026/11/{name}.wav",
            size=9,
            etag="e",
            modified_at=NOON,
            now=now,
            metadata=CallMetadata(**known).with_provenance(Provenance.NAME),
            recorded_at=NOON - timedelta(minutes=minutes),
        )
        if status is not Status.PENDING:
            position = state_machine.terminal_sort_key(now)
            new = replace(new, status=status, sort_key=position, attempts=5, outage_count=2, error=failure)
        assert recordings.create(new)
        return new.id

    return made


@pytest.fixture
def many(made, monkeypatch):
    """Five that failed, the oldest call last; a run looks at the clock after each two of them."""
    monkeypatch.setattr(retry, "BATCH_SIZE", 2)
    return [made(f"call-{minutes}", minutes) for minutes in range(5)]


@pytest.fixture
def ask(handlers, functions):
    def ask(**body):
        return handlers.api("POST", RETRY, body=body)

    return ask


@pytest.fixture
def in_line():
    """The ids of those that are queued, in the order in which they will be sent."""
    return lambda: [place.id for place in recordings.next_entries(Status.QUEUED, 100)]


@pytest.fixture
def queued(monkeypatch):
    """The ids of all that were ever queued by a retry, in the order of time."""
    ids, apply = [], recordings.apply_transition

    def watch(recording_id, change):
        after = apply(recording_id, change)
        if after and (change.from_status, change.to_status) == (Status.FAILED, Status.QUEUED):
            ids.append(recording_id)
        return after

    monkeypatch.setattr(recordings, "apply_transition", watch)
    return ids


@pytest.fixture
def fail_anew(handlers):
    """Lets a recording that is queued be sent, and fail for good once more."""

    def fail_anew(recording_id):
        seen, now = recordings.get(recording_id), handlers.now()
        place = QueueEntry(seen.id, seen.status, seen.sort_key)
        claimed = recordings.apply_transition(
            seen.id, state_machine.claim(place, "token", now, now + timedelta(minutes=16))
        )
        assert claimed
        policy = RetryPolicy(max_attempts=1)
        failed = state_machine.fail(claimed, RetryableError("Again."), policy, handlers.now(), random.Random(1))
        assert recordings.apply_transition(seen.id, failed)

    return fail_anew


def shown(handlers, run_id):
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
def calls(made):
    """Five that failed, the oldest call last, by a letter; and three beside them that did not."""
    failed = {
        "a": made("in-a", 1, direction=IN, caller="+1 202 555 0143", callee="101", call_id="A.1"),
        "b": made("in-b", 2, "timeout", direction=IN, caller="3035550143", callee="101"),
        "c": made("out-c", 3, direction=OUT, caller="102", callee="(202) 555-0143", call_id="A.2"),
        "d": made("internal-d", 4, "timeout"),
        "e": made("e", 5),
    }
    made("in-pending", 2, status=Status.PENDING, direction=IN, caller="2025550143")
    made("in-processing", 2, "timeout", Status.PROCESSING, direction=OUT, caller="2025550143")
    made("in-completed", 2, "timeout", Status.COMPLETED, direction=OUT, caller="2025550143")
    return failed


@both_engines
def test_a_dry_run_counts_those_that_match_and_changes_nothing(handlers, calls, ask):
    before, known = all_recordings(), handlers.api("GET", RUNS).body
    for body, expected in CASES:
        answer = ask(**body, dryRun=True)
        assert (answer.status, answer.json) == (200, {"count": len(expected), "exact": True, "dryRun": True}), body
    assert (all_recordings(), handlers.api("GET", RUNS).body) == (before, known)


@both_engines
def test_all_that_match_are_queued_afresh_the_oldest_call_first_and_no_others(handlers, calls, ask, in_line):
    """Each time what is left of those that match."""
    done = ""
    for body, matching in [CASES[number] for number in (12, 9, 7, 13, 3, 8, 0, 0)]:
        before, behind = all_recordings(), in_line()
        expected = [each for each in reversed(matching) if each not in done]
        answer = ask(**body)
        assert (answer.status, answer.json["status"], answer.json["trigger"]) == (200, "succeeded", "api")
        assert answer.json["counts"] == {"matched": len(expected), "queued": len(expected), "conflicts": 0}, body
        assert shown(handlers, answer.json["id"]) == answer.json
        assert in_line() == behind + [calls[each] for each in expected], body
        after = all_recordings()
        for each in in_line()[len(behind) :]:
            fresh = (after[each].attempts, after[each].outage_count, after[each].next_attempt_at)
            assert (*fresh, after[each].error) == (0, 0, None, before.pop(each).error)
        assert {each: after[each] for each in before} == before
        done += matching
    assert_counts_are_right()


def test_without_a_body_all_that_failed_are_meant(handlers, made, functions, in_line):
    made("a")
    assert handlers.api("POST", RETRY).json["counts"] == {"matched": 1, "queued": 1, "conflicts": 0}
    assert len(in_line()) == 1


def test_one_whose_next_attempt_is_to_come_by_itself_is_sent_now(handlers, made, ask, in_line, fail_anew):
    (name,) = [made("a")]
    ask()
    seen, now = recordings.get(name), handlers.now()
    claim = state_machine.claim(QueueEntry(name, seen.status, seen.sort_key), "t", now, now + timedelta(minutes=16))
    claimed = recordings.apply_transition(name, claim)
    assert claimed
    recordings.apply_transition(
        name, state_machine.fail(claimed, RetryableError(""), RetryPolicy(), now, random.Random(1))
    )
    assert recordings.get(name).next_attempt_at
    assert ask().json["counts"]["queued"] == 1
    assert recordings.get(name).next_attempt_at is None
    assert in_line() == [name]


def test_what_one_request_is_too_short_for_goes_on_with_the_next_runs_of_queue(
    handlers, many, ask, functions, in_line, queued
):
    functions["queue"] = 15_000
    answer = ask(errorCode="service_error")
    assert (answer.status, answer.json["status"], answer.json["finishedAt"]) == (202, "running", None)
    assert answer.json["counts"] == {"matched": 5, "queued": 2, "conflicts": 0}
    assert answer.json["filter"] == {"transcriptionStatus": "failed", "errorCode": "service_error"}
    assert shown(handlers, answer.json["id"]) == answer.json
    assert in_line() == many[:2:-1]
    other = handlers.queue()
    assert (other["task"], other["counts"]["queued"]) == ("queue_transcriptions", 0)
    ended = shown(handlers, answer.json["id"])
    assert (ended["status"], ended["counts"]["queued"]) == ("succeeded", 5)
    assert ended["duration"] > 0
    assert in_line() == queued == many[::-1]
    handlers.queue()
    assert shown(handlers, answer.json["id"]) == ended


def test_each_run_of_queue_does_as_much_of_it_as_it_has_time_for(handlers, many, ask, functions, queued, monkeypatch):
    functions["queue"] = 0
    run_id = ask().json["id"]
    apply, progress = recordings.apply_transition, []

    def slowly(*change):
        handlers.advance_clock(seconds=20)
        return apply(*change)

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "apply_transition", slowly)
        for _ in range(2):
            handlers.queue(remaining_ms=50_000)
            progress.append(shown(handlers, run_id)["counts"]["queued"])
    assert progress == [4, 5]
    assert queued == many[::-1]


def test_a_run_that_is_killed_is_taken_over_after_its_time_and_each_recording_is_queued_once(
    handlers, many, ask, in_line, queued, monkeypatch
):
    with pytest.raises(Killed):
        killed(monkeypatch, ask, after=3)
    (run,) = handlers.api("GET", RUNS, query="task=retry_recordings").json["items"]
    assert (run["status"], run["counts"]["queued"]) == ("running", 2)
    handlers.after(minutes=4).queue()  # it may be running still
    assert len(in_line()) == 3
    handlers.after(minutes=3).queue()
    assert shown(handlers, run["id"])["status"] == "succeeded"
    assert in_line() == queued == many[::-1]
    assert_counts_are_right()


class Killed(BaseException):
    pass


def killed(monkeypatch, ask, after):
    """Asks, and the run dies once it has queued so many."""
    apply, left = recordings.apply_transition, iter(range(after))

    def die(*change):
        if next(left, None) is None:
            raise Killed
        return apply(*change)

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "apply_transition", die)
        ask()


def test_what_fails_anew_meanwhile_is_not_queued_twice(handlers, many, ask, functions, queued, fail_anew):
    functions["queue"] = 15_000
    ask()
    for each in many[:2:-1]:
        fail_anew(each)
    handlers.queue()
    assert queued == many[::-1]
    assert ask().json["counts"]["queued"] == 2


def test_what_fails_anew_before_a_killed_run_is_taken_over_is_not_queued_twice(
    handlers, many, ask, queued, fail_anew, monkeypatch
):
    with pytest.raises(Killed):
        killed(monkeypatch, ask, after=3)
    handlers.advance_clock(minutes=1)
    for each in queued:
        fail_anew(each)
    handlers.after(minutes=7).queue()
    assert queued == many[::-1]


def test_of_two_runs_of_queue_at_once_one_goes_on_with_it(handlers, many, ask, functions, queued, monkeypatch):
    """The other one has seen, too, that nobody is at it."""
    functions["queue"] = 15_000
    run_id = ask().json["id"]
    unfinished, hold = runs.resumable, runs.extend_lease
    held: list[object] = []

    def meanwhile(now):
        found = unfinished(now)
        if not held:
            held.append("the other is coming")
            retry.resume(handlers.now, handlers.now() + timedelta(minutes=5))
        return found

    def watch(run, ends_by):
        held.append(hold(run, ends_by))
        return held[-1]

    monkeypatch.setattr(runs, "resumable", meanwhile)
    monkeypatch.setattr(runs, "extend_lease", watch)
    handlers.queue()
    assert held[-1] is False
    assert held.count(False) == 1
    assert queued == many[::-1]
    assert shown(handlers, run_id)["counts"] == {"matched": 5, "queued": 5, "conflicts": 0}


def test_a_run_that_is_under_way_is_left_to_itself(handlers, many, ask, queued, monkeypatch):
    apply, others = recordings.apply_transition, list[object]()

    def meanwhile(*change):
        if not others:
            others.append(handlers.queue())
        return apply(*change)

    monkeypatch.setattr(recordings, "apply_transition", meanwhile)
    assert ask().json["counts"] == {"matched": 5, "queued": 5, "conflicts": 0}
    assert queued == many[::-1]


def test_it_goes_on_while_queue_is_paused(handlers, many, ask, functions, in_line):
    functions["queue"] = 15_000
    handlers.api("PUT", "/api/scheduler/tasks/queue_transcriptions", body={"paused": True})
    run_id = ask().json["id"]
    assert handlers.queue()["errorCode"] == "paused"
    assert shown(handlers, run_id)["status"] == "succeeded"
    assert len(in_line()) == 5


def test_what_is_claimed_or_deleted_at_this_moment_is_a_lost_race(handlers, many, ask, monkeypatch):
    apply = recordings.apply_transition

    def too_late(recording_id, change):
        with signing_as("somebody"):
            if recording_id == many[2]:
                seen, now = recordings.get(recording_id), handlers.now()
                place = QueueEntry(seen.id, seen.status, seen.sort_key)
                assert apply(seen.id, state_machine.claim(place, "token", now, now + timedelta(minutes=16)))
            if recording_id == many[3] and (seen := recordings.get(recording_id)):
                assert recordings.delete_recording(seen)
        return apply(recording_id, change)

    monkeypatch.setattr(recordings, "apply_transition", too_late)
    assert ask().json["counts"] == {"matched": 5, "queued": 3, "conflicts": 2}
    assert recordings.get(many[2]).status is Status.PROCESSING
    assert recordings.get(many[3]) is None


@pytest.mark.parametrize("operation", ["UpdateItem", "PutItem"])
def test_what_it_wrote_counts_though_the_answer_was_lost(
    handlers, many, in_line, monkeypatch, lose_the_answer, operation
):
    run_id = handlers.queue(remaining_ms=15_000, retry={})["id"]
    assert len(in_line()) == 2
    unfinished = runs.resumable

    def then_lose(now):
        found = unfinished(now)
        lose_the_answer(operation)
        return found

    monkeypatch.setattr(runs, "resumable", then_lose)
    handlers.after(seconds=1).queue()
    assert shown(handlers, run_id)["counts"] == {"matched": 5, "queued": 5, "conflicts": 0}


def test_a_beginning_that_too_many_names_have_is_looked_for_by_time(handlers, many, in_line, monkeypatch):
    monkeypatch.setattr(recording_search, "MAX_NAME_MATCHES", 1)
    assert handlers.queue(retry={"search": "call-"})["counts"]["queued"] == 5
    assert in_line() == many[::-1]


@pytest.mark.parametrize(
    "where", ["recordings.apply_transition", "recording_search.page", "runs.extend_lease", "runs.resumable"]
)
def test_an_error_of_the_store_leaves_it_to_a_later_run(handlers, many, ask, functions, queued, monkeypatch, where):
    functions["queue"] = 15_000
    run_id = ask().json["id"]

    def refuse(*_, **__):
        raise StoreError("DynamoDB is throttling; the next run goes on.")

    with monkeypatch.context() as patch:
        patch.setattr(f"callscribe.store.{where}", refuse)
        assert handlers.queue()["status"] == "succeeded"
    assert shown(handlers, run_id)["status"] == "running"
    handlers.after(minutes=7).queue()
    assert shown(handlers, run_id)["status"] == "succeeded"
    assert queued == many[::-1]


def test_an_error_of_the_store_at_the_very_end_queues_nothing_twice(handlers, many, ask, queued, monkeypatch):
    hold = runs.extend_lease

    def refuse(run, ends_by):
        if run.finished_at:
            raise StoreError("DynamoDB is throttling; the next run goes on.")
        return hold(run, ends_by)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "extend_lease", refuse)
        answer = ask()
    assert (answer.status, answer.json["status"], answer.json["counts"]["queued"]) == (202, "running", 5)
    handlers.after(minutes=7).queue()
    assert shown(handlers, answer.json["id"])["status"] == "succeeded"
    assert queued == many[::-1]


def test_a_fault_of_ours_ends_it_and_does_not_stand_in_the_way_of_others(handlers, many, functions, monkeypatch):
    def broken(*_):
        raise KeyError("sort_key")

    with monkeypatch.context() as patch:
        patch.setattr(retry, "_requeue", broken)
        with pytest.raises(KeyError):
            handlers.queue(retry={}, run=runs.new_run_id(handlers.now()))
    (run,) = handlers.api("GET", RUNS, query="task=retry_recordings").json["items"]
    assert (run["status"], run["errorCode"]) == ("failed", "internal_error")
    assert handlers.queue()["status"] == "succeeded"
    assert handlers.api("GET", RUNS, query="task=retry_recordings").json["items"] == [run]


def test_two_that_are_unfinished_are_both_ended_by_one_run_of_queue(handlers, many, ask, functions, queued):
    functions["queue"] = 15_000
    first = ask(errorCode="service_error").json["id"]
    second = ask().json["id"]
    handlers.queue()
    assert {shown(handlers, each)["status"] for each in (first, second)} == {"succeeded"}
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


def test_what_cannot_be_looked_for_is_400_and_nothing_is_queued(handlers, made, functions, in_line):
    made("a")
    for body in INVALID:
        answer = handlers.api("POST", RETRY, body=body)
        assert (answer.status, (answer.json or {}).get("error", {}).get("code")) == (400, "invalid_request"), body
    assert in_line() == []
