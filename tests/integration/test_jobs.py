"""Servers that answer with a job: it is stored, the run ends, later runs poll, and nothing is sent twice."""

from datetime import timedelta

import pytest

from callscribe.errors import JobFailed, RetryableError, ServiceUnavailable, StoreError
from callscribe.recordings import state_machine
from callscribe.store import admission, control_items, recordings
from callscribe.transcripts.transcript import Segment, Transcript
from callscribe.whisperx import Job
from functions.process import transcription
from testing.made_audio import tone, wav

SPOKEN = Transcript(segments=(Segment(text="hello there", start=0.0, end=1.0),), language="en")
GONE = ServiceUnavailable("Nobody is there.")


class JobService:
    """Takes what is sent as a job, and says of each job what `says` holds: its transcript, or None while it lasts."""

    def __init__(self):
        self.sent, self.polls, self.jobs = [], 0, {}
        self.says = None
        self.answer = None
        self.fails = "nothing"

    def send(self, _audio, name, _timeouts, *, is_resend=False):
        if isinstance(self.answer, Exception):
            raise self.answer
        if is_resend and name in self.jobs.values():
            return Job(next(job for job, known in self.jobs.items() if known == name))
        self.sent.append(name)
        job = f"job-{len(self.sent)}"
        self.jobs[job] = name
        return Job(job)

    def poll(self, job, _timeouts):
        assert job.id in self.jobs
        self.polls += 1
        if self.fails in self.jobs[job.id]:
            raise JobFailed("The service could not.")
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says


@pytest.fixture
def jobs(monkeypatch):
    made = JobService()
    monkeypatch.setattr(transcription, "connect", lambda *_: made)
    return made


@pytest.fixture
def sent(handlers, put, jobs):
    """Puts so many recordings into the bucket and runs all tasks once: the first recording is a job then."""

    def sent(number=1):
        for each in range(number):
            put(f"{each}.wav")
        return handlers.transcribe()

    return sent


def only(listed):
    (item,) = listed().values()
    return item


def stored(item):
    return recordings.get(item["id"])


def test_the_run_ends_while_the_service_works_and_a_later_one_fetches_the_transcript(handlers, sent, jobs, listed):
    run = sent()
    item = only(listed)
    assert (run["status"], run["counts"]["jobs_pending"]) == ("succeeded", 1)
    assert (item["transcriptionStatus"], item["attempts"]) == ("processing", 1)
    assert item["jobStartedAt"] is not None
    assert stored(item).awaiting_job
    handlers.after(minutes=1).process()
    assert only(listed)["transcriptionStatus"] == "processing"
    jobs.says = SPOKEN
    assert handlers.after(minutes=1).process()["counts"]["completed"] == 1
    item = only(listed)
    assert (item["transcriptionStatus"], item["attempts"], item["jobStartedAt"]) == ("completed", 1, None)
    assert item["transcript"]["preview"] == "hello there"
    assert (len(jobs.sent), jobs.polls) == (1, 2)


def test_a_job_keeps_its_slot_until_it_has_ended(handlers, sent, jobs, listed):
    sent(2)
    for _ in range(4):
        handlers.after(minutes=1).process()
    assert len(jobs.sent) == 1
    jobs.says = SPOKEN
    handlers.after(minutes=1).process()  # polls, and has the slot for the next
    assert len(jobs.sent) == 2
    handlers.after(minutes=1).process()
    assert {item["transcriptionStatus"] for item in listed().values()} == {"completed"}
    assert not control_items.read(control_items.ADMISSION)[control_items.ADMISSION].slots


@pytest.mark.slow
def test_three_hours_cost_one_attempt_and_few_requests(handlers, sent, jobs, listed, counted):
    """On a clock that the test moves."""
    sent(2)
    with counted() as requests:
        for _ in range(60):
            handlers.after(minutes=3).process()
    item = next(each for each in listed().values() if each["transcriptionStatus"] == "processing")
    assert (item["attempts"], len(jobs.sent)) == (1, 1)
    assert 30 <= jobs.polls <= 60
    assert requests.total() / 60 < 13
    jobs.says = SPOKEN
    assert handlers.after(minutes=5).process()["counts"]["completed"] == 1


def test_a_job_that_failed_is_sent_anew_under_another_name(handlers, sent, jobs, listed):
    sent()
    jobs.says = JobFailed("The service could not.")
    handlers.after(minutes=1).process()
    item = only(listed)
    assert (item["transcriptionStatus"], item["attempts"], item["error"]["code"]) == ("failed", 1, "job_failed")
    jobs.says = SPOKEN
    for _ in range(2):
        handlers.after(minutes=1).process()
    assert only(listed)["transcriptionStatus"] == "completed"
    first, second = jobs.sent
    assert first != second


def test_a_job_that_lasts_too_long_is_a_failed_attempt(handlers, sent, jobs, listed):
    handlers.overrides["JOB_TIMEOUT_MINUTES"] = "30"
    sent()
    handlers.after(minutes=29).process()
    assert only(listed)["transcriptionStatus"] == "processing"
    handlers.after(minutes=5).process()
    item = only(listed)
    assert (item["transcriptionStatus"], item["error"]["code"]) == ("failed", "job_timeout")


@pytest.mark.parametrize("restarted", [True, False])
def test_a_server_that_was_gone_has_half_an_hour_for_its_jobs(handlers, sent, jobs, listed, restarted):
    """After a restart, servers say of their former jobs for ever that they are under way."""
    sent()
    if restarted:
        jobs.says = GONE
        handlers.after(minutes=1).process()
        jobs.says = None
    for _ in range(8):
        handlers.after(minutes=5).process()
    item = only(listed)
    if restarted:
        assert (item["error"]["code"], len(jobs.sent)) == ("job_timeout", 2)
    else:
        assert (item["transcriptionStatus"], item["attempts"], len(jobs.sent)) == ("processing", 1, 1)


@pytest.mark.parametrize("code", ["timeout", "connection_lost", "service_error"])
def test_a_poll_that_fails_says_nothing_about_the_job(handlers, sent, jobs, listed, code):
    sent()
    jobs.says = RetryableError("a hiccup", code=code)
    for _ in range(7):
        assert handlers.after(minutes=5).process()["status"] == "succeeded"
    jobs.says = SPOKEN
    handlers.after(minutes=5).process()
    assert (only(listed)["transcriptionStatus"], only(listed)["attempts"]) == ("completed", 1)


def test_polls_that_always_fail_are_bounded_like_the_job(handlers, sent, jobs, listed):
    sent()
    jobs.says = RetryableError("500 for this one", code="service_error")
    for _ in range(7):
        handlers.after(hours=1).process()
    assert only(listed)["error"]["code"] == "job_timeout"
    assert len(jobs.sent) == 2


def test_an_answer_that_cannot_be_read_is_asked_for_again_but_not_for_ever(handlers, sent, jobs, listed):
    sent()
    jobs.says = RetryableError("cut", code="invalid_response")
    for _ in range(12):
        handlers.after(minutes=10).process()
    item = only(listed)
    assert (item["transcriptionStatus"], item["attempts"], item["nextAttemptAt"]) == ("failed", 5, None)
    assert len(jobs.sent) == 1


def test_an_outage_keeps_the_job_and_a_poll_finds_its_end(handlers, sent, jobs, listed):
    sent(2)
    jobs.says = jobs.answer = GONE
    assert (run := handlers.after(minutes=1).process())["status"] == "failed", run
    item = next(each for each in listed().values() if each["attempts"])
    assert (item["transcriptionStatus"], item["attempts"]) == ("processing", 1)
    polls = jobs.polls
    assert handlers.process()["status"] == "skipped"
    for _ in range(60):
        handlers.after(minutes=1).process()
    assert polls < jobs.polls < polls + 10  # the breaker's pauses
    jobs.says, jobs.answer = SPOKEN, None
    for _ in range(20):
        handlers.after(minutes=1).process()
    assert {(each["transcriptionStatus"], each["attempts"]) for each in listed().values()} == {("completed", 1)}
    assert len(jobs.sent) == 2
    item = control_items.read(control_items.ADMISSION)[control_items.ADMISSION]
    assert [item.slots, item.outage, item.probe] == [None, None, None]


def test_who_dies_over_a_poll_leaves_the_job_to_the_next_attempt(handlers, sent, jobs, listed):
    sent()
    jobs.says = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        handlers.after(minutes=1).process()
    jobs.says = SPOKEN
    handlers.after(minutes=17).process()
    item = only(listed)
    assert (item["transcriptionStatus"], item["attempts"], len(jobs.sent)) == ("completed", 2, 1)
    assert not control_items.read(control_items.ADMISSION)[control_items.ADMISSION].slots


def test_a_slot_that_ran_out_while_nobody_polled_is_held_again(handlers, sent, jobs, listed):
    sent(2)
    handlers.after(hours=2).process()
    assert len(jobs.sent) == 1
    (holder,) = control_items.read(control_items.ADMISSION)[control_items.ADMISSION].slots
    assert admission.Slot.from_set_member(holder).lease_expires_at > handlers.now()


def test_a_poll_costs_five_requests(handlers, sent, jobs, counted):
    handlers.queue()
    with counted() as idle:
        handlers.process()
    sent()
    handlers.advance_clock(minutes=1)
    with counted() as requests:
        handlers.process()
    requests.subtract(idle)
    assert {name: number for name, number in requests.items() if number} == {
        "GetItem": 1,
        "BatchGetItem": 2,  # the breaker; whether the task was paused since
        "UpdateItem": 2,
    }


def test_a_forced_transcription_is_never_given_the_former_job(handlers, sent, jobs, listed):
    sent()
    jobs.says = SPOKEN
    handlers.after(minutes=1).process()
    item = only(listed)
    handlers.api("POST", f"/api/call-recordings/{item['id']}/transcribe", body={"force": True})
    jobs.answer = GONE
    handlers.process()
    jobs.answer = None
    handlers.after(minutes=2).process()
    assert len(jobs.sent) == 2


def test_the_channels_of_a_stereo_call_are_two_jobs_one_after_the_other(handlers, put, jobs, listed):
    handlers.overrides["CHANNELS"] = "caller-left"
    put("call.wav", wav(tone(2, 8_000, 300), tone(2, 8_000, 700)))
    handlers.transcribe()
    handlers.after(minutes=1).process()
    assert [name.rpartition("-")[2] for name in jobs.sent] == ["left.wav"]
    jobs.says = SPOKEN
    handlers.after(minutes=1).process()
    assert [name.rpartition("-")[2] for name in jobs.sent] == ["left.wav", "right.wav"]
    handlers.after(minutes=1).process()
    item = only(listed)
    assert (item["transcriptionStatus"], item["attempts"], len(jobs.sent)) == ("completed", 1, 2)
    document = handlers.api("GET", f"/api/call-recordings/{item['id']}/transcript").json
    assert [each["speaker"] for each in document["segments"]] == ["caller", "agent"]


def test_a_channel_whose_job_fails_does_not_keep_the_other_from_being_sent(handlers, put, jobs, listed):
    handlers.overrides |= {"CHANNELS": "caller-left", "MAX_ATTEMPTS": "2"}
    jobs.fails = "left"
    jobs.says = SPOKEN
    put("call.wav", wav(tone(2, 8_000, 300), tone(2, 8_000, 700)))
    handlers.sync_and_queue()
    for _ in range(12):
        handlers.process()
        handlers.advance_clock(minutes=2)
    item = only(listed)
    assert (item["transcriptionStatus"], item["attempts"], item["nextAttemptAt"]) == ("failed", 2, None)
    assert [name for name in jobs.sent if "right" in name] == [jobs.sent[1]]
    assert len(set(jobs.sent)) == len(jobs.sent)
    assert item["transcript"]["partial"]
    document = handlers.api("GET", f"/api/call-recordings/{item['id']}/transcript").json
    assert ({each["speaker"] for each in document["segments"]}, document["missingChannels"]) == ({"agent"}, ["left"])


def test_a_person_s_retry_asks_for_no_job_of_before(handlers, sent, jobs, listed):
    handlers.overrides["MAX_ATTEMPTS"] = "1"
    sent()
    jobs.says = RetryableError("cut", code="invalid_response")
    handlers.after(minutes=1).process()
    item = only(listed)
    assert (item["transcriptionStatus"], item["nextAttemptAt"]) == ("failed", None)
    handlers.api("POST", f"/api/call-recordings/{item['id']}/transcribe")
    jobs.says = SPOKEN
    for _ in range(2):
        handlers.process()
        handlers.advance_clock(minutes=1)
    assert only(listed)["transcriptionStatus"] == "completed"
    assert len(set(jobs.sent)) == 2


def test_of_two_who_saw_the_same_job_one_polls(handlers, sent, jobs, listed):
    sent()
    parked, now = stored(only(listed)), handlers.now()
    polls = [
        state_machine.claim_for_poll(parked, token, now, now + timedelta(minutes=16)) for token in ("one", "another")
    ]
    assert recordings.apply_transition(parked.id, polls[0]).claim_token == "one"
    assert recordings.apply_transition(parked.id, polls[1]) is None


def test_a_job_keeps_its_slot_where_nobody_can_tell_whether_it_is_parked(handlers, sent, jobs, listed, monkeypatch):
    """DynamoDB takes the write, and then no answer comes, however often it is repeated."""
    apply = recordings.apply_transition

    def apply_and_say_nothing(recording_id, change):
        after = apply(recording_id, change)
        if change.updates.get("slot"):
            raise StoreError("no answer")
        return after

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "apply_transition", apply_and_say_nothing)
        assert sent(2)["errorCode"] == "store_error"
    for _ in range(3):
        handlers.after(minutes=1).process()
    assert (len(jobs.sent), jobs.polls) == (1, 3)
    jobs.says = SPOKEN
    for _ in range(2):
        handlers.after(minutes=1).process()
    assert {item["transcriptionStatus"] for item in listed().values()} == {"completed"}
    assert not control_items.read(control_items.ADMISSION)[control_items.ADMISSION].slots
