"""Servers that respond with a job: the run stores it and ends, later runs poll it, and nothing is sent twice."""

from datetime import timedelta

import pytest

from callscribe.errors import JobFailed, PermanentError, RetryableError, ServiceUnavailable, StoreError
from callscribe.recordings import state_machine
from callscribe.store import admission, control_items, recordings
from callscribe.transcripts.transcript import Segment, Transcript
from callscribe.whisperx import Job
from functions.process import transcription
from testing.made_audio import tone, wav

HELLO = Transcript(segments=(Segment(text="hello there", start=0.0, end=1.0),), language="en")
UNAVAILABLE = ServiceUnavailable("No connection.")


class JobService:
    """Turns every upload into a job.

    `poll_result`: what a poll returns or raises; None while the job is pending. `finished`: the jobs that have ended
    nevertheless. `upload_error`: raised by uploads. `failing_name`: jobs whose upload name contains this text fail.
    """

    def __init__(self):
        self.sent, self.polls, self.jobs = [], 0, {}
        self.poll_result = None
        self.finished = set()
        self.upload_error = None
        self.failing_name = None

    def send(self, _audio, name, _timeouts, *, is_resend=False):
        if self.upload_error:
            raise self.upload_error
        if is_resend and name in self.jobs.values():
            return Job(next(job for job, job_name in self.jobs.items() if job_name == name))
        self.sent.append(name)
        job = f"job-{len(self.sent)}"
        self.jobs[job] = name
        return Job(job)

    def poll(self, job, _timeouts):
        assert job.id in self.jobs
        self.polls += 1
        if self.failing_name and self.failing_name in self.jobs[job.id]:
            raise JobFailed("The job failed.")
        if job.id in self.finished:
            return HELLO
        if isinstance(self.poll_result, BaseException):
            raise self.poll_result
        return self.poll_result


@pytest.fixture
def jobs(monkeypatch):
    service = JobService()
    monkeypatch.setattr(transcription, "connect", lambda *_: service)
    return service


@pytest.fixture
def send(handlers, put, jobs):
    """Puts `count` recordings into the bucket and runs all tasks once, after which the first recording has a job."""

    def send(count=1):
        for number in range(count):
            put(f"{number}.wav")
        return handlers.transcribe()

    return send


def only(list_recordings):
    (item,) = list_recordings().values()
    return item


def stored(item):
    return recordings.get(item["id"])


def test_run_ends_while_a_job_is_pending_and_a_later_run_fetches_the_transcript(handlers, send, jobs, list_recordings):
    run = send()
    item = only(list_recordings)
    assert (run["status"], run["counts"]["jobs_pending"]) == ("succeeded", 1)
    assert (item["transcriptionStatus"], item["attempts"]) == ("processing", 1)
    assert item["jobStartedAt"] is not None
    assert stored(item).is_awaiting_job
    handlers.after(minutes=1).process()
    assert only(list_recordings)["transcriptionStatus"] == "processing"
    jobs.poll_result = HELLO
    assert handlers.after(minutes=1).process()["counts"]["completed"] == 1
    item = only(list_recordings)
    assert (item["transcriptionStatus"], item["attempts"], item["jobStartedAt"]) == ("completed", 1, None)
    assert item["transcript"]["preview"] == "hello there"
    assert (len(jobs.sent), jobs.polls) == (1, 2)


def test_job_holds_its_slot_until_it_has_ended(handlers, send, jobs, list_recordings):
    send(2)
    for _ in range(4):
        handlers.after(minutes=1).process()
    assert len(jobs.sent) == 1
    jobs.poll_result = HELLO
    handlers.after(minutes=1).process()  # polls, then uses the slot for the next recording
    assert len(jobs.sent) == 2
    handlers.after(minutes=1).process()
    assert {item["transcriptionStatus"] for item in list_recordings().values()} == {"completed"}
    assert not control_items.read_one(control_items.ADMISSION).slots


@pytest.mark.slow
def test_three_hour_job_costs_one_attempt_and_few_requests(handlers, send, jobs, list_recordings, count_requests):
    send(2)
    jobs.finished = {"job-2"}
    with count_requests() as requests:
        for _ in range(20):
            handlers.after(minutes=9).process()
    item = next(item for item in list_recordings().values() if item["transcriptionStatus"] == "processing")
    assert (item["attempts"], len(jobs.sent)) == (1, 2)
    assert 20 <= jobs.polls <= 21
    assert requests.total() / 20 < 13
    jobs.poll_result = HELLO
    assert handlers.after(minutes=5).process()["counts"]["completed"] == 1


def test_recording_with_a_failed_job_is_sent_again_under_another_name(handlers, send, jobs, list_recordings):
    send()
    jobs.poll_result = JobFailed("The job failed.")
    handlers.after(minutes=1).process()
    item = only(list_recordings)
    assert (item["transcriptionStatus"], item["attempts"], item["error"]["code"]) == ("failed", 1, "job_failed")
    jobs.poll_result = HELLO
    for _ in range(2):
        handlers.after(minutes=1).process()
    assert only(list_recordings)["transcriptionStatus"] == "completed"
    first, second = jobs.sent
    assert first != second


def test_job_timeout_is_a_failed_attempt(handlers, send, jobs, list_recordings):
    handlers.overrides["JOB_TIMEOUT_MINUTES"] = "30"
    send()
    handlers.after(minutes=29).process()
    assert only(list_recordings)["transcriptionStatus"] == "processing"
    handlers.after(minutes=5).process()
    item = only(list_recordings)
    assert (item["transcriptionStatus"], item["error"]["code"]) == ("failed", "job_timeout")


@pytest.mark.parametrize("restarted", [True, False])
def test_job_has_half_an_hour_left_after_an_outage(handlers, send, jobs, list_recordings, restarted):
    """A restarted server reports the jobs it has lost as pending for ever."""
    send()
    if restarted:
        jobs.poll_result = UNAVAILABLE
        handlers.after(minutes=1).process()
        jobs.poll_result = None
    for _ in range(8):
        handlers.after(minutes=5).process()
    item = only(list_recordings)
    if restarted:
        assert (item["error"]["code"], len(jobs.sent)) == ("job_timeout", 2)
    else:
        assert (item["transcriptionStatus"], item["attempts"], len(jobs.sent)) == ("processing", 1, 1)


@pytest.mark.parametrize("code", ["timeout", "connection_lost", "service_error"])
def test_failed_poll_does_not_fail_the_job(handlers, send, jobs, list_recordings, code):
    send()
    jobs.poll_result = RetryableError("hiccup", code=code)
    for _ in range(7):
        assert handlers.after(minutes=5).process()["status"] == "succeeded"
    jobs.poll_result = HELLO
    handlers.after(minutes=5).process()
    assert (only(list_recordings)["transcriptionStatus"], only(list_recordings)["attempts"]) == ("completed", 1)


def test_job_times_out_when_every_poll_fails(handlers, send, jobs, list_recordings):
    send()
    jobs.poll_result = RetryableError("500", code="service_error")
    for _ in range(7):
        handlers.after(hours=1).process()
    assert only(list_recordings)["error"]["code"] == "job_timeout"
    assert len(jobs.sent) == 2


def test_unreadable_result_is_polled_again_until_no_attempt_is_left(handlers, send, jobs, list_recordings):
    send()
    jobs.poll_result = RetryableError("cut", code="invalid_response")
    for _ in range(12):
        handlers.after(minutes=10).process()
    item = only(list_recordings)
    assert (item["transcriptionStatus"], item["attempts"], item["nextAttemptAt"]) == ("failed", 5, None)
    assert len(jobs.sent) == 1


def test_job_survives_an_outage_and_is_polled_to_its_end(handlers, send, jobs, list_recordings):
    send(2)
    jobs.poll_result = jobs.upload_error = UNAVAILABLE
    assert (run := handlers.after(minutes=1).process())["status"] == "failed", run
    item = next(recording for recording in list_recordings().values() if recording["attempts"])
    assert (item["transcriptionStatus"], item["attempts"]) == ("processing", 1)
    polls = jobs.polls
    assert handlers.process()["status"] == "skipped"
    for _ in range(60):
        handlers.after(minutes=1).process()
    assert polls < jobs.polls < polls + 10  # limited by the backoff of the circuit breaker
    jobs.poll_result, jobs.upload_error = HELLO, None
    for _ in range(20):
        handlers.after(minutes=1).process()
    assert {(recording["transcriptionStatus"], recording["attempts"]) for recording in list_recordings().values()} == {
        ("completed", 1)
    }
    assert len(jobs.sent) == 2
    item = control_items.read_one(control_items.ADMISSION)
    assert [item.slots, item.outage, item.probe] == [None, None, None]


def test_worker_that_crashes_during_a_poll_leaves_the_job_to_the_next_attempt(handlers, send, jobs, list_recordings):
    send()
    jobs.poll_result = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        handlers.after(minutes=1).process()
    jobs.poll_result = HELLO
    handlers.after(minutes=17).process()
    item = only(list_recordings)
    assert (item["transcriptionStatus"], item["attempts"], len(jobs.sent)) == ("completed", 2, 1)
    assert not control_items.read_one(control_items.ADMISSION).slots


def test_slot_that_expired_between_two_polls_is_held_again(handlers, send, jobs, list_recordings):
    send(2)
    handlers.after(minutes=25).process()
    assert len(jobs.sent) == 1
    (holder,) = control_items.read_one(control_items.ADMISSION).slots
    assert admission.Slot.from_set_member(holder).lease_expires_at > handlers.now()


def test_poll_costs_five_requests(handlers, send, jobs, count_requests):
    handlers.queue()
    with count_requests() as idle:
        handlers.process()
    send()
    handlers.advance_clock(minutes=1)
    with count_requests() as requests:
        handlers.process()
    requests.subtract(idle)
    assert {name: number for name, number in requests.items() if number} == {
        "GetItem": 1,
        "BatchGetItem": 2,  # admission; whether the task has been paused
        "UpdateItem": 2,
    }


def test_forced_transcription_never_gets_the_previous_job(handlers, send, jobs, list_recordings):
    send()
    jobs.poll_result = HELLO
    handlers.after(minutes=1).process()
    item = only(list_recordings)
    handlers.api("POST", f"/api/call-recordings/{item['id']}/transcribe", body={"force": True})
    jobs.upload_error = UNAVAILABLE
    handlers.process()
    jobs.upload_error = None
    handlers.after(minutes=2).process()
    assert len(jobs.sent) == 2


def test_channels_of_a_stereo_call_are_two_jobs_one_after_the_other(handlers, put, jobs, list_recordings):
    handlers.overrides["CHANNELS"] = "caller-left"
    put("call.wav", wav(tone(2, 8_000, 300), tone(2, 8_000, 700)))
    handlers.transcribe()
    handlers.after(minutes=1).process()
    assert [name.rpartition("-")[2] for name in jobs.sent] == ["left.wav"]
    jobs.poll_result = HELLO
    handlers.after(minutes=1).process()
    assert [name.rpartition("-")[2] for name in jobs.sent] == ["left.wav", "right.wav"]
    handlers.after(minutes=1).process()
    item = only(list_recordings)
    assert (item["transcriptionStatus"], item["attempts"], len(jobs.sent)) == ("completed", 1, 2)
    document = handlers.api("GET", f"/api/call-recordings/{item['id']}/transcript").json
    assert [segment["speaker"] for segment in document["segments"]] == ["caller", "agent"]


@pytest.fixture
def fail_stereo_call(handlers, put, list_recordings):
    """Processes a stereo call until no attempt is left, and returns the failed recording."""

    def fail_stereo_call():
        handlers.overrides |= {"CHANNELS": "caller-left", "MAX_ATTEMPTS": "2"}
        put("call.wav", wav(tone(2, 8_000, 300), tone(2, 8_000, 700)))
        handlers.sync_and_queue()
        for _ in range(12):
            handlers.process()
            handlers.advance_clock(minutes=2)
        item = only(list_recordings)
        assert (item["transcriptionStatus"], item["attempts"], item["nextAttemptAt"]) == ("failed", 2, None)
        return item

    return fail_stereo_call


def test_other_channel_is_sent_when_the_job_of_one_fails(handlers, jobs, fail_stereo_call):
    jobs.failing_name = "left"
    jobs.poll_result = HELLO
    item = fail_stereo_call()
    assert [name.rpartition("-")[2] for name in jobs.sent] == ["left.wav", "right.wav", "left.wav"]
    assert len(set(jobs.sent)) == len(jobs.sent)
    assert item["transcript"]["partial"]
    document = handlers.api("GET", f"/api/call-recordings/{item['id']}/transcript").json
    assert ({segment["speaker"] for segment in document["segments"]}, document["missingChannels"]) == (
        {"agent"},
        ["left"],
    )


def test_each_channel_is_sent_once_in_each_attempt_when_all_jobs_fail(jobs, fail_stereo_call):
    jobs.failing_name = ".wav"
    item = fail_stereo_call()
    assert (item["error"]["code"], item["transcript"]) == ("job_failed", None)
    assert [name.rpartition("-")[2] for name in jobs.sent] == ["left.wav", "right.wav"] * 2
    assert not control_items.read_one(control_items.ADMISSION).slots


def test_manual_retry_ignores_the_previous_job(handlers, send, jobs, list_recordings):
    handlers.overrides["MAX_ATTEMPTS"] = "1"
    send()
    jobs.poll_result = RetryableError("cut", code="invalid_response")
    handlers.after(minutes=1).process()
    item = only(list_recordings)
    assert (item["transcriptionStatus"], item["nextAttemptAt"]) == ("failed", None)
    handlers.api("POST", f"/api/call-recordings/{item['id']}/transcribe")
    jobs.poll_result = HELLO
    for _ in range(2):
        handlers.process()
        handlers.advance_clock(minutes=1)
    assert only(list_recordings)["transcriptionStatus"] == "completed"
    assert len(set(jobs.sent)) == 2


def test_only_one_of_two_runs_that_see_the_same_job_polls_it(handlers, send, jobs, list_recordings):
    send()
    awaiting_job, now = stored(only(list_recordings)), handlers.now()
    polls = [
        state_machine.claim_for_poll(awaiting_job, token, now, now + timedelta(minutes=16))
        for token in ("one", "another")
    ]
    assert recordings.apply_transition(awaiting_job.id, polls[0]).claim_token == "one"
    assert recordings.apply_transition(awaiting_job.id, polls[1]) is None


def test_job_keeps_its_slot_when_the_response_to_the_write_is_lost(handlers, send, jobs, list_recordings, monkeypatch):
    """DynamoDB applies the write, but no response ever arrives, not even to the retries."""
    apply_transition = recordings.apply_transition

    def apply_and_lose_the_response(recording_id, transition):
        updated = apply_transition(recording_id, transition)
        if transition.updates.get("slot"):
            raise StoreError("no response")
        return updated

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "apply_transition", apply_and_lose_the_response)
        assert send(2)["errorCode"] == "store_error"
    for _ in range(3):
        handlers.after(minutes=1).process()
    assert (len(jobs.sent), jobs.polls) == (1, 3)
    jobs.poll_result = HELLO
    for _ in range(2):
        handlers.after(minutes=1).process()
    assert {item["transcriptionStatus"] for item in list_recordings().values()} == {"completed"}
    assert not control_items.read_one(control_items.ADMISSION).slots


def test_poll_continues_in_its_slot_when_the_slot_cannot_be_extended(handlers, put, jobs, list_recordings, monkeypatch):
    handlers.overrides["CHANNELS"] = "caller-left"
    put("call.wav", wav(tone(2, 8_000, 300), tone(2, 8_000, 700)))
    handlers.transcribe()
    jobs.poll_result = HELLO

    def fail(*_):
        raise StoreError("Throttled.")

    with monkeypatch.context() as patch:
        patch.setattr(admission, "extend", fail)
        assert handlers.after(minutes=1).process()["errorCode"] == "store_error"
    assert [name.rpartition("-")[2] for name in jobs.sent] == ["left.wav", "right.wav"]
    handlers.after(minutes=1).process()
    item = only(list_recordings)
    assert (item["transcriptionStatus"], item["attempts"], item["error"]) == ("completed", 1, None)


def test_extended_slot_is_released_when_the_claim_is_lost(handlers, send, jobs, monkeypatch):
    send()
    apply_transition = recordings.apply_transition

    def lose_the_result(recording_id, transition):
        is_result = transition.updates.get("claim_token", "") is None
        return None if is_result else apply_transition(recording_id, transition)

    monkeypatch.setattr(recordings, "apply_transition", lose_the_result)
    handlers.after(minutes=15).process()  # more than half of the slot's lease has passed
    assert not control_items.read_one(control_items.ADMISSION).slots


def test_poll_of_the_probe_does_not_use_up_the_round(handlers, send, jobs, put, list_recordings):
    handlers.overrides["MAX_CONCURRENT_TRANSCRIPTIONS"] = "3"
    send(5)
    jobs.poll_result = UNAVAILABLE
    handlers.after(minutes=1).process()
    jobs.poll_result, sent_before = HELLO, len(jobs.sent)
    handlers.after(minutes=2).process()  # the first poll is the probe; the round starts one more recording
    assert len(jobs.sent) == sent_before + 1


def test_refused_poll_of_the_probe_closes_the_circuit(handlers, send, jobs, list_recordings):
    send()
    jobs.poll_result = UNAVAILABLE
    handlers.after(minutes=1).process()
    assert control_items.read_one(control_items.ADMISSION).outage
    jobs.poll_result = PermanentError("Gone.", code="request_rejected", status=410)
    handlers.after(minutes=2).process()
    assert control_items.read_one(control_items.ADMISSION).outage is None
    assert only(list_recordings)["error"]["code"] == "request_rejected"


def test_successful_poll_of_the_probe_lets_the_run_continue(handlers, send, jobs, list_recordings):
    handlers.overrides["MAX_CONCURRENT_TRANSCRIPTIONS"] = "4"
    send(5)
    handlers.after(minutes=1).process()
    jobs.poll_result = UNAVAILABLE
    handlers.after(minutes=1).process()
    assert control_items.read_one(control_items.ADMISSION).outage
    jobs.poll_result, sent_before = HELLO, len(jobs.sent)
    assert sent_before > 1
    counts = handlers.after(minutes=2).process()["counts"]
    assert (counts["completed"], len(jobs.sent)) == (sent_before, sent_before + 1)
    assert control_items.read_one(control_items.ADMISSION).outage is None


@pytest.mark.parametrize(("poll_result", "is_open"), [(UNAVAILABLE, True), (HELLO, False)])
def test_probe_whose_claim_is_lost_still_ends_the_outage_or_extends_it(
    handlers, send, jobs, monkeypatch, poll_result, is_open
):
    send()
    jobs.poll_result = UNAVAILABLE
    handlers.after(minutes=1).process()
    apply_transition = recordings.apply_transition

    def lose_the_result(recording_id, transition):
        is_result = transition.updates.get("claim_token", "") is None
        return None if is_result else apply_transition(recording_id, transition)

    monkeypatch.setattr(recordings, "apply_transition", lose_the_result)
    jobs.poll_result = poll_result
    handlers.after(minutes=15).process()  # more than half of the slot's lease has passed
    item = control_items.read_one(control_items.ADMISSION)
    assert not item.slots
    assert item.probe is None
    assert (item.outage is not None) is is_open
    if is_open:
        assert item.outage.failures == 2
