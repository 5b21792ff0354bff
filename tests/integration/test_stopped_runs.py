"""A local stack that is stopped gives back what its own runs held, and nothing of others."""

from datetime import timedelta

import pytest

from callscribe.clock import utc_now
from callscribe.recordings import state_machine
from callscribe.recordings.recording import AudioTrack, Status, TranscriptRef
from callscribe.recordings.run import Run, RunStatus, Task, Trigger
from callscribe.store import admission, control_items, recordings, runs
from local.lambdas import stopped_runs
from local.lambdas.pool import Lambdas, lambda_environment
from testing.waiting import wait_until

MINUTE = timedelta(minutes=1)


@pytest.fixture
def environment(stack, monkeypatch):
    for name, value in lambda_environment(stack.function("process"), stack).items():
        monkeypatch.setenv(name, value)


def claim_one(put, handlers, lease_expires_at, name="a.wav"):
    """Claim a queued recording as a run of process does; return it with its slot."""
    put(name, age=100)
    handlers.sync_and_queue()
    (entry,) = recordings.next_entries(Status.QUEUED, 1)
    slot = admission.acquire(10, name.removesuffix(".wav"), utc_now(), lease_expires_at)
    claim = state_machine.claim(entry, slot.token, utc_now(), slot.lease_expires_at)
    return recordings.apply_transition(entry.id, claim), slot


def save_run(deadline):
    now = utc_now()
    run = Run(task=Task.PROCESS, id=runs.new_run_id(now), trigger=Trigger.SCHEDULE, started_at=now, deadline=deadline)
    runs.save(run)
    return run.id


def held_slots():
    return control_items.read_one(control_items.ADMISSION).slots or set()


def test_claims_of_killed_workers_are_given_back_at_once(stack, handlers, put, service, tmp_path):
    put("a.wav", age=100)
    handlers.sync_and_queue()
    service.hold_until(2)
    overrides = {"WHISPERX_URL": service.url, "AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:9"}
    with Lambdas(stack, tmp_path, overrides) as lambdas:
        lambdas.invoke("process", {"source": "aws.events"}, wait=False)
        wait_until(lambda: service.received)
        (entry,) = recordings.next_entries(Status.PROCESSING, 10)
        lambdas.stop()
        assert recordings.get(entry.id).status is Status.PROCESSING
        assert lambdas.release_claims() == 1
        assert lambdas.release_claims() == 0
    recording = recordings.get(entry.id)
    assert (recording.status, recording.attempts, recording.claim_token) == (Status.QUEUED, 0, None)
    assert recording.error.code == "worker_lost"
    assert held_slots() == set()
    (run,) = runs.recent([Task.PROCESS], 1, utc_now())
    assert (run.status, run.error_code) == (RunStatus.FAILED, "stopped")
    service.hold_until(0)
    handlers.process()
    recording = recordings.get(entry.id)
    assert (recording.status, recording.attempts) == (Status.COMPLETED, 1)


def test_claims_and_slots_of_other_runs_stay(handlers, put, environment):
    deadline = utc_now() + 10 * MINUTE
    ours, _ = claim_one(put, handlers, deadline)
    theirs, their_slot = claim_one(put, handlers, deadline + MINUTE, "b.wav")
    assert stopped_runs.lambda_handler({"runs": [save_run(deadline), "no such run"]}, None) == 1
    assert recordings.get(ours.id).status is Status.QUEUED
    assert recordings.get(theirs.id) == theirs
    assert held_slots() == {their_slot.set_member}


def test_recording_keeps_its_place_in_the_queue(handlers, put, environment):
    deadline = utc_now() + 10 * MINUTE
    ours, _ = claim_one(put, handlers, deadline)
    put("later.wav", age=100)
    handlers.sync_and_queue()
    stopped_runs.lambda_handler({"runs": [save_run(deadline)]}, None)
    first, _ = recordings.next_entries(Status.QUEUED, 10)
    assert first.id == ours.id
    assert not first.is_isolated


def test_job_that_the_server_is_running_is_waited_for_and_keeps_its_slot(handlers, put, environment):
    deadline = utc_now() + 10 * MINUTE
    claimed, slot = claim_one(put, handlers, deadline)
    track = AudioTrack(job="job-1")
    recordings.update_fields(claimed.id, {"claim_token": claimed.claim_token}, {"tracks": (track,)})
    assert stopped_runs.lambda_handler({"runs": [save_run(deadline)]}, None) == 1
    waiting = recordings.get(claimed.id)
    assert waiting.is_awaiting_job
    assert waiting.tracks == (track,)
    assert waiting.slot == slot.set_member
    assert held_slots() == {slot.set_member}


def test_worker_that_stored_its_result_before_it_was_killed_is_left_alone(handlers, put, environment):
    deadline = utc_now() + 10 * MINUTE
    claimed, _ = claim_one(put, handlers, deadline)
    transcript = TranscriptRef(version="v", language=None, duration=1.0, preview="hello", no_speech=False)
    done = recordings.apply_transition(claimed.id, state_machine.complete(claimed, transcript, utc_now()))
    assert stopped_runs.lambda_handler({"runs": [save_run(deadline)]}, None) == 0
    assert recordings.get(claimed.id) == done
    assert held_slots() == set()
