"""Every transition: the record before and after it, and the condition of the write."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from callscribe.call_metadata.metadata import CallMetadata, Provenance
from callscribe.clock import to_iso
from callscribe.errors import BadGateway, InvalidTransition, PermanentError, RetryableError, ServiceUnavailable
from callscribe.recordings import recording, state_machine, transitions
from callscribe.recordings.recording import (
    ISOLATED,
    QUEUE_NORMAL,
    AudioInfo,
    AudioTrack,
    Channel,
    Failure,
    QueueEntry,
    Recording,
    Status,
    TranscriptRef,
    build_index_key,
    queued_at,
    queued_sort_key,
    retry_sort_key,
    terminal_sort_key,
)
from callscribe.recordings.retry_policy import RetryPolicy
from callscribe.recordings.state_machine import MAX_OUTAGES_PER_RECORDING, Actor, Increment

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=3)
JITTER = random.Random(1)
RETRYABLE = RetryableError("broke", code="connection_lost")
UNAVAILABLE = ServiceUnavailable("gone")
PERMANENT = PermanentError("not audio", code="not_audio")
REF = TranscriptRef(version="v", language="en", duration=1.0, preview="", no_speech=True)
RELEASED = {"claim_token": None, "lease_expires_at": None, "slot": None, "next_attempt_at": None}
LEARNED = {
    "size": 10,
    "etag": "as sent",
    "modified_at": NOW,
    "audio": AudioInfo(duration=3.0),
    "tracks": (AudioTrack(job="7"),),
    "upload_number": 3,
    "job_started_at": EARLIER,
    "job_deadline": NOW,
    "metadata": CallMetadata(party="Ada", provenance={"party": Provenance.TAGS}),
}
"""What a worker learns during an attempt."""


def make_recording(status=Status.PENDING, **values):
    fresh = transitions.create("s3://bucket", "a.wav", size=9, etag="e", modified_at=EARLIER, now=NOW)
    return replace(fresh, status=status, **values)


def make_claimed(attempts=1, **values):
    queue_sort_key = queued_sort_key(EARLIER, to_iso(EARLIER))
    claim = {"attempts": attempts, "claim_token": "mine", "queue_sort_key": queue_sort_key}
    return make_recording(Status.PROCESSING, **claim | values)


def make_full(status=Status.PROCESSING, **values):
    """A recording with a value in each field that a transition may clear."""
    error = Failure(code="c", message="m", at=EARLIER, retryable=True)
    times = dict.fromkeys(("status_since", "source_changed", "next_attempt_at", "lease_expires_at"), EARLIER)
    claimed = make_claimed(2, error=error, outage_count=1, slot="s", transcript=replace(REF, version="before"))
    return replace(claimed, status=status, **times | values)


def after(stored, transition):
    """The record after the transition."""
    assert transition.from_status is stored.status
    values = {
        name: getattr(stored, name) + value.amount if isinstance(value, Increment) else value
        for name, value in transition.updates.items()
    }
    return replace(stored, status=transition.to_status, **values)


def test_id_depends_only_on_the_path_of_the_file():
    first = recording.recording_id("s3://bucket", "a.wav")
    assert first == recording.recording_id("s3://bucket", "a.wav")
    assert len({first, recording.recording_id("s3://bucket", "b.wav"), recording.recording_id("s3://b", "a.wav")}) == 3
    assert len(first) == 20


def test_new_recording_is_pending_or_completed_by_its_transcript():
    file: dict[str, Any] = {"location": "s3://bucket", "key": "a.wav", "size": 9, "etag": "e", "modified_at": EARLIER}
    pending = Recording(
        id=recording.recording_id("s3://bucket", "a.wav"),
        **file,
        recorded_at=EARLIER,
        created_at=NOW,
        status=Status.PENDING,
        status_since=NOW,
        sort_key=to_iso(EARLIER),
        index_key=build_index_key("a.wav", ""),
    )
    assert transitions.create(**file, now=NOW) == pending
    called_at = EARLIER - timedelta(hours=1)
    metadata: dict[str, Any] = {"metadata": LEARNED["metadata"], "recorded_at": called_at}
    with_metadata = replace(pending, **metadata, index_key=build_index_key("a.wav", "2"), sort_key=to_iso(called_at))
    assert transitions.create(**file, now=NOW, fingerprint="2", **metadata) == with_metadata
    completed = replace(pending, status=Status.COMPLETED, sort_key=to_iso(NOW), transcript=REF)
    assert transitions.create(**file, now=NOW, transcript=REF) == completed


@pytest.mark.parametrize("status", [Status.PENDING, Status.FAILED])
def test_transcript_sidecar_completes_a_recording_that_was_not_claimed_in_the_meantime(status):
    stored = make_full(status, **LEARNED)
    transition = transitions.complete_from_sidecar(stored, REF, NOW)
    assert transition.condition == {"sort_key": stored.sort_key}
    assert after(stored, transition) == replace(
        stored,
        status=Status.COMPLETED,
        status_since=NOW,
        sort_key=to_iso(NOW),
        transcript=REF,
        error=None,
        next_attempt_at=None,
        tracks=(),
        job_started_at=None,
        job_deadline=None,
    )


def test_recording_to_transcribe_again_is_pending_unless_it_was_transcribed_in_the_meantime():
    stored = make_full(Status.COMPLETED, **LEARNED)
    transition = transitions.transcribe_again(stored, NOW, stored.recorded_at, {"size": 7})
    assert transition.condition == {"sort_key": stored.sort_key, "index_key": stored.index_key}
    again = after(stored, transition)
    assert (again.status, again.sort_key) == (Status.PENDING, recording.pending_sort_key(stored.recorded_at))
    assert (again.attempts, again.outage_count, again.size, again.transcript) == (0, 0, 7, stored.transcript)
    assert (again.tracks, again.job_started_at, again.job_presumed_lost_at) == ((), None, None)


@pytest.mark.parametrize("from_status", Status)
@pytest.mark.parametrize("to_status", Status)
def test_user_can_make_only_the_transitions_of_the_table(from_status, to_status):
    allowed = {
        (Status.PENDING, Status.QUEUED),
        (Status.QUEUED, Status.PENDING),
        (Status.FAILED, Status.QUEUED),
        (Status.FAILED, Status.PENDING),
    }
    stored = make_recording(from_status, attempts=4)
    if (from_status, to_status) in allowed:
        assert after(stored, transitions.user_transition(stored, to_status, NOW)).status is to_status
    else:
        with pytest.raises(InvalidTransition):
            transitions.user_transition(stored, to_status, NOW)


def test_user_transition_resets_the_recording_but_keeps_finished_channels():
    done = AudioTrack(channel=Channel.LEFT, transcript_version="v")
    running = AudioTrack(channel=Channel.RIGHT, job="7")
    stored = make_full(Status.FAILED, **LEARNED | {"tracks": (done, running, AudioTrack(job="8"))})
    fresh = replace(
        stored,
        status=Status.PENDING,
        status_since=NOW,
        sort_key=to_iso(EARLIER),
        queue_sort_key=None,
        attempts=0,
        outage_count=0,
        next_attempt_at=None,
        tracks=(done, replace(running, job=None)),
        upload_number=stored.upload_number + 1,
        job_started_at=None,
        job_deadline=None,
    )
    transition = transitions.user_transition(stored, Status.PENDING, NOW)
    assert transition.condition == {}
    assert after(stored, transition) == fresh
    for at_front in (False, True):
        sort_key = queued_sort_key(NOW, to_iso(EARLIER), at_front=at_front)
        queued = replace(fresh, status=Status.QUEUED, sort_key=sort_key, queue_sort_key=sort_key)
        assert after(stored, transitions.user_transition(stored, Status.QUEUED, NOW, at_front=at_front)) == queued
    without_job = make_full(Status.FAILED)
    assert (
        after(without_job, transitions.user_transition(without_job, Status.PENDING, NOW)).upload_number
        == without_job.upload_number
    )


def test_queued_recording_can_be_moved_to_the_front_only():
    stored = make_recording(Status.QUEUED)
    front = queued_sort_key(NOW, to_iso(EARLIER), at_front=True)
    assert after(stored, transitions.user_transition(stored, Status.QUEUED, NOW, at_front=True)).sort_key == front
    for status, to_status in ((Status.QUEUED, Status.COMPLETED), (Status.PENDING, Status.PENDING)):
        with pytest.raises(InvalidTransition):
            transitions.user_transition(make_recording(status), to_status, NOW, at_front=True)


def test_completed_recording_is_requeued_only_with_force():
    stored = make_recording(Status.COMPLETED)
    with pytest.raises(InvalidTransition, match="force"):
        transitions.user_transition(stored, Status.QUEUED, NOW, at_front=True)
    assert transitions.user_transition(stored, Status.QUEUED, NOW, at_front=True, force=True).to_status is Status.QUEUED
    assert transitions.allowed_user_transitions(Status.COMPLETED) == ()


def test_refusal_names_the_allowed_statuses():
    with pytest.raises(InvalidTransition, match="become completed; allowed: queued, pending"):
        transitions.user_transition(make_recording(Status.FAILED), Status.COMPLETED, NOW)


def test_force_does_not_apply_to_a_recording_in_processing():
    with pytest.raises(InvalidTransition, match="being transcribed"):
        transitions.user_transition(make_recording(Status.PROCESSING), Status.QUEUED, NOW, at_front=True, force=True)


def test_queue_is_sorted_by_front_then_time_of_queueing_then_time_of_call():
    later = NOW + timedelta(seconds=1)
    keys = [
        queued_sort_key(later, to_iso(EARLIER), at_front=True),
        QUEUE_NORMAL,
        queued_sort_key(NOW, to_iso(EARLIER)),
        queued_sort_key(NOW, to_iso(NOW)),
        queued_sort_key(later, to_iso(EARLIER)),
        terminal_sort_key(later + timedelta(seconds=1)),
    ]
    assert keys == sorted(keys)


def test_recordings_to_be_retried_sort_before_terminal_failures():
    assert retry_sort_key(NOW + timedelta(days=1)) < terminal_sort_key(EARLIER)


def test_only_pending_recordings_are_queued():
    stored = make_full(Status.PENDING)
    entry = QueueEntry(stored.id, stored.status, stored.sort_key)
    sort_key = queued_sort_key(NOW, to_iso(EARLIER))
    queued = {"status": Status.QUEUED, "status_since": NOW, "sort_key": sort_key, "queue_sort_key": sort_key}
    transition = transitions.enqueue(entry, NOW)
    assert after(stored, transition) == replace(stored, **queued)
    assert transition.condition == {}
    with pytest.raises(InvalidTransition, match="completed"):
        transitions.enqueue(replace(entry, status=Status.COMPLETED), NOW)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.FAILED])
def test_claim_counts_as_an_attempt_and_requires_the_sort_key_that_was_read(status):
    stored, lease = make_full(status), NOW + timedelta(minutes=16)
    transition = state_machine.claim(QueueEntry(stored.id, status, "sort key"), "token", NOW, lease)
    assert transition.condition == {"sort_key": "sort key"}
    assert after(stored, transition) == replace(
        stored,
        status=Status.PROCESSING,
        status_since=NOW,
        sort_key=to_iso(lease),
        claim_token="token",
        lease_expires_at=lease,
        next_attempt_at=None,
        attempts=3,
    )


@pytest.mark.parametrize("status", [Status.PENDING, Status.PROCESSING, Status.COMPLETED])
def test_no_other_status_can_be_claimed(status):
    with pytest.raises(InvalidTransition):
        state_machine.claim(QueueEntry("id", status, "sort key"), "token", NOW, NOW)


@pytest.mark.parametrize(("running_seconds", "delay"), [(0, 2), (20, 2), (30, 3), (500, 50), (9000, 50)])
def test_job_is_polled_less_often_the_longer_it_runs(running_seconds, delay):
    started_at, lease = NOW - timedelta(seconds=running_seconds), NOW + timedelta(minutes=5)
    stored = make_full()
    claimed = replace(stored, **LEARNED | {"job_started_at": started_at if running_seconds else None})
    transition = state_machine.await_job(claimed, "held", NOW)
    assert transition.condition == {"claim_token": "mine"}
    next_poll = to_iso(NOW + timedelta(seconds=delay))
    awaiting = replace(claimed, **RELEASED | {"slot": "held", "sort_key": next_poll, "job_started_at": started_at})
    assert after(stored, transition) == awaiting
    transition = state_machine.claim_for_poll(awaiting, "token", NOW, lease)
    assert transition.condition == {"sort_key": next_poll}
    claim = {"claim_token": "token", "lease_expires_at": lease, "sort_key": to_iso(lease)}
    assert after(awaiting, transition) == replace(awaiting, **claim)


def test_every_end_of_a_claim_requires_and_removes_its_token():
    claimed = make_claimed()
    for transition in (
        state_machine.complete(claimed, REF, NOW),
        state_machine.fail(claimed, RETRYABLE, RetryPolicy(), NOW, JITTER),
        state_machine.fail(claimed, PERMANENT, RetryPolicy(), NOW, JITTER),
        state_machine.requeue_after_outage(claimed, UNAVAILABLE, RetryPolicy(), NOW, JITTER, is_probe=False),
        state_machine.recover_expired(claimed, RetryPolicy(), NOW),
    ):
        assert transition.condition == {"claim_token": "mine"}
        assert transition.updates["claim_token"] is None


def test_completion_stores_what_was_learned_and_removes_the_last_error_and_the_job():
    stored = make_full()
    claimed = replace(stored, **LEARNED)
    done = {"tracks": (), "upload_number": claimed.upload_number + 1, "job_started_at": None, "job_deadline": None}
    assert after(stored, state_machine.complete(claimed, REF, NOW)) == replace(
        claimed,
        **RELEASED | done,
        status=Status.COMPLETED,
        status_since=NOW,
        sort_key=to_iso(NOW),
        transcript=REF,
        source_changed=None,
        error=None,
        outage_count=0,
    )


def test_metadata_from_other_sources_than_audio_tags_is_left_to_sync():
    metadata = CallMetadata(party="Ada", provenance={"party": Provenance.NAME})
    assert "metadata" not in state_machine.complete(make_full(metadata=metadata), REF, NOW).updates


def test_retryable_error_is_retried_until_no_attempt_is_left():
    stored = make_full()
    claimed = replace(stored, **LEARNED)
    raised = RetryableError("It failed (500).", code="service_error", status=500)
    error = Failure(code="service_error", message="It failed (500).", at=NOW, retryable=True, status=500)
    failed = replace(claimed, **RELEASED, status=Status.FAILED, status_since=NOW, error=error, outage_count=0)

    policy = RetryPolicy(max_attempts=3)
    due = NOW + policy.delay(2, random.Random(7))
    to_be_retried = replace(failed, sort_key=retry_sort_key(due), next_attempt_at=due)
    assert after(stored, state_machine.fail(claimed, raised, policy, NOW, random.Random(7))) == to_be_retried

    terminal = replace(failed, sort_key=terminal_sort_key(NOW))
    assert after(stored, state_machine.fail(claimed, raised, RetryPolicy(max_attempts=2), NOW, JITTER)) == terminal


def test_permanent_error_is_not_retried():
    transition = state_machine.fail(make_claimed(), PERMANENT, RetryPolicy(), NOW, JITTER)
    assert transition.updates["next_attempt_at"] is None
    assert transition.updates["error"].retryable is False
    assert transition.updates["error"].code == "not_audio"


@pytest.mark.parametrize(("previous", "stored"), [(None, "new"), ("partial", "new"), ("full", "full")])
def test_partial_transcript_never_replaces_a_full_one(previous, stored):
    transcript = replace(REF, version=previous, partial=previous != "full") if previous else None
    claimed = make_claimed(transcript=transcript)
    partial = replace(REF, version="new", partial=True)
    transition = state_machine.fail(claimed, PERMANENT, RetryPolicy(), NOW, JITTER, transcript=partial)
    assert after(claimed, transition).transcript.version == stored


def test_recording_keeps_its_attempt_and_its_position_in_the_queue_after_an_outage():
    stored = make_full()
    claimed = replace(stored, **LEARNED)
    down = BadGateway("Bad gateway (502).", status=502)
    assert after(
        stored, state_machine.requeue_after_outage(claimed, down, RetryPolicy(), NOW, JITTER, is_probe=False)
    ) == replace(
        claimed,
        **RELEASED,
        status=Status.QUEUED,
        status_since=NOW,
        sort_key=claimed.queue_sort_key,
        attempts=1,
        outage_count=2,
        error=Failure(code="service_down", message="Bad gateway (502).", at=NOW, retryable=True, status=502),
    )
    never_queued = make_claimed(queue_sort_key=None)
    transition = state_machine.requeue_after_outage(
        never_queued, UNAVAILABLE, RetryPolicy(), NOW, JITTER, is_probe=False
    )
    assert transition.updates["sort_key"] == queued_sort_key(NOW, to_iso(EARLIER))


def test_audio_that_repeatedly_brings_the_service_down_fails_its_attempts():
    down = BadGateway("A proxy reports the service as down.", status=502)

    def requeue(outages, error=down, *, is_probe=False):
        return state_machine.requeue_after_outage(
            make_claimed(outage_count=outages), error, RetryPolicy(), NOW, JITTER, is_probe=is_probe
        )

    assert (requeue(0).to_status, requeue(0).updates["outage_count"]) == (Status.QUEUED, 1)
    assert (requeue(1, is_probe=True).to_status, requeue(1, is_probe=True).updates["outage_count"]) == (
        Status.QUEUED,
        1,
    )
    assert requeue(MAX_OUTAGES_PER_RECORDING - 1, is_probe=True).to_status is Status.QUEUED
    error = Failure(code="service_down", message=down.message, at=NOW, retryable=True, status=502)
    for transition in (
        requeue(MAX_OUTAGES_PER_RECORDING - 1),
        requeue(MAX_OUTAGES_PER_RECORDING),
        requeue(MAX_OUTAGES_PER_RECORDING, is_probe=True),
    ):
        assert (transition.to_status, transition.updates["error"]) == (Status.FAILED, error)
        assert transition.updates["outage_count"] >= MAX_OUTAGES_PER_RECORDING
        assert transition.updates["next_attempt_at"] is not None
    cleared = state_machine.fail(
        make_claimed(outage_count=MAX_OUTAGES_PER_RECORDING), RETRYABLE, RetryPolicy(), NOW, JITTER
    )
    assert cleared.updates["outage_count"] == 0


def test_other_outages_do_not_count_towards_the_limit():
    transition = state_machine.requeue_after_outage(
        make_claimed(outage_count=MAX_OUTAGES_PER_RECORDING), UNAVAILABLE, RetryPolicy(), NOW, JITTER, is_probe=False
    )
    assert (transition.to_status, transition.updates["outage_count"]) == (Status.QUEUED, MAX_OUTAGES_PER_RECORDING)


def test_sort_key_contains_the_time_of_queueing():
    assert queued_at(queued_sort_key(NOW, to_iso(EARLIER))) == NOW
    assert queued_at(queued_sort_key(NOW, to_iso(EARLIER), at_front=True)) == NOW
    assert queued_at(state_machine.recover_expired(make_claimed(), RetryPolicy(), NOW).updates["sort_key"]) == NOW
    requeued = state_machine.requeue_after_outage(
        make_claimed(), UNAVAILABLE, RetryPolicy(), NOW, JITTER, is_probe=False
    )
    assert queued_at(requeued.updates["sort_key"]) == EARLIER


def test_expired_claim_is_requeued_at_the_end_or_fails_after_its_last_attempt():
    expired = make_full(**LEARNED)

    def recovered(max_attempts):
        return after(expired, state_machine.recover_expired(expired, RetryPolicy(max_attempts=max_attempts), NOW))

    error = recovered(3).error
    assert (error.code, error.at, error.retryable, error.status) == ("worker_lost", NOW, True, None)
    assert "log of the process function" in error.message
    sort_key = queued_sort_key(NOW, to_iso(EARLIER)) + ISOLATED
    common = RELEASED | {"status_since": NOW, "error": error}
    queued = common | {"status": Status.QUEUED, "sort_key": sort_key, "queue_sort_key": sort_key}
    assert recovered(3) == replace(expired, **queued)
    assert QueueEntry(expired.id, Status.QUEUED, sort_key).is_isolated
    assert not QueueEntry(expired.id, Status.QUEUED, expired.queue_sort_key).is_isolated
    terminal = common | {"status": Status.FAILED, "sort_key": terminal_sort_key(NOW)}
    assert recovered(2) == replace(expired, **terminal)


@pytest.mark.parametrize(("attempt", "max_delay"), [(1, 60), (2, 120), (3, 240), (6, 1920), (7, 3600), (50, 3600)])
def test_retry_delay_doubles_up_to_one_hour_with_jitter_in_its_upper_half(attempt, max_delay):
    delays = [RetryPolicy().delay(attempt, random.Random(seed)).total_seconds() for seed in range(200)]
    assert max_delay / 2 <= min(delays) < max_delay * 0.55
    assert max_delay * 0.95 < max(delays) <= max_delay


@pytest.mark.parametrize(
    ("location", "key", "path"),
    [("s3://bucket", "2026/a.wav", "s3://bucket/2026/a.wav"), ("file://", "mnt/a.wav", "/mnt/a.wav")],
)
def test_path_is_formatted_as_a_user_writes_it(location, key, path):
    assert transitions.create(location, key, size=1, etag=None, modified_at=NOW, now=NOW).path == path


def test_only_a_user_or_sync_can_make_a_completed_recording_leave_its_status():
    assert set(state_machine.TRANSITIONS) == set(Actor)
    leaving = {actor: table.get(Status.COMPLETED, ()) for actor, table in state_machine.TRANSITIONS.items()}
    assert {actor: targets for actor, targets in leaving.items() if targets} == {
        Actor.USER: (Status.QUEUED,),
        Actor.SYNC: (Status.PENDING,),
    }
