"""Many concurrent runs, in separate processes: nothing is sent twice, and no more at the same time than allowed.

On two implementations of DynamoDB, so that this depends on the conditional writes and not on one implementation.
"""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from callscribe.recordings import transitions
from callscribe.recordings.recording import Status, queued_sort_key
from callscribe.store import recordings
from testing import dynalite
from tests.integration.storage import upload_event
from tests.integration.store_assertions import all_recordings, assert_counts_are_right, assert_no_slot_is_held

pytestmark = pytest.mark.parametrize("stack", dynalite.ENGINES, indirect=True)

MANY, MANY_ON_MOTO = 200, 48
"""On moto the cost of a query grows with the number of records, and moto runs in the test's own process."""

ACQUIRE, CLAIM = "UpdateItem control ADD", "UpdateItem recordings processing"


@pytest.fixture
def create_recordings(handlers, workers, stack, put):
    """Put audio into the bucket and create its records, as sync or queue would; returns their ids."""

    def create_recordings(number, status=Status.QUEUED):
        location, now, ids = f"s3://{stack.buckets['RecordingsBucket']}", handlers.now(), []
        for index in range(number):
            new = transitions.create(location, f"{index:03}.wav", size=104, etag=None, modified_at=now, now=now)
            put(new.key)
            if status is Status.QUEUED:
                sort_key = queued_sort_key(now, f"{index:03}")
                new = replace(new, status=status, sort_key=sort_key, queue_sort_key=sort_key)
            assert recordings.create(new)
            ids.append(new.id)
        return ids

    return create_recordings


def process_all(workers, callers):
    """Invoke process from `callers` threads until a run finds nothing to do, then from one thread until it does.

    Returns the counts of all runs.
    """
    idle = threading.Event()

    def run_until_idle(_):
        counts = Counter[str]()
        while not idle.is_set():
            run = workers.invoke("killable", "process")["run"]
            assert run["status"] in ("succeeded", "skipped"), run
            counts.update(run["counts"])
            if run["status"] == "succeeded" and not run["counts"]["completed"]:
                idle.set()
        return counts

    with ThreadPoolExecutor(callers) as pool:
        counts = sum(pool.map(run_until_idle, range(callers)), Counter[str]())
    return counts + process_all(workers, 1) if callers > 1 else counts


def assert_each_was_sent_once(handlers, service, added, slots):
    assert Counter(request.recording for request in service.received) == dict.fromkeys(added, 1)
    assert service.max_concurrent <= slots
    assert {(recording.status, recording.attempts) for recording in all_recordings().values()} == {
        (Status.COMPLETED, 1)
    }
    assert_counts_are_right()
    assert_no_slot_is_held(handlers, slots)


def count_writes(results, *names):
    """How many of the named requests in these runs got a response, and how many lost to a concurrent write.

    A request whose connection broke has no response; boto3 repeats it as another request.
    """
    statuses = [request["status"] for result in results for request in result["requests"] if request["name"] in names]
    statuses = [status for status in statuses if status is not None]
    assert set(statuses) <= {200, 400}
    return len(statuses), statuses.count(400)


@pytest.mark.parametrize(
    ("number", "slots", "callers"), [(12, 1, 4), pytest.param(MANY, 32, 64, marks=pytest.mark.slow)]
)
def test_concurrent_runs_send_no_recording_twice(
    handlers, stack, workers, create_recordings, service, number, slots, callers
):
    if number == MANY and stack.functions["ProcessFunction"].environment.get("AWS_ENDPOINT_URL_DYNAMODB") is None:
        number = MANY_ON_MOTO
    added = create_recordings(number)
    service.replies[0].delay_seconds = 0.05
    workers.environ["MAX_CONCURRENT_TRANSCRIPTIONS"] = str(slots)
    # every event is delivered twice: there are twice as many callers as slots and as worker processes
    counts = process_all(workers, callers)
    assert counts["completed"] == number
    assert_each_was_sent_once(handlers, service, added, slots)


@pytest.mark.slow
def test_more_concurrent_runs_than_slots_send_as_many_as_there_are_slots(
    handlers, workers, create_recordings, service, tmp_path
):
    slots = 4
    added = create_recordings(16)
    service.hold_until(slots)
    service.replies[0].delay_seconds = 0.2  # long enough to see one too many
    workers.environ["MAX_CONCURRENT_TRANSCRIPTIONS"] = str(slots)
    results = workers.run_concurrently(16, "process", ACQUIRE, tmp_path / "hold")
    assert sum(result["run"]["counts"]["completed"] for result in results) >= slots
    process_all(workers, 1)
    assert_each_was_sent_once(handlers, service, added, slots)
    assert service.max_concurrent == slots


@pytest.mark.slow
@pytest.mark.parametrize("number", [64, 16])
def test_sixteen_concurrent_claims_lose_at_most_three_writes_each(workers, create_recordings, tmp_path, number):
    create_recordings(number)
    workers.environ["MAX_CONCURRENT_TRANSCRIPTIONS"] = "16"
    results = workers.run_concurrently(16, "process", ACQUIRE, tmp_path / "hold")
    claimed = sum(result["run"]["counts"]["completed"] for result in results)
    acquired, without_slot = count_writes(results, ACQUIRE)
    sent, lost = count_writes(results, CLAIM)
    assert acquired >= 16
    assert (without_slot, sent - lost) == (0, claimed)
    assert claimed >= 14  # a worker may start too late for the last ones
    assert without_slot + lost <= 3 * claimed
    assert sum(result["run"]["counts"]["conflicts"] for result in results) == lost


def test_concurrent_queue_runs_queue_each_recording_once(workers, create_recordings, tmp_path):
    added = create_recordings(24, Status.PENDING)
    results = workers.run_concurrently(4, "queue", "UpdateItem recordings queued", tmp_path / "hold")
    assert sum(result["run"]["counts"]["queued"] for result in results) == len(added)
    assert sum(result["run"]["counts"]["conflicts"] for result in results) == 3 * len(added)
    assert {recording.status for recording in all_recordings().values()} == {Status.QUEUED}
    assert_counts_are_right()


def test_batch_of_uploads_that_is_delivered_twice_at_once_adds_each_recording_once(workers, stack, put, tmp_path):
    keys = [f"{number:03}.wav" for number in range(10)]
    for key in keys:
        put(key)
    batch = upload_event(stack, *keys)
    results = workers.run_concurrently(2, "sync", "PutItem recordings", tmp_path / "hold", **batch)
    assert [result["run"]["batchItemFailures"] for result in results] == [[], []]
    assert sum(result["run"]["counts"]["added"] for result in results) == len(keys)
    assert {recording.key for recording in all_recordings().values()} == set(keys)
    assert_counts_are_right()


def test_concurrent_syncs_add_each_recording_once(workers, put, tmp_path):
    for number in range(24):
        put(f"{number:03}.wav")
    results = workers.run_concurrently(4, "sync", "PutItem recordings", tmp_path / "hold")
    assert sum(result["run"]["counts"]["added"] for result in results) == 24
    assert count_writes(results, "PutItem recordings") == (96, 72)
    assert {recording.status for recording in all_recordings().values()} == {Status.PENDING}
    assert_counts_are_right()
