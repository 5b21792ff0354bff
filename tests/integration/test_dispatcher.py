"""Who may send, when, and how many at once: slots, rounds, and the time that is left."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from callscribe.errors import StoreError
from callscribe.recordings import state_machine
from callscribe.recordings.recording import Status
from callscribe.recordings.run import Task
from callscribe.store import admission, recordings, settings_overrides
from callscribe.store.admission import Slot
from functions.process import app as process
from functions.process import deadline, worker
from testing.waiting import LIMIT_SECONDS

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def waiting(handlers, put):
    """Puts recordings in line, the audio of each as long as it is told."""

    def waiting(*sizes):
        for number, size in enumerate(sizes):
            put(f"{number}.wav", b"x" * size)
        handlers.sync_and_queue()

    return waiting


# several at once -----------------------------------------------------------------------------------------------------


def test_a_run_works_on_as_many_at_once_as_there_are_slots(handlers, waiting, service, reply):
    handlers.overrides |= {"MAX_CONCURRENT_TRANSCRIPTIONS": "3", "RECORDINGS_PER_RUN": "7"}
    service.hold_until(3)
    service.replies = [reply(delay_seconds=0.1)]  # in which one too many would be seen
    waiting(*[100] * 9)
    assert handlers.process()["counts"]["completed"] == 7
    assert service.max_concurrent == 3


def test_one_that_fails_does_not_stop_the_others(handlers, waiting, service, reply, listed):
    handlers.overrides |= {"MAX_CONCURRENT_TRANSCRIPTIONS": "2", "RECORDINGS_PER_RUN": "4"}
    service.replies = [reply(status=500), reply(), reply(status=415), reply()]
    waiting(*[100] * 4)
    run = handlers.process()
    assert (run["counts"]["completed"], run["counts"]["failed"], run["status"]) == (2, 2, "succeeded")


def test_what_cannot_be_written_stops_the_run_after_the_others_have_ended(handlers, waiting, listed, monkeypatch):
    handlers.overrides |= {"MAX_CONCURRENT_TRANSCRIPTIONS": "2", "RECORDINGS_PER_RUN": "4"}
    waiting(*[100] * 4)
    apply, written = recordings.apply_transition, []

    def refuse_the_first_end(recording_id, change):
        if change.to_status is Status.COMPLETED:
            written.append(recording_id)
            if len(written) == 1:
                raise StoreError("DynamoDB is throttling.")
        return apply(recording_id, change)

    monkeypatch.setattr(recordings, "apply_transition", refuse_the_first_end)
    run = handlers.process()
    assert (run["status"], run["errorCode"], run["counts"]["completed"]) == ("failed", "store_error", 1)
    assert sorted(item["transcriptionStatus"] for item in listed().values()) == [
        "completed", "processing", "queued", "queued",
    ]  # fmt: skip
    monkeypatch.undo()


def test_a_write_that_fails_at_the_end_keeps_no_slot(handlers, waiting, monkeypatch):
    waiting(100)
    monkeypatch.setattr(state_machine, "complete", lambda *_: (_ for _ in ()).throw(StoreError("Throttled.")))
    assert handlers.process()["errorCode"] == "store_error"
    assert isinstance(admission.acquire(1, "next", handlers.now(), handlers.now()), Slot)


def test_a_pause_stops_what_a_run_has_not_begun(handlers, waiting, service, reply):
    handlers.overrides["RECORDINGS_PER_RUN"] = "5"
    waiting(*[100] * 5)

    def pause(_):
        settings_overrides.set_paused(Task.PROCESS, paused=True)
        return reply()

    service.choose_reply = pause
    assert handlers.process()["counts"]["completed"] == 1
    assert handlers.process()["errorCode"] == "paused"


def test_a_recording_whose_worker_died_is_sent_alone_so_that_none_dies_with_it(handlers, waiting, service, reply):
    handlers.overrides |= {"MAX_CONCURRENT_TRANSCRIPTIONS": "4", "RECORDINGS_PER_RUN": "9"}
    waiting(*[100] * 4)
    now = handlers.now()
    for place in recordings.next_entries(Status.QUEUED, 2):
        recordings.apply_transition(place.id, state_machine.claim(place, "dead", now, now))
    together = []

    def watch(_):
        together.append(service._in_progress.total())
        return reply(delay_seconds=0.1)  # in which one too many would be seen

    service.hold_until(2)
    service.choose_reply = watch
    run = handlers.process()
    assert (run["counts"]["recovered"], run["counts"]["completed"]) == (2, 4)
    assert service.max_concurrent == 2  # the two that had not been lost
    assert together[2:] == [0, 0]


# rounds --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trigger", "interval", "offsets"),
    [("schedule", 60, [0]), ("schedule", 20, [0, 20, 40]), ("schedule", 10, list(range(0, 60, 10))), ("api", 10, [0])],
)
def test_a_scheduled_run_has_the_rounds_of_its_minute(trigger, interval, offsets):
    assert process.round_times(trigger, NOW, interval) == [NOW + timedelta(seconds=each) for each in offsets]


def test_each_round_begins_as_many_as_a_run_may(handlers, waiting, service, monkeypatch):
    handlers.overrides |= {"PROCESS_INTERVAL_SECONDS": "20", "RECORDINGS_PER_RUN": "2"}
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        handlers.advance_clock(seconds=seconds)

    monkeypatch.setattr(worker.Worker.__init__, "__kwdefaults__", {"sleep": sleep})
    waiting(*[100] * 9)
    assert handlers.process()["counts"]["completed"] == 6
    assert len(naps) == 2
    assert all(15 < nap <= 20 for nap in naps)


# the time that is left -----------------------------------------------------------------------------------------------


def test_late_in_a_run_nothing_is_begun_that_would_not_be_finished(handlers, put, service, listed, reply):
    """In the first three of nine minutes whatever comes; later, one ten times as long waits for the next run."""
    handlers.overrides["RECORDINGS_PER_RUN"] = "9"
    for age, (name, size) in enumerate((("d", 1000), ("long", 1_000_000), ("b", 1000), ("a", 1000))):
        put(f"{name}.wav", b"x" * size, age=3600 * age)
    handlers.sync_and_queue()
    service.choose_reply = lambda _: handlers.advance_clock(minutes=2) or reply()
    assert handlers.process(remaining_ms=540_000)["counts"]["completed"] == 2
    statuses = {name: (item["transcriptionStatus"], item["attempts"]) for name, item in listed().items()}
    assert statuses["long.wav"] == statuses["d.wav"] == ("queued", 0)
    handlers.overrides["RECORDINGS_PER_RUN"] = "1"
    handlers.process(remaining_ms=540_000)
    assert listed()["long.wav"]["transcriptionStatus"] == "completed"


def test_what_hangs_is_given_up_in_order_before_lambda_ends_the_run(handlers, waiting, service, listed, monkeypatch):
    """The service's own deadline did not help: whatever hangs, the run says how it ended and frees its slot."""
    waiting(100)
    released = threading.Event()

    def hang(*_, **__):
        handlers.advance_clock(seconds=1)
        released.wait(LIMIT_SECONDS)

    monkeypatch.setattr("callscribe.whisperx.dialects.asr.AsrService.send", hang)
    monkeypatch.setattr(deadline, "MIN_TO_START", timedelta())
    monkeypatch.setattr(deadline, "STORE_MARGIN", timedelta())
    monkeypatch.setattr(deadline, "ABORT_MARGIN", timedelta(seconds=1))
    run = handlers.process(remaining_ms=2000)
    released.set()
    assert (run["status"], run["counts"]["failed"]) == ("succeeded", 1)
    error = listed()["0.wav"]["error"]
    assert (error["code"], "did not end within the time of the run" in error["message"]) == ("timeout", True)
    assert isinstance(admission.acquire(1, "next", handlers.now(), handlers.now()), Slot)
