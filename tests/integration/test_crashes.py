"""kill -9 before and after every remote request of every task: no recording is lost and no slot stays held.

The requests are not listed here: an undisturbed run is recorded first, then further runs are killed at each request.
"""

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from callscribe.clock import to_iso
from callscribe.recordings import transitions
from callscribe.recordings.recording import QueueEntry, Status, TranscriptRef
from callscribe.recordings.recording_filter import RecordingFilter
from callscribe.recordings.run import Run, RunStatus, Task, Trigger
from callscribe.store import control_items, recordings, runs
from testing.handlers import client
from testing.scripted_service import DEFAULT_BODY
from tests.integration.conftest import empty
from tests.integration.storage import AUDIO, upload_event
from tests.integration.store_assertions import (
    all_recordings,
    assert_completed,
    assert_counts_are_right,
    assert_no_slot_is_held,
)

MAX_ATTEMPTS = 5
LEASE = {"minutes": 17}
"""Longer than any lease, and than a killed run could have taken."""

READS = ("Query", "GetItem", "BatchGetItem", "GetSecretValue", "GET audio")

UNFINISHED = "Query runs retry_recordings"
CLAIMED, STORED = "UpdateItem recordings processing", "UpdateItem recordings completed"


@pytest.fixture
def reset(handlers, workers, stack, put):
    """Empties the stack and creates recordings in it, as sync or queue would leave them; returns their ids."""

    def reset(*keys, status=Status.PENDING):
        empty(stack)
        now = handlers.now()
        created = [
            transitions.create(
                f"s3://{stack.buckets['RecordingsBucket']}", key, size=104, etag=None, modified_at=now, now=now
            )
            for key in keys
        ]
        for key, new in zip(keys, created, strict=True):
            put(key)
            assert recordings.create(replace(new, status=Status.FAILED) if status is Status.FAILED else new)
            if status is Status.QUEUED:
                now += timedelta(microseconds=1)
                assert recordings.apply_transition(
                    new.id, transitions.enqueue(QueueEntry(new.id, new.status, new.sort_key), now)
                )
        return [recording.id for recording in created]

    return reset


def kill_points(requests, both=True):
    """Points before and after each request, in order; point `2 * number + 1` is after the request with this number.

    The stored state is the same after one request and before the next, so without `both` only the first request has a
    point before it.
    """
    for point in range(2 * len(requests)) if both else (0, *range(1, 2 * len(requests), 2)):
        number, when = point // 2, ("before", "after")[point % 2]
        yield point, f"killed {when} request {number}, {requests[number]}", {"number": number, "when": when}


def assert_reported_as_died(run_id, handlers, point, requests):
    """Checks the killed run, which is not recorded yet or has ended already at some points."""
    recorded, ended = 1, 2 * len(requests) - 1
    expected = None if point < recorded else RunStatus.DIED if point < ended else RunStatus.SUCCEEDED
    run = runs.get(run_id, handlers.now())
    assert (run and run.status) == expected


@pytest.mark.slow
def test_worker_killed_at_any_request_loses_no_recording_and_holds_no_slot(
    handlers, stack, service, workers, reset, subtests
):
    reset("clean.wav", status=Status.QUEUED)
    requests = workers.remote_requests("process")
    claimed, stored = (2 * requests.index(request) + 1 for request in (CLAIMED, STORED))
    sent = 2 * requests.index("POST /asr") + 1
    for point, where, die in kill_points(requests):
        with subtests.test(where):
            service.received.clear()
            (name,) = reset("a.wav", status=Status.QUEUED)
            run_id = workers.kill("process", **die)
            handlers.advance_clock(**LEASE)
            while workers.run("process")["counts"]["completed"]:
                pass
            after = recordings.get(name)
            assert_completed(stack, after, attempts=1 + (claimed <= point < stored))
            uploads = Counter(received.recording for received in service.received)
            assert uploads[name] == 1 + (sent <= point < stored) <= after.attempts <= MAX_ATTEMPTS
            assert_no_slot_is_held(handlers)
            assert_counts_are_right()
            assert_reported_as_died(run_id, handlers, point, requests)


def test_recording_that_kills_every_worker_fails_and_does_not_block_others(handlers, stack, service, workers, reset):
    poison, *others = reset("poison.wav", "1.wav", "2.wav", "3.wav", status=Status.QUEUED)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        workers.kill("process", name="POST /asr", when="after", recording=poison)
        assert recordings.get(poison).attempts == attempt
        handlers.advance_clock(**LEASE)
        if attempt == 1:
            for _ in others:  # the others overtake it
                assert workers.run("process")["counts"]["completed"] == 1
            assert {recordings.get(other).status for other in others} == {Status.COMPLETED}
    assert workers.run("process")["counts"] == {
        "completed": 0,
        "failed": 0,
        "requeued": 0,
        "jobs_pending": 0,
        "recovered": 1,
        "conflicts": 0,
        "audio_seconds": 0,
    }
    handlers.advance_clock(days=1)
    workers.run("process")
    failed = recordings.get(poison)
    assert (failed.status, failed.attempts, failed.next_attempt_at) == (Status.FAILED, MAX_ATTEMPTS, None)
    assert failed.error.code == "worker_lost"
    uploads = Counter(received.recording for received in service.received)
    assert uploads == {poison: MAX_ATTEMPTS} | dict.fromkeys(others, 1)
    assert_no_slot_is_held(handlers)
    assert_counts_are_right()


@pytest.mark.slow
def test_killed_probe_is_followed_by_another_after_its_lease(handlers, stack, service, workers, reset, reply, subtests):
    def open_circuit(*names):
        service.replies = [reply(status=503), reply()]
        added = reset(*names, status=Status.QUEUED)
        assert workers.run("process")["errorCode"] == "service_busy"
        assert workers.run("process")["errorCode"] == "service_unavailable"
        handlers.advance_clock(minutes=1)
        return added

    open_circuit("clean.wav")
    requests = workers.remote_requests("process")
    for number in map(requests.index, ("UpdateItem control SET ADD", CLAIMED, "GET audio", "POST /asr", STORED)):
        with subtests.test(f"killed after {requests[number]}"):
            pair = open_circuit("a.wav", "b.wav")
            uploads = len(service.received)
            workers.kill("process", number=number, when="after")
            uploads += number >= requests.index("POST /asr")
            assert workers.run("process")["errorCode"] == "service_unavailable"
            assert len(service.received) == uploads
            handlers.advance_clock(**LEASE)
            while workers.run("process")["counts"]["completed"]:
                pass
            assert control_items.read_one(control_items.ADMISSION).outage is None
            assert {recordings.get(name).status for name in pair} == {Status.COMPLETED}
            assert_no_slot_is_held(handlers)
            assert_counts_are_right()


@pytest.mark.slow
def test_each_recording_is_queued_once_after_a_queue_run_is_killed_at_any_request(
    handlers, stack, workers, reset, subtests
):
    def add_an_old_transcript():
        """Makes the run advance the checkpoint of the completed count as well."""
        old = handlers.now() - timedelta(minutes=21)
        new = transitions.create("s3://b", "old.wav", size=1, etag=None, modified_at=old, now=old)
        ref = TranscriptRef(version="v", language=None, duration=None, preview="", no_speech=True)
        recordings.create(replace(new, status=Status.COMPLETED, transcript=ref, sort_key=to_iso(old)))

    reset("a.wav", "b.wav")
    add_an_old_transcript()
    requests = workers.remote_requests("queue")
    writes = [number for number, request in enumerate(requests) if request == "UpdateItem recordings queued"]
    for point, where, die in kill_points(requests, both=False):
        with subtests.test(where):
            pair = reset("a.wav", "b.wav")
            add_an_old_transcript()
            run_id = workers.kill("queue", **die)
            before = {name: recordings.get(name) for name in pair}
            queued = [name for name, recording in before.items() if recording.status is Status.QUEUED]
            assert len(queued) == sum(point >= 2 * number + 1 for number in writes)
            assert workers.run("queue")["counts"] == {"queued": 2 - len(queued), "conflicts": 0}
            assert {recordings.get(name).status for name in pair} == {Status.QUEUED}
            assert all(recordings.get(name) == before[name] for name in queued)
            assert_counts_are_right()
            handlers.advance_clock(**LEASE)
            assert_reported_as_died(run_id, handlers, point, requests[:-1])


@pytest.mark.slow
def test_retry_killed_at_any_request_is_resumed_and_queues_each_recording_once(
    handlers, stack, workers, reset, subtests
):
    def prepare():
        """Two failed recordings, and a retry whose lease has expired."""
        pair = reset("a.wav", "b.wav", status=Status.FAILED)
        requested_at = handlers.now()
        retry = Run(
            task=Task.RETRY,
            id=runs.new_run_id(requested_at),
            trigger=Trigger.API,
            started_at=requested_at,
            deadline=requested_at,
            filters=RecordingFilter(status=Status.FAILED).to_api(),
        )
        runs.save(retry)
        return pair, retry.id

    prepare()
    requests = workers.remote_requests("queue")
    started = requests.index(UNFINISHED)
    writes = [number for number, request in enumerate(requests) if request == "UpdateItem recordings queued"]
    for point, where, die in kill_points(requests, both=False):
        if point < 2 * started:
            continue
        with subtests.test(where):
            pair, retry = prepare()
            workers.kill("queue", **die)
            before = {name: recordings.get(name) for name in pair}
            queued = [name for name, recording in before.items() if recording.status is Status.QUEUED]
            assert len(queued) == sum(point >= 2 * number + 1 for number in writes)
            handlers.advance_clock(**LEASE)
            workers.run("queue")
            assert {recordings.get(name).status for name in pair} == {Status.QUEUED}
            assert all(recordings.get(name) == before[name] for name in queued)
            assert runs.get(retry, handlers.now()).status is RunStatus.SUCCEEDED
            assert_counts_are_right()


@pytest.mark.slow
def test_sync_killed_at_any_request_has_the_same_outcome_when_repeated(handlers, stack, put, workers, reset, subtests):
    """Files that are new, have a sidecar transcript, have changed or are gone, whatever the killed run has done."""
    bucket = stack.buckets["RecordingsBucket"]

    def prepare():
        reset("changed.wav", "gone.wav")
        client("s3", stack.endpoint).delete_object(Bucket=bucket, Key="gone.wav")
        for key in ("new.wav", "transcribed.wav", "changed.wav"):
            put(key, age=2 * 3600)  # at rest whatever the clock says, so each run makes the same requests
        put("transcribed.txt", b"Good morning, how can I help you?")

    def outcome():
        return {
            recording.key: (
                recording.status,
                recording.index_key is None,
                recording.source_missing is None,
                recording.etag is None,
                recording.transcript and recording.transcript.preview,
            )
            for recording in all_recordings().values()
        }

    prepare()
    requests = workers.remote_requests("sync")
    expected = outcome()
    assert [expected[key][0] for key in ("new.wav", "transcribed.wav")] == [Status.PENDING, Status.COMPLETED]
    assert expected["gone.wav"][1:3] == (False, False)
    for point, where, die in kill_points(requests, both=False):
        with subtests.test(where):
            prepare()
            run_id = workers.kill("sync", **die)
            workers.run("sync")
            assert outcome() == expected
            assert workers.run("sync")["counts"]["added"] == 0
            assert_counts_are_right()
            handlers.advance_clock(**LEASE)
            assert_reported_as_died(run_id, handlers, point, requests)


@pytest.mark.slow
def test_batch_of_uploads_killed_at_any_request_is_complete_after_its_next_delivery(
    stack, put, workers, reset, subtests
):
    keys = ("a.wav", "b.wav", "c.wav", "c.txt")
    batch = upload_event(stack, *keys)

    def prepare():
        reset()
        for key in keys:
            put(key, b"Good morning, how can I help you?" if key.endswith("txt") else AUDIO, age=2 * 3600)

    def statuses():
        return {recording.key: recording.status for recording in all_recordings().values()}

    prepare()
    requests = workers.remote_requests("sync", **batch)
    expected = {"a.wav": Status.PENDING, "b.wav": Status.PENDING, "c.wav": Status.COMPLETED}
    assert statuses() == expected
    for _, where, die in kill_points(requests, both=False):
        with subtests.test(where):
            prepare()
            workers.kill("sync", batch, **die)
            before = statuses()
            assert before.items() <= expected.items()
            run = workers.run("sync", **batch)  # Lambda has deleted none of its messages
            assert run["batchItemFailures"] == []
            assert run["counts"]["added"] + run["counts"]["completed"] == len(expected) - len(before)
            assert statuses() == expected
            assert_counts_are_right()


@pytest.fixture
def jobs(service, workers, reply):
    """The service turns uploads into jobs, which end when they are polled. Returns the names of the uploaded files."""
    workers.environ["WHISPERX_DIALECT"] = "tasks"
    names = []

    def choose(received):
        if received.method == "POST":
            names.append(re.search(rb'filename="([^"]+)"', received.body)[1].decode())
            response: dict[str, object] = {"identifier": f"job-{len(names)}"}
        elif received.path == "/task/all":
            tasks = [{"identifier": f"job-{n}", "file_name": name} for n, name in enumerate(names, 1)]
            response = {"tasks": [task | {"status": "completed", "start_time": "2026"} for task in tasks]}
        else:
            response = {"status": "completed", "result": json.loads(DEFAULT_BODY)}
        return reply(body=json.dumps(response).encode(), headers={"Content-Type": "application/json"})

    service.choose_reply = choose
    return names


@pytest.mark.slow
@pytest.mark.parametrize("run", ["that sends", "that polls"])
def test_job_of_a_killed_worker_is_found_and_never_resent(handlers, stack, workers, reset, jobs, subtests, run):
    """Points before the claim and around reads change nothing in the store, so they are left out here."""

    def prepare_run():
        jobs.clear()
        (name,) = reset("a.wav", status=Status.QUEUED)
        if run == "that polls":
            assert workers.run("process")["counts"]["jobs_pending"] == 1
            handlers.advance_clock(minutes=1)
        return name

    prepare_run()
    requests = workers.remote_requests("process")
    claimed = requests.index(CLAIMED)
    ended = len(requests) - 2 if run == "that sends" else requests.index(STORED)
    for point, where, die in kill_points(requests, both=False):
        if point < 2 * claimed or requests[point // 2].startswith(READS):
            continue
        with subtests.test(where):
            name = prepare_run()
            run_id = workers.kill("process", **die)
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
            assert_reported_as_died(run_id, handlers, point, requests)
