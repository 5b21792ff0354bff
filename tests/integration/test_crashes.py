"""kill -9 at every remote call of every task, before it and after it: nothing is lost, nothing is left held.

The calls are not listed here: a run that lives is watched first, and then others are killed at each call that it made.
"""

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from callscribe.clock import to_iso
from callscribe.recordings import state_machine
from callscribe.recordings.recording import Status, TranscriptRef
from callscribe.recordings.recording_filter import RecordingFilter
from callscribe.recordings.run import Run, RunStatus, Task
from callscribe.recordings.state_machine import QueueEntry
from callscribe.store import control_items, recordings, runs
from testing.handlers import client
from testing.scripted_service import DEFAULT_BODY
from tests.integration.checks import (
    all_recordings,
    assert_completed,
    assert_counts_are_right,
    assert_no_slot_is_held,
)
from tests.integration.conftest import empty

MAX_ATTEMPTS = 5
LEASE = {"minutes": 17}
"""Longer than any lease, and than a killed run could have lasted."""

READS = ("Query", "GetItem", "BatchGetItem", "GetSecretValue", "GET audio")

UNFINISHED = "Query runs retry_recordings"
CLAIMED, STORED = "UpdateItem recordings processing", "UpdateItem recordings completed"


@pytest.fixture
def anew(handlers, workers, stack, put):
    """Empties the stack, and gives the ids of the recordings that are in it then, as sync or queue would leave them."""

    def anew(*keys, status=Status.PENDING):
        empty(stack)
        now = handlers.now()
        made = [
            state_machine.create(
                f"s3://{stack.buckets['RecordingsBucket']}", key, size=104, etag=None, modified_at=now, now=now
            )
            for key in keys
        ]
        for key, each in zip(keys, made, strict=True):
            put(key)
            assert recordings.create(replace(each, status=Status.FAILED) if status is Status.FAILED else each)
            if status is Status.QUEUED:
                now += timedelta(microseconds=1)
                assert recordings.apply_transition(
                    each.id, state_machine.enqueue(QueueEntry(each.id, each.status, each.sort_key), now)
                )
        return [each.id for each in made]

    return anew


def points(calls, both=True):
    """Before and after each call, in the order of time; point `2 * number + 1` is after the call of this number.

    What is stored is the same after one call and before the next: where not `both`, before the first and after each.
    """
    for point in range(2 * len(calls)) if both else (0, *range(1, 2 * len(calls), 2)):
        number, when = point // 2, ("before", "after")[point % 2]
        yield point, f"killed {when} call {number}, {calls[number]}", {"number": number, "when": when}


def assert_shown_as_died(trigger, handlers, point, calls):
    """The run of this trigger, unless it died before it was recorded or had ended."""
    recorded, ended = 1, 2 * len(calls) - 1
    expected = [] if point < recorded else [RunStatus.DIED if point < ended else RunStatus.SUCCEEDED]
    assert [run.status for run in runs.recent(Task, 1000, handlers.now()) if run.trigger == trigger] == expected


@pytest.mark.slow
def test_a_worker_killed_at_any_call_loses_no_recording_and_holds_no_slot(
    handlers, stack, service, workers, anew, subtests
):
    anew("clean.wav", status=Status.QUEUED)
    calls = workers.calls("process")
    claimed, stored = (2 * calls.index(call) + 1 for call in (CLAIMED, STORED))
    sent = 2 * calls.index("POST /asr") + 1
    for point, trigger, die in points(calls):
        with subtests.test(trigger):
            service.received.clear()
            (name,) = anew("a.wav", status=Status.QUEUED)
            workers.kill("process", trigger, **die)
            handlers.advance_clock(**LEASE)
            while workers.run("process")["counts"]["completed"]:
                pass
            after = recordings.get(name)
            assert_completed(stack, after, attempts=1 + (claimed <= point < stored))
            seen = Counter(each.recording for each in service.received)
            assert seen[name] == 1 + (sent <= point < stored) <= after.attempts <= MAX_ATTEMPTS
            assert_no_slot_is_held(handlers)
            assert_counts_are_right()
            assert_shown_as_died(trigger, handlers, point, calls)


def test_a_recording_that_kills_every_worker_ends_as_failed_and_holds_up_no_other(
    handlers, stack, service, workers, anew
):
    poison, *others = anew("poison.wav", "1.wav", "2.wav", "3.wav", status=Status.QUEUED)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        workers.kill("process", call="POST /asr", when="after", holding=poison)
        assert recordings.get(poison).attempts == attempt
        handlers.advance_clock(**LEASE)
        if attempt == 1:
            for _ in others:  # what was behind it comes first now
                assert workers.run("process")["counts"]["completed"] == 1
            assert {recordings.get(other).status for other in others} == {Status.COMPLETED}
    assert workers.run("process")["counts"] == {
        "completed": 0,
        "failed": 0,
        "requeued": 0,
        "recovered": 1,
        "conflicts": 0,
        "audio_seconds": 0,
    }
    handlers.advance_clock(days=1)
    workers.run("process")
    ended = recordings.get(poison)
    assert (ended.status, ended.attempts, ended.next_attempt_at) == (Status.FAILED, MAX_ATTEMPTS, None)
    assert ended.error.code == "worker_lost"
    seen = Counter(each.recording for each in service.received)
    assert seen == {poison: MAX_ATTEMPTS} | dict.fromkeys(others, 1)
    assert_no_slot_is_held(handlers)
    assert_counts_are_right()


@pytest.mark.slow
def test_a_probe_that_is_killed_is_followed_by_another_after_its_lease(
    handlers, stack, service, workers, anew, reply, subtests
):
    def open_the_breaker(*names):
        service.replies = [reply(status=503), reply()]
        added = anew(*names, status=Status.QUEUED)
        assert workers.run("process")["errorCode"] == "service_busy"
        assert workers.run("process")["errorCode"] == "service_unavailable"
        handlers.advance_clock(minutes=1)
        return added

    open_the_breaker("clean.wav")
    calls = workers.calls("process")
    for number in map(calls.index, ("UpdateItem control SET ADD", CLAIMED, "GET audio", "POST /asr", STORED)):
        with subtests.test(f"killed after {calls[number]}"):
            pair = open_the_breaker("a.wav", "b.wav")
            seen = len(service.received)
            workers.kill("process", number=number, when="after")
            seen += number >= calls.index("POST /asr")
            assert workers.run("process")["errorCode"] == "service_unavailable"
            assert len(service.received) == seen
            handlers.advance_clock(**LEASE)
            while workers.run("process")["counts"]["completed"]:
                pass
            assert control_items.read(control_items.ADMISSION)[control_items.ADMISSION].outage is None
            assert {recordings.get(name).status for name in pair} == {Status.COMPLETED}
            assert_no_slot_is_held(handlers)
            assert_counts_are_right()


@pytest.mark.slow
def test_a_queue_run_killed_at_any_call_leaves_each_recording_to_be_queued_once(
    handlers, stack, workers, anew, subtests
):
    def add_an_old_transcript():
        """So that the checkpoint of the completed is moved on, too."""
        old = handlers.now() - timedelta(minutes=21)
        new = state_machine.create("s3://b", "old.wav", size=1, etag=None, modified_at=old, now=old)
        ref = TranscriptRef(version="v", language=None, duration=None, preview="", no_speech=True)
        recordings.create(replace(new, status=Status.COMPLETED, transcript=ref, sort_key=to_iso(old)))

    anew("a.wav", "b.wav")
    add_an_old_transcript()
    calls = workers.calls("queue")
    writes = [number for number, call in enumerate(calls) if call == "UpdateItem recordings queued"]
    for point, trigger, die in points(calls, both=False):
        with subtests.test(trigger):
            pair = anew("a.wav", "b.wav")
            add_an_old_transcript()
            workers.kill("queue", trigger, **die)
            before = {name: recordings.get(name) for name in pair}
            queued = [name for name, each in before.items() if each.status is Status.QUEUED]
            assert len(queued) == sum(point >= 2 * number + 1 for number in writes)
            assert workers.run("queue")["counts"] == {"queued": 2 - len(queued), "conflicts": 0}
            assert {recordings.get(name).status for name in pair} == {Status.QUEUED}
            assert all(recordings.get(name) == before[name] for name in queued)
            assert_counts_are_right()
            handlers.advance_clock(**LEASE)
            assert_shown_as_died(trigger, handlers, point, calls[:-1])


@pytest.mark.slow
def test_a_retry_killed_at_any_call_is_ended_by_a_later_run_of_queue_and_queues_each_once(
    handlers, stack, workers, anew, subtests
):
    def prepared():
        """Two that failed, and a retry that nobody is at."""
        pair = anew("a.wav", "b.wav", status=Status.FAILED)
        asked = handlers.now()
        retry = Run(
            task=Task.RETRY,
            id=runs.new_run_id(asked),
            trigger="api",
            started_at=asked,
            deadline=asked,
            filters=RecordingFilter(status=Status.FAILED).to_api(),
        )
        runs.save(retry)
        return pair, retry.id

    prepared()
    calls = workers.calls("queue")
    began = calls.index(UNFINISHED)
    writes = [number for number, call in enumerate(calls) if call == "UpdateItem recordings queued"]
    for point, trigger, die in points(calls, both=False):
        if point < 2 * began:
            continue
        with subtests.test(trigger):
            pair, retry = prepared()
            workers.kill("queue", trigger, **die)
            before = {name: recordings.get(name) for name in pair}
            queued = [name for name, each in before.items() if each.status is Status.QUEUED]
            assert len(queued) == sum(point >= 2 * number + 1 for number in writes)
            handlers.advance_clock(**LEASE)
            workers.run("queue")
            assert {recordings.get(name).status for name in pair} == {Status.QUEUED}
            assert all(recordings.get(name) == before[name] for name in queued)
            assert runs.get(retry, handlers.now()).status is RunStatus.SUCCEEDED
            assert_counts_are_right()


@pytest.mark.slow
def test_a_sync_killed_at_any_call_comes_to_the_same_end(handlers, stack, put, workers, anew, subtests):
    """New, with a transcript beside it, changed and gone: whatever a run that died had done of it."""
    bucket = stack.buckets["RecordingsBucket"]

    def prepared():
        anew("changed.wav", "gone.wav")
        client("s3", stack.endpoint).delete_object(Bucket=bucket, Key="gone.wav")
        for key in ("new.wav", "told.wav", "changed.wav"):
            put(key)
        put("told.txt", b"Said by a person.")

    def outcome():
        return {
            each.key: (
                each.status,
                each.index_key is None,
                each.source_missing is None,
                each.etag is None,
                each.transcript and each.transcript.preview,
            )
            for each in all_recordings().values()
        }

    prepared()
    calls = workers.calls("sync")
    expected = outcome()
    assert [expected[key][0] for key in ("new.wav", "told.wav")] == [Status.PENDING, Status.COMPLETED]
    assert expected["gone.wav"][1:3] == (True, False)
    for point, trigger, die in points(calls, both=False):
        with subtests.test(trigger):
            prepared()
            workers.kill("sync", trigger, **die)
            workers.run("sync")
            assert outcome() == expected
            assert workers.run("sync")["counts"]["added"] == 0
            assert_counts_are_right()
            handlers.advance_clock(**LEASE)
            assert_shown_as_died(trigger, handlers, point, calls)


@pytest.fixture
def jobs(service, workers, reply):
    """The service takes audio as a job, which ends as soon as it is asked for; the file names that it was sent."""
    workers.environ["WHISPERX_DIALECT"] = "tasks"
    names = []

    def choose(received):
        if received.method == "POST":
            names.append(re.search(rb'filename="([^"]+)"', received.body)[1].decode())
            answer: dict[str, object] = {"identifier": f"job-{len(names)}"}
        elif received.path == "/task/all":
            listed = [{"identifier": f"job-{n}", "file_name": name} for n, name in enumerate(names, 1)]
            answer = {"tasks": [each | {"status": "completed", "start_time": "2026"} for each in listed]}
        else:
            answer = {"status": "completed", "result": json.loads(DEFAULT_BODY)}
        return reply(body=json.dumps(answer).encode(), headers={"Content-Type": "application/json"})

    service.choose_reply = choose
    return names


@pytest.mark.slow
@pytest.mark.parametrize("run", ["that sends", "that polls"])
def test_a_worker_killed_over_a_job_leaves_it_to_be_found_and_never_sends_it_again(
    handlers, stack, workers, anew, jobs, subtests, run
):
    """Who dies before it claims anything, or only reads, leaves what was there: not done once more here."""

    def until_the_run():
        jobs.clear()
        (name,) = anew("a.wav", status=Status.QUEUED)
        if run == "that polls":
            assert workers.run("process")["counts"]["jobs_pending"] == 1
            handlers.advance_clock(minutes=1)
        return name

    until_the_run()
    calls = workers.calls("process")
    claimed = calls.index(CLAIMED)
    ended = len(calls) - 2 if run == "that sends" else calls.index(STORED)
    for point, trigger, die in points(calls, both=False):
        if point < 2 * claimed or calls[point // 2].startswith(READS):
            continue
        with subtests.test(trigger):
            name = until_the_run()
            workers.kill("process", trigger, **die)
            handlers.advance_clock(**LEASE)
            for _ in range(3):
                workers.run("process")
                handlers.advance_clock(minutes=1)
            again = 2 * claimed + 1 <= point < 2 * ended + 1
            assert_completed(stack, recordings.get(name), attempts=1 + again)
            assert len(jobs) == 1, jobs
            assert jobs[0].startswith(f"{name}-")
            assert_no_slot_is_held(handlers)
            assert_counts_are_right()
            assert_shown_as_died(trigger, handlers, point, calls)
