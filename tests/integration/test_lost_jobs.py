"""Servers that are restarted while they run a job, and list it as running for ever: the slot is released early."""

from datetime import timedelta

import pytest

from callscribe.errors import BadGateway, RetryableError, ServerStopped, ServiceUnavailable
from callscribe.store import admission, control_items, recordings
from functions.process import transcription
from testing.made_audio import tone, wav
from tests.integration.test_jobs import HELLO, JobService

STOPPED = ServerStopped("Connection refused.")


@pytest.fixture
def jobs(monkeypatch):
    service = JobService()
    monkeypatch.setattr(transcription, "connect", lambda *_: service)
    return service


@pytest.fixture
def restart(handlers, jobs):
    """The server is stopped for a run of process, and available again two minutes later."""

    def restart(error=STOPPED):
        jobs.poll_result = jobs.upload_error = error
        handlers.after(minutes=1).process()
        jobs.poll_result = jobs.upload_error = None
        handlers.advance_clock(minutes=1)

    return restart


def start(handlers, put, count, **overrides):
    handlers.overrides |= overrides
    for number in range(count):
        put(f"{number}.wav", age=3600 * (count - number))
    handlers.transcribe()


def admission_item():
    return control_items.read_one(control_items.ADMISSION)


def by_status(list_recordings):
    return {name: item["transcriptionStatus"] for name, item in list_recordings().items()}


@pytest.mark.parametrize("error", [STOPPED, BadGateway("502", status=502)])
def test_next_recording_is_sent_as_soon_as_a_restarted_server_is_back(
    handlers, put, jobs, restart, list_recordings, error
):
    start(handlers, put, 2)
    restart(error)
    handlers.process()
    assert len(jobs.sent) == 2
    assert set(by_status(list_recordings).values()) == {"processing"}
    lost = next(item for item in list_recordings().values() if item["jobPresumedLostAt"])
    assert lost["path"].endswith("0.wav")
    assert len(admission_item().slots) == len(admission_item().lost_job_slots) == 1


@pytest.mark.parametrize("error", [ServiceUnavailable("Timeout."), RetryableError("500", code="service_error")])
def test_slot_stays_held_while_the_server_may_only_be_busy(handlers, put, jobs, restart, list_recordings, error):
    start(handlers, put, 2)
    restart(error)
    handlers.process()
    assert len(jobs.sent) == 1
    assert admission_item().lost_job_slots is None


def test_lost_job_is_sent_again_after_half_an_hour_and_nothing_twice_at_once(
    handlers, put, jobs, restart, list_recordings
):
    start(handlers, put, 2)
    restart()
    for _ in range(7):
        handlers.process()
        handlers.advance_clock(minutes=4)
    assert len(jobs.sent) == 2
    jobs.jobs = {id_: name for id_, name in jobs.jobs.items() if name != jobs.sent[0]} | {"job-1": jobs.sent[0]}
    jobs.finished = {"job-2"}
    handlers.process()
    handlers.after(seconds=70).process()
    item = list_recordings()["0.wav"]
    assert (item["error"]["code"], item["attempts"]) == ("job_timeout", 1)
    assert admission_item().lost_job_slots is None
    jobs.poll_result = HELLO
    for _ in range(5):
        handlers.process()
        handlers.advance_clock(minutes=1)
    assert set(by_status(list_recordings).values()) == {"completed"}
    assert len(jobs.sent) == len(set(jobs.sent)) == 3


def test_job_that_was_alive_after_all_is_fetched(handlers, put, jobs, restart, list_recordings):
    start(handlers, put, 2)
    restart()
    handlers.process()
    jobs.poll_result = HELLO
    for _ in range(2):
        handlers.after(minutes=1).process()
    assert set(by_status(list_recordings).values()) == {"completed"}
    assert len(jobs.sent) == 2
    item = admission_item()
    assert (item.slots, item.lost_job_slots) == (None, None)


def test_every_job_of_a_restarted_server_is_presumed_lost(handlers, put, jobs, restart, list_recordings):
    """During an outage only one of them is polled, but all had started before."""
    start(handlers, put, 5, MAX_CONCURRENT_TRANSCRIPTIONS="2", RECORDINGS_PER_RUN="9")
    assert len(jobs.sent) == 2
    restart()
    for _ in range(2):
        handlers.process()
        handlers.advance_clock(minutes=1)
    assert len(jobs.sent) == 4
    assert len(admission_item().lost_job_slots) == 2


def test_server_that_stops_again_and_again_has_at_most_twice_as_many_jobs(
    handlers, put, jobs, restart, list_recordings
):
    start(handlers, put, 6)
    for _ in range(5):
        restart()
        handlers.process()
    assert len(jobs.sent) == 2
    item = admission_item()
    assert len(item.slots) == len(item.lost_job_slots) == 1
    waiting = [recording for recording in list_recordings().values() if recording["jobPresumedLostAt"]]
    assert len(waiting) == 1


def test_next_recording_is_sent_if_a_job_takes_too_long(handlers, put, jobs, list_recordings):
    start(handlers, put, 3)
    jobs.finished = {"job-2", "job-3"}
    handlers.after(minutes=29).process()
    assert len(jobs.sent) == 1
    for _ in range(3):
        handlers.after(minutes=1).process()
    assert len(jobs.sent) == 3
    lost = list_recordings()["0.wav"]
    stored = recordings.get(lost["id"])
    assert lost["jobPresumedLostAt"]
    assert stored.job_deadline - stored.job_started_at == timedelta(hours=6)
    jobs.finished.add("job-1")
    handlers.after(minutes=6).process()
    assert set(by_status(list_recordings).values()) == {"completed"}
    item = admission_item()
    assert (item.slots, item.lost_job_slots, len(jobs.sent)) == (None, None, 3)


def test_stop_of_the_server_does_not_move_the_deadline_of_a_slow_job(handlers, put, jobs, restart, list_recordings):
    start(handlers, put, 1)
    handlers.after(minutes=31).process()
    restart()
    handlers.process()
    (item,) = list_recordings().values()
    assert item["jobPresumedLostAt"] < item["jobDeadline"]
    assert recordings.get(item["id"]).job_deadline - recordings.get(item["id"]).job_started_at == timedelta(hours=6)
    summary = handlers.api("GET", "/api/call-recordings/status-summary").json
    assert summary["lostJobs"] == {"count": 1, "until": item["jobDeadline"]}


def test_job_of_a_long_call_may_take_longer(handlers, put, jobs, list_recordings):
    handlers.overrides["RECORDINGS_PER_RUN"] = "1"
    put("long.wav", wav(tone(120, 8_000, 300)), age=7200)
    put("next.wav", age=3600)
    handlers.transcribe()
    handlers.after(minutes=39).process()
    assert len(jobs.sent) == 1
    for _ in range(2):
        handlers.after(minutes=2).process()
    assert len(jobs.sent) == 2


def test_failed_upload_shows_that_earlier_jobs_are_lost(handlers, put, jobs, list_recordings):
    start(handlers, put, 3, MAX_CONCURRENT_TRANSCRIPTIONS="2")
    jobs.upload_error = STOPPED
    handlers.after(seconds=1).process()  # too early for a poll
    jobs.upload_error = None
    for _ in range(3):
        handlers.after(minutes=2).process()
    assert list_recordings()["0.wav"]["jobPresumedLostAt"]
    assert len(jobs.sent) == 3


def test_job_that_began_after_the_restart_keeps_its_slot(handlers, put, jobs, restart, list_recordings):
    start(handlers, put, 3)
    restart()
    for _ in range(4):
        handlers.process()
        handlers.advance_clock(minutes=1)
    assert len(jobs.sent) == 2
    assert list_recordings()["1.wav"]["jobPresumedLostAt"] is None


def test_wait_for_a_long_call_is_bounded(handlers, put, jobs, list_recordings):
    put("long.wav", wav(tone(1, 8_000, 300)))
    handlers.transcribe()
    (item,) = list_recordings().values()
    stored = recordings.get(item["id"])
    assert stored.job_deadline - stored.job_started_at == timedelta(hours=6)
    jobs.poll_result = STOPPED
    handlers.after(minutes=1).process()
    stored = recordings.get(item["id"])
    wait = stored.job_deadline - stored.job_presumed_lost_at
    assert timedelta(minutes=29) < wait <= timedelta(minutes=30)
    (item,) = list_recordings().values()
    assert item["jobDeadline"]


def test_other_channel_of_a_call_waits_for_a_free_slot(handlers, put, jobs, restart, list_recordings):
    handlers.overrides["CHANNELS"] = "caller-left"
    put("0.wav", wav(tone(2, 8_000, 300), tone(2, 8_000, 700)), age=7200)
    put("1.wav", age=3600)
    handlers.transcribe()
    restart()
    handlers.process()
    assert [name.rpartition("-")[2] for name in jobs.sent] == ["left.wav", "0.wav"]
    jobs.finished = {"job-1"}
    for _ in range(3):
        handlers.after(minutes=1).process()
    assert len(jobs.sent) == 2  # the slot is in use
    jobs.poll_result = HELLO
    for _ in range(4):
        handlers.after(minutes=1).process()
    assert [name.rpartition("-")[2] for name in jobs.sent] == ["left.wav", "0.wav", "right.wav"]
    assert set(by_status(list_recordings).values()) == {"completed"}
    item = admission_item()
    assert (item.slots, item.lost_job_slots) == (None, None)


def test_worker_that_crashes_while_it_polls_a_lost_job_leaves_nothing_behind(
    handlers, put, jobs, restart, list_recordings
):
    start(handlers, put, 1)
    restart()
    handlers.process()
    jobs.poll_result = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        handlers.after(minutes=1).process()
    jobs.poll_result = HELLO
    for _ in range(2):
        handlers.after(minutes=17).process()
    assert by_status(list_recordings) == {"0.wav": "completed"}
    item = admission_item()
    assert (item.slots, item.lost_job_slots) == (None, None)


def test_transcription_requested_again_drops_the_lost_job(handlers, put, jobs, restart, list_recordings):
    start(handlers, put, 1, MAX_ATTEMPTS="1")
    restart()
    for _ in range(33):
        handlers.process()
        handlers.advance_clock(minutes=1)
    (item,) = list_recordings().values()
    assert (item["transcriptionStatus"], item["jobPresumedLostAt"]) == ("failed", None)
    handlers.api("POST", f"/api/call-recordings/{item['id']}/transcribe")
    jobs.poll_result = HELLO
    for _ in range(2):
        handlers.process()
        handlers.advance_clock(minutes=1)
    assert by_status(list_recordings) == {"0.wav": "completed"}


def test_status_summary_shows_until_when_lost_jobs_are_waited_for(handlers, put, jobs, restart, list_recordings):
    def lost_jobs():
        return handlers.api("GET", "/api/call-recordings/status-summary").json["lostJobs"]

    start(handlers, put, 1)
    assert lost_jobs() is None
    restart()
    handlers.process()
    (item,) = list_recordings().values()
    assert lost_jobs() == {"count": 1, "until": item["jobDeadline"]}
    handlers.advance_clock(hours=1)
    assert lost_jobs() is None


def test_expired_entries_of_lost_jobs_make_room_for_others(handlers):
    handlers.queue()
    now = handlers.now()
    later, limit = now + timedelta(hours=1), 1

    def lose(token, until, at):
        slot = admission.acquire(9, token, at, later)
        assert isinstance(slot, admission.Slot)
        return admission.release_lost_job(slot, until, limit, at)

    assert lose("a", now + timedelta(minutes=1), now)
    assert lose("b", later, now) is None
    assert lose("c", later, now + timedelta(minutes=2)).token == "c"
    assert [member.split()[1] for member in admission_item().lost_job_slots] == ["c"]
