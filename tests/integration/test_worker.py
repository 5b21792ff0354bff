"""A process run: concurrency, rounds, and the time limits of a run."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from callscribe.errors import StoreError
from callscribe.recordings import state_machine
from callscribe.recordings.recording import Status
from callscribe.recordings.run import Task, Trigger
from callscribe.store import admission, recordings, settings_overrides
from callscribe.store.admission import Slot
from functions.process import app as process
from functions.process import run_claims, worker
from testing.waiting import LIMIT_SECONDS

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def enqueue(handlers, put):
    """Queues one recording for each of the sizes given, in bytes."""

    def enqueue(*sizes):
        for number, size in enumerate(sizes):
            put(f"{number}.wav", b"x" * size)
        handlers.sync_and_queue()

    return enqueue


# concurrency ---------------------------------------------------------------------------------------------------------


def test_run_transcribes_as_many_recordings_at_once_as_there_are_slots(handlers, enqueue, service, reply):
    handlers.overrides |= {"MAX_CONCURRENT_TRANSCRIPTIONS": "3", "RECORDINGS_PER_RUN": "7"}
    service.hold_until(3)
    service.replies = [reply(delay_seconds=0.1)]  # long enough to notice one too many
    enqueue(*[100] * 9)
    assert handlers.process()["counts"]["completed"] == 7
    assert service.max_concurrent == 3


def test_failed_recording_does_not_stop_the_others(handlers, enqueue, service, reply, list_recordings):
    handlers.overrides |= {"MAX_CONCURRENT_TRANSCRIPTIONS": "2", "RECORDINGS_PER_RUN": "4"}
    service.replies = [reply(status=500), reply(), reply(status=415), reply()]
    enqueue(*[100] * 4)
    run = handlers.process()
    assert (run["counts"]["completed"], run["counts"]["failed"], run["status"]) == (2, 2, "succeeded")


def test_store_error_stops_the_run_after_running_attempts_have_ended(handlers, enqueue, list_recordings, monkeypatch):
    handlers.overrides |= {"MAX_CONCURRENT_TRANSCRIPTIONS": "2", "RECORDINGS_PER_RUN": "4"}
    enqueue(*[100] * 4)
    apply_transition, completed = recordings.apply_transition, []

    def fail_the_first_completion(recording_id, transition):
        if transition.to_status is Status.COMPLETED:
            completed.append(recording_id)
            if len(completed) == 1:
                raise StoreError("DynamoDB is throttling.")
        return apply_transition(recording_id, transition)

    monkeypatch.setattr(recordings, "apply_transition", fail_the_first_completion)
    run = handlers.process()
    assert (run["status"], run["errorCode"], run["counts"]["completed"]) == ("failed", "store_error", 1)
    assert sorted(item["transcriptionStatus"] for item in list_recordings().values()) == [
        "completed", "processing", "queued", "queued",
    ]  # fmt: skip
    monkeypatch.undo()


def test_slot_is_released_when_the_result_cannot_be_saved(handlers, enqueue, monkeypatch):
    enqueue(100)
    monkeypatch.setattr(state_machine, "complete", lambda *_: (_ for _ in ()).throw(StoreError("Throttled.")))
    assert handlers.process()["errorCode"] == "store_error"
    assert isinstance(admission.acquire(1, "next", handlers.now(), handlers.now()), Slot)


def test_pausing_the_task_stops_a_run_from_starting_more(handlers, enqueue, service, reply):
    handlers.overrides["RECORDINGS_PER_RUN"] = "5"
    enqueue(*[100] * 5)

    def pause(_):
        settings_overrides.set_paused(Task.PROCESS, paused=True)
        return reply()

    service.choose_reply = pause
    assert handlers.process()["counts"]["completed"] == 1
    assert handlers.process()["errorCode"] == "paused"


def test_recording_recovered_from_a_crashed_worker_is_sent_in_isolation(handlers, enqueue, service, reply):
    handlers.overrides |= {"MAX_CONCURRENT_TRANSCRIPTIONS": "4", "RECORDINGS_PER_RUN": "9"}
    enqueue(*[100] * 4)
    now = handlers.now()
    for entry in recordings.next_entries(Status.QUEUED, 2):
        recordings.apply_transition(entry.id, state_machine.claim(entry, "crashed", now, now))
    concurrent = []

    def record_concurrency(_):
        concurrent.append(service._in_progress.total())
        return reply(delay_seconds=0.1)  # long enough to notice one too many

    service.hold_until(2)
    service.choose_reply = record_concurrency
    run = handlers.process()
    assert (run["counts"]["recovered"], run["counts"]["completed"]) == (2, 4)
    assert service.max_concurrent == 2  # the two that did not need to be recovered
    assert concurrent[2:] == [0, 0]


# rounds --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trigger", "interval", "offsets"),
    [
        (Trigger.SCHEDULE, 60, [0]),
        (Trigger.SCHEDULE, 20, [0, 20, 40]),
        (Trigger.SCHEDULE, 10, list(range(0, 60, 10))),
        (Trigger.API, 10, [0]),
    ],
)
def test_scheduled_run_has_all_rounds_of_its_minute(trigger, interval, offsets):
    assert process.round_times(trigger, NOW, interval) == [NOW + timedelta(seconds=offset) for offset in offsets]


def test_each_round_starts_recordings_per_run(handlers, enqueue, service, monkeypatch):
    handlers.overrides |= {"PROCESS_INTERVAL_SECONDS": "20", "RECORDINGS_PER_RUN": "2"}
    sleeps = []

    def sleep(seconds):
        sleeps.append(seconds)
        handlers.advance_clock(seconds=seconds)

    monkeypatch.setattr(worker.Worker.__init__, "__kwdefaults__", {"sleep": sleep})
    enqueue(*[100] * 9)
    assert handlers.process()["counts"]["completed"] == 6
    assert len(sleeps) == 2
    assert all(15 < seconds <= 20 for seconds in sleeps)


# time limits ---------------------------------------------------------------------------------------------------------


def test_late_in_a_run_only_recordings_that_can_finish_are_started(handlers, put, service, list_recordings, reply):
    """In the first three of nine minutes any recording is started; later, a much larger one waits for the next run."""
    handlers.overrides["RECORDINGS_PER_RUN"] = "9"
    for age, (name, size) in enumerate((("d", 1000), ("long", 1_000_000), ("b", 1000), ("a", 1000))):
        put(f"{name}.wav", b"x" * size, age=3600 * age)
    handlers.sync_and_queue()
    service.choose_reply = lambda _: handlers.advance_clock(minutes=2) or reply()
    assert handlers.process(remaining_ms=540_000)["counts"]["completed"] == 2
    statuses = {name: (item["transcriptionStatus"], item["attempts"]) for name, item in list_recordings().items()}
    assert statuses["long.wav"] == statuses["d.wav"] == ("queued", 0)
    handlers.overrides["RECORDINGS_PER_RUN"] = "1"
    handlers.process(remaining_ms=540_000)
    assert list_recordings()["long.wav"]["transcriptionStatus"] == "completed"


def test_hanging_attempt_is_aborted_before_lambda_kills_the_run(
    handlers, enqueue, service, list_recordings, monkeypatch
):
    """Whatever hangs despite the request timeout, the run records the failure and releases the slot."""
    enqueue(100)
    may_end = threading.Event()

    def hang(*_, **__):
        handlers.advance_clock(seconds=1)
        may_end.wait(LIMIT_SECONDS)

    monkeypatch.setattr("callscribe.whisperx.dialects.asr.AsrService.send", hang)
    monkeypatch.setattr(run_claims, "MIN_TO_START", timedelta())
    monkeypatch.setattr(run_claims, "STORE_MARGIN", timedelta())
    monkeypatch.setattr(run_claims, "ABORT_MARGIN", timedelta(seconds=1))
    run = handlers.process(remaining_ms=2000)
    may_end.set()
    assert (run["status"], run["counts"]["failed"]) == ("succeeded", 1)
    error = list_recordings()["0.wav"]["error"]
    assert error["code"] == "timeout"
    assert isinstance(admission.acquire(1, "next", handlers.now(), handlers.now()), Slot)


def test_failed_release_of_a_dead_workers_slot_does_not_stop_the_run(handlers, enqueue, service, reply, monkeypatch):
    handlers.overrides["MAX_CONCURRENT_TRANSCRIPTIONS"] = "2"
    enqueue(100)
    (entry,) = recordings.next_entries(Status.QUEUED, 10)
    now = handlers.now()
    slot = admission.acquire(2, "dead", now, now + timedelta(minutes=16))
    claimed = recordings.apply_transition(entry.id, state_machine.claim(entry, "dead", now, slot.lease_expires_at))
    assert claimed
    awaiting_job = recordings.apply_transition(entry.id, state_machine.await_job(claimed, slot.set_member, now))
    assert awaiting_job
    recordings.apply_transition(
        entry.id, state_machine.claim_for_poll(awaiting_job, "dead", now, now + timedelta(minutes=16))
    )
    release = admission.release

    def fail_once(slot):
        monkeypatch.setattr(admission, "release", release)
        raise StoreError("Throttled.")

    monkeypatch.setattr(admission, "release", fail_once)
    run = handlers.after(minutes=17).process()
    assert (run["status"], run["counts"]["recovered"], run["counts"]["completed"]) == ("succeeded", 1, 1)
