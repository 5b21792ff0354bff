"""Many runs at once, in processes of their own: nothing is sent twice, and no more at once than allowed.

On two engines of DynamoDB, so that it is the conditional writes that keep it so, and not how one engine makes them.
"""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from callscribe.recordings import sort_keys, state_machine
from callscribe.recordings.recording import Status
from callscribe.store import recordings
from testing import dynalite
from tests.integration.checks import all_recordings, assert_counts_are_right, assert_no_slot_is_held

pytestmark = pytest.mark.parametrize("stack", dynalite.ENGINES, indirect=True)

MANY, MANY_ON_MOTO = 200, 48
"""On moto each query costs as much as there are records, and the test's own process pays for it."""

TAKE, CLAIM = "UpdateItem control ADD", "UpdateItem recordings processing"


@pytest.fixture
def line(handlers, workers, stack, put):
    """Puts audio into the bucket, and records into a status as sync or queue would leave them; gives their ids."""

    def line(number, status=Status.QUEUED):
        location, now, made = f"s3://{stack.buckets['RecordingsBucket']}", handlers.now(), []
        for each in range(number):
            new = state_machine.create(location, f"{each:03}.wav", size=104, etag=None, modified_at=now, now=now)
            put(new.key)
            if status is Status.QUEUED:
                position = sort_keys.queued_sort_key(now, f"{each:03}")
                new = replace(new, status=status, sort_key=position, queue_sort_key=position)
            assert recordings.create(new)
            made.append(new.id)
        return made

    return line


def until_nothing_is_left(workers, callers):
    """So many callers, each sending events until one of them finds nothing to do; then one, until it finds nothing.

    Gives what all the runs counted.
    """
    idle = threading.Event()

    def call(_):
        counted = Counter[str]()
        while not idle.is_set():
            run = workers.invoke("mortal", "process")["run"]
            assert run["status"] in ("succeeded", "skipped"), run
            counted.update(run["counts"])
            if run["status"] == "succeeded" and not run["counts"]["completed"]:
                idle.set()
        return counted

    with ThreadPoolExecutor(callers) as pool:
        counted = sum(pool.map(call, range(callers)), Counter[str]())
    return counted + until_nothing_is_left(workers, 1) if callers > 1 else counted


def assert_each_was_sent_once(handlers, service, added, slots):
    assert Counter(each.recording for each in service.received) == dict.fromkeys(added, 1)
    assert service.max_concurrent <= slots
    assert {(each.status, each.attempts) for each in all_recordings().values()} == {(Status.COMPLETED, 1)}
    assert_counts_are_right()
    assert_no_slot_is_held(handlers, slots)


def writes(answers, *names):
    """The calls of these names in the answers' runs: how many were answered, and how many lost to somebody else's.

    A call whose connection broke has no answer; boto makes it again, as another one.
    """
    calls = [call["status"] for answer in answers for call in answer["calls"] if call["call"] in names]
    answered = [status for status in calls if status is not None]
    assert set(answered) <= {200, 400}
    return len(answered), answered.count(400)


@pytest.mark.parametrize(
    ("number", "slots", "callers"), [(12, 1, 4), pytest.param(MANY, 32, 64, marks=pytest.mark.slow)]
)
def test_runs_at_the_same_moment_send_no_recording_twice(
    handlers, stack, workers, line, service, number, slots, callers
):
    if number == MANY and stack.functions["ProcessFunction"].environment.get("AWS_ENDPOINT_URL_DYNAMODB") is None:
        number = MANY_ON_MOTO
    added = line(number)
    service.replies[0].wait = 0.05
    workers.environ["MAX_CONCURRENT_TRANSCRIPTIONS"] = str(slots)
    # every event comes twice: there are twice as many callers as slots, and as worker processes
    counted = until_nothing_is_left(workers, callers)
    assert counted["completed"] == number
    assert_each_was_sent_once(handlers, service, added, slots)


@pytest.mark.slow
def test_more_runs_than_slots_at_the_same_moment_send_as_many_as_there_are_slots(
    handlers, workers, line, service, tmp_path
):
    slots = 4
    added = line(16)
    service.hold_until(slots)
    service.replies[0].wait = 0.2  # in which one too many would be seen
    workers.environ["MAX_CONCURRENT_TRANSCRIPTIONS"] = str(slots)
    answers = workers.run_concurrently(16, "process", TAKE, tmp_path / "hold")
    assert sum(answer["run"]["counts"]["completed"] for answer in answers) >= slots
    until_nothing_is_left(workers, 1)
    assert_each_was_sent_once(handlers, service, added, slots)
    assert service.max_concurrent == slots


@pytest.mark.slow
@pytest.mark.parametrize("number", [64, 16])
def test_sixteen_claims_at_the_same_moment_lose_three_writes_each_at_most(workers, line, tmp_path, number):
    line(number)
    workers.environ["MAX_CONCURRENT_TRANSCRIPTIONS"] = "16"
    answers = workers.run_concurrently(16, "process", TAKE, tmp_path / "hold")
    claimed = sum(answer["run"]["counts"]["completed"] for answer in answers)
    taken, without_slot = writes(answers, TAKE)
    made, lost = writes(answers, CLAIM)
    assert taken >= 16
    assert (without_slot, made - lost) == (0, claimed)
    assert claimed >= 14  # a worker may be too late for the last ones
    assert without_slot + lost <= 3 * claimed
    assert sum(answer["run"]["counts"]["conflicts"] for answer in answers) == lost


def test_queue_runs_at_once_queue_each_recording_once(workers, line, tmp_path):
    added = line(24, Status.PENDING)
    answers = workers.run_concurrently(4, "queue", "UpdateItem recordings queued", tmp_path / "hold")
    assert sum(answer["run"]["counts"]["queued"] for answer in answers) == len(added)
    assert sum(answer["run"]["counts"]["conflicts"] for answer in answers) == 3 * len(added)
    assert {each.status for each in all_recordings().values()} == {Status.QUEUED}
    assert_counts_are_right()


def test_syncs_at_once_add_each_recording_once(workers, put, tmp_path):
    for number in range(24):
        put(f"{number:03}.wav")
    answers = workers.run_concurrently(4, "sync", "PutItem recordings", tmp_path / "hold")
    assert sum(answer["run"]["counts"]["added"] for answer in answers) == 24
    assert writes(answers, "PutItem recordings") == (96, 72)
    assert {each.status for each in all_recordings().values()} == {Status.PENDING}
    assert_counts_are_right()
