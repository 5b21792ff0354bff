"""The state table, and each way through it: what the record is before, and what it is afterwards."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from callscribe.call_metadata.metadata import CallMetadata, Provenance
from callscribe.clock import to_iso
from callscribe.errors import BadGateway, InvalidTransition, PermanentError, RetryableError, ServiceUnavailable
from callscribe.recordings import claims, recording, sort_keys, state_machine
from callscribe.recordings.claims import MAX_OUTAGES_PER_RECORDING
from callscribe.recordings.recording import (
    AudioInfo,
    AudioTrack,
    Channel,
    Failure,
    Recording,
    Status,
    TranscriptRef,
    index_key,
)
from callscribe.recordings.retry_policy import RetryPolicy
from callscribe.recordings.sort_keys import ISOLATED, QueueEntry
from callscribe.recordings.state_machine import Actor, Increment

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=3)
JITTER = random.Random(1)
RETRYABLE = RetryableError("broke", code="connection_lost")
GONE = ServiceUnavailable("gone")
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
"""What a worker finds out on the way."""


def a_recording(status=Status.PENDING, **values):
    fresh = state_machine.create("s3://bucket", "a.wav", size=9, etag="e", modified_at=EARLIER, now=NOW)
    return replace(fresh, status=status, **values)


def a_claimed(attempts=1, **values):
    place = sort_keys.queued_sort_key(EARLIER, to_iso(EARLIER))
    claim = {"attempts": attempts, "claim_token": "mine", "queue_sort_key": place}
    return a_recording(Status.PROCESSING, **claim | values)


def a_full(status=Status.PROCESSING, **values):
    """One with a value in each field that a transition may clear."""
    error = Failure(code="c", message="m", at=EARLIER, retryable=True)
    times = dict.fromkeys(("status_since", "source_changed", "next_attempt_at", "lease_expires_at"), EARLIER)
    claimed = a_claimed(2, error=error, outage_count=1, slot="s", transcript=replace(REF, version="before"))
    return replace(claimed, status=status, **times | values)


def after(stored, change):
    """The record as the change leaves it."""
    assert change.from_status is stored.status
    values = {
        name: getattr(stored, name) + value.amount if isinstance(value, Increment) else value
        for name, value in change.updates.items()
    }
    return replace(stored, status=change.to_status, **values)


def test_the_same_file_always_has_the_same_id_and_another_file_another():
    first = recording.recording_id("s3://bucket", "a.wav")
    assert first == recording.recording_id("s3://bucket", "a.wav")
    assert len({first, recording.recording_id("s3://bucket", "b.wav"), recording.recording_id("s3://b", "a.wav")}) == 3
    assert len(first) == 20


def test_a_new_recording_is_pending_in_the_order_of_its_call_or_completed_by_its_transcript():
    file: dict[str, Any] = {"location": "s3://bucket", "key": "a.wav", "size": 9, "etag": "e", "modified_at": EARLIER}
    pending = Recording(
        id=recording.recording_id("s3://bucket", "a.wav"),
        **file,
        recorded_at=EARLIER,
        created_at=NOW,
        status=Status.PENDING,
        status_since=NOW,
        sort_key=to_iso(EARLIER),
        index_key=index_key("a.wav", ""),
    )
    assert state_machine.create(**file, now=NOW) == pending
    called = EARLIER - timedelta(hours=1)
    known: dict[str, Any] = {"metadata": LEARNED["metadata"], "recorded_at": called}
    of_a_call = replace(pending, **known, index_key=index_key("a.wav", "2"), sort_key=to_iso(called))
    assert state_machine.create(**file, now=NOW, version="2", **known) == of_a_call
    completed = replace(pending, status=Status.COMPLETED, sort_key=to_iso(NOW), transcript=REF)
    assert state_machine.create(**file, now=NOW, transcript=REF) == completed


@pytest.mark.parametrize("status", [Status.PENDING, Status.FAILED])
def test_a_transcript_next_to_the_file_completes_a_recording_that_was_not_claimed_since(status):
    seen = a_full(status, **LEARNED)
    change = state_machine.complete_from_sidecar(seen, REF, NOW)
    assert change.condition == {"sort_key": seen.sort_key}
    assert after(seen, change) == replace(
        seen,
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


@pytest.mark.parametrize("source", Status)
@pytest.mark.parametrize("target", Status)
def test_a_person_makes_the_transitions_of_the_table_and_no_other(source, target):
    allowed = {
        (Status.PENDING, Status.QUEUED),
        (Status.QUEUED, Status.PENDING),
        (Status.FAILED, Status.QUEUED),
        (Status.FAILED, Status.PENDING),
    }
    seen = a_recording(source, attempts=4)
    if (source, target) in allowed:
        assert after(seen, state_machine.user_transition(seen, target, NOW)).status is target
    else:
        with pytest.raises(InvalidTransition):
            state_machine.user_transition(seen, target, NOW)


def test_a_request_starts_afresh_but_keeps_the_channels_that_are_done():
    done = AudioTrack(channel=Channel.LEFT, transcript="v")
    under_way = AudioTrack(channel=Channel.RIGHT, job="7")
    seen = a_full(Status.FAILED, **LEARNED | {"tracks": (done, under_way, AudioTrack(job="8"))})
    fresh = replace(
        seen,
        status=Status.PENDING,
        status_since=NOW,
        sort_key=to_iso(EARLIER),
        queue_sort_key=None,
        attempts=0,
        outage_count=0,
        next_attempt_at=None,
        tracks=(done, replace(under_way, job=None)),
        upload_number=seen.upload_number + 1,
        job_started_at=None,
        job_deadline=None,
    )
    change = state_machine.user_transition(seen, Status.PENDING, NOW)
    assert change.condition == {}
    assert after(seen, change) == fresh
    for head in (False, True):
        place = sort_keys.queued_sort_key(NOW, to_iso(EARLIER), at_front=head)
        queued = replace(fresh, status=Status.QUEUED, sort_key=place, queue_sort_key=place)
        assert after(seen, state_machine.user_transition(seen, Status.QUEUED, NOW, at_front=head)) == queued
    without_job = a_full(Status.FAILED)
    assert (
        after(without_job, state_machine.user_transition(without_job, Status.PENDING, NOW)).upload_number
        == without_job.upload_number
    )


def test_what_is_queued_can_be_moved_to_the_head_and_nowhere_else():
    seen = a_recording(Status.QUEUED)
    head = sort_keys.queued_sort_key(NOW, to_iso(EARLIER), at_front=True)
    assert after(seen, state_machine.user_transition(seen, Status.QUEUED, NOW, at_front=True)).sort_key == head
    for status, target in ((Status.QUEUED, Status.COMPLETED), (Status.PENDING, Status.PENDING)):
        with pytest.raises(InvalidTransition):
            state_machine.user_transition(a_recording(status), target, NOW, at_front=True)


def test_completed_is_queued_again_only_by_force():
    seen = a_recording(Status.COMPLETED)
    with pytest.raises(InvalidTransition, match="force"):
        state_machine.user_transition(seen, Status.QUEUED, NOW, at_front=True)
    assert state_machine.user_transition(seen, Status.QUEUED, NOW, at_front=True, force=True).to_status is Status.QUEUED
    assert state_machine.allowed_user_transitions(Status.COMPLETED) == ()


def test_a_refusal_says_what_is_allowed():
    with pytest.raises(InvalidTransition, match="become completed; allowed: queued, pending"):
        state_machine.user_transition(a_recording(Status.FAILED), Status.COMPLETED, NOW)


def test_force_does_not_take_a_recording_from_its_worker():
    with pytest.raises(InvalidTransition, match="being transcribed"):
        state_machine.user_transition(a_recording(Status.PROCESSING), Status.QUEUED, NOW, at_front=True, force=True)


def test_the_queue_is_in_order_of_queueing_then_of_calls_and_the_head_comes_first():
    later = NOW + timedelta(seconds=1)
    line = [
        sort_keys.queued_sort_key(later, to_iso(EARLIER), at_front=True),
        sort_keys.PRIORITY_NORMAL,
        sort_keys.queued_sort_key(NOW, to_iso(EARLIER)),
        sort_keys.queued_sort_key(NOW, to_iso(NOW)),
        sort_keys.queued_sort_key(later, to_iso(EARLIER)),
        sort_keys.terminal_sort_key(later + timedelta(seconds=1)),
    ]
    assert line == sorted(line)


def test_what_will_be_retried_stands_before_what_waits_for_a_person():
    assert sort_keys.retry_sort_key(NOW + timedelta(days=1)) < sort_keys.terminal_sort_key(EARLIER)


def test_queueing_takes_only_what_is_pending():
    seen = a_full(Status.PENDING)
    place = QueueEntry(seen.id, seen.status, seen.sort_key)
    position = sort_keys.queued_sort_key(NOW, to_iso(EARLIER))
    queued = {"status": Status.QUEUED, "status_since": NOW, "sort_key": position, "queue_sort_key": position}
    change = state_machine.enqueue(place, NOW)
    assert after(seen, change) == replace(seen, **queued)
    assert change.condition == {}
    with pytest.raises(InvalidTransition, match="completed"):
        state_machine.enqueue(replace(place, status=Status.COMPLETED), NOW)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.FAILED])
def test_a_claim_counts_as_an_attempt_and_holds_only_for_the_place_that_was_seen(status):
    seen, lease = a_full(status), NOW + timedelta(minutes=16)
    change = claims.claim(QueueEntry(seen.id, status, "place"), "token", NOW, lease)
    assert change.condition == {"sort_key": "place"}
    assert after(seen, change) == replace(
        seen,
        status=Status.PROCESSING,
        status_since=NOW,
        sort_key=to_iso(lease),
        claim_token="token",
        lease_expires_at=lease,
        next_attempt_at=None,
        attempts=3,
    )


@pytest.mark.parametrize("status", [Status.PENDING, Status.PROCESSING, Status.COMPLETED])
def test_nothing_else_can_be_claimed(status):
    with pytest.raises(InvalidTransition):
        claims.claim(QueueEntry("id", status, "place"), "token", NOW, NOW)


@pytest.mark.parametrize(("under_way", "pause"), [(0, 2), (20, 2), (30, 3), (500, 50), (9000, 50)])
def test_a_job_is_polled_less_often_the_longer_it_is_under_way(under_way, pause):
    since, lease = NOW - timedelta(seconds=under_way), NOW + timedelta(minutes=5)
    stored = a_full()
    claimed = replace(stored, **LEARNED | {"job_started_at": since if under_way else None})
    change = claims.await_job(claimed, "kept", NOW)
    assert change.condition == {"claim_token": "mine"}
    next_poll = to_iso(NOW + timedelta(seconds=pause))
    parked = replace(claimed, **RELEASED | {"slot": "kept", "sort_key": next_poll, "job_started_at": since})
    assert after(stored, change) == parked
    change = claims.claim_for_poll(parked, "token", NOW, lease)
    assert change.condition == {"sort_key": next_poll}
    claim = {"claim_token": "token", "lease_expires_at": lease, "sort_key": to_iso(lease)}
    assert after(parked, change) == replace(parked, **claim)


def test_every_end_of_a_claim_is_fenced_by_its_token_and_removes_it():
    claimed = a_claimed()
    for change in (
        claims.complete(claimed, REF, NOW),
        claims.fail(claimed, RETRYABLE, RetryPolicy(), NOW, JITTER),
        claims.fail(claimed, PERMANENT, RetryPolicy(), NOW, JITTER),
        claims.requeue_after_outage(claimed, GONE, RetryPolicy(), NOW, JITTER, is_probe=False),
        claims.recover_expired(claimed, RetryPolicy(), NOW),
    ):
        assert change.condition == {"claim_token": "mine"}
        assert change.updates["claim_token"] is None


def test_completion_keeps_what_was_learned_and_forgets_the_last_error_and_the_job():
    stored = a_full()
    claimed = replace(stored, **LEARNED)
    done = {"tracks": (), "upload_number": claimed.upload_number + 1, "job_started_at": None, "job_deadline": None}
    assert after(stored, claims.complete(claimed, REF, NOW)) == replace(
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


def test_metadata_that_was_not_read_in_the_audio_is_left_to_sync():
    metadata = CallMetadata(party="Ada", provenance={"party": Provenance.NAME})
    assert "metadata" not in claims.complete(a_full(metadata=metadata), REF, NOW).updates


def test_a_retryable_error_is_repeated_until_no_attempt_is_left():
    stored = a_full()
    claimed = replace(stored, **LEARNED)
    refused = RetryableError("It failed (500).", code="service_error", status=500)
    error = Failure(code="service_error", message="It failed (500).", at=NOW, retryable=True, status=500)
    failed = replace(claimed, **RELEASED, status=Status.FAILED, status_since=NOW, error=error, outage_count=0)

    policy = RetryPolicy(max_attempts=3)
    due = NOW + policy.delay(2, random.Random(7))
    waiting = replace(failed, sort_key=sort_keys.retry_sort_key(due), next_attempt_at=due)
    assert after(stored, claims.fail(claimed, refused, policy, NOW, random.Random(7))) == waiting

    final = replace(failed, sort_key=sort_keys.terminal_sort_key(NOW))
    assert after(stored, claims.fail(claimed, refused, RetryPolicy(max_attempts=2), NOW, JITTER)) == final


def test_a_permanent_error_is_not_repeated():
    change = claims.fail(a_claimed(), PERMANENT, RetryPolicy(), NOW, JITTER)
    assert change.updates["next_attempt_at"] is None
    assert change.updates["error"].retryable is False
    assert change.updates["error"].code == "not_audio"


@pytest.mark.parametrize(("before", "stored"), [(None, "half"), ("another half", "half"), ("whole", "whole")])
def test_half_a_transcript_replaces_none_or_another_half_but_never_a_whole_one(before, stored):
    transcript = replace(REF, version=before, partial=before != "whole") if before else None
    claimed = a_claimed(transcript=transcript)
    half = replace(REF, version="half", partial=True)
    change = claims.fail(claimed, PERMANENT, RetryPolicy(), NOW, JITTER, transcript=half)
    assert after(claimed, change).transcript.version == stored


def test_an_outage_gives_back_the_attempt_and_the_place_in_the_queue():
    stored = a_full()
    claimed = replace(stored, **LEARNED)
    down = BadGateway("A proxy says so (502).", status=502)
    assert after(
        stored, claims.requeue_after_outage(claimed, down, RetryPolicy(), NOW, JITTER, is_probe=False)
    ) == replace(
        claimed,
        **RELEASED,
        status=Status.QUEUED,
        status_since=NOW,
        sort_key=claimed.queue_sort_key,
        attempts=1,
        outage_count=2,
        error=Failure(code="service_down", message="A proxy says so (502).", at=NOW, retryable=True, status=502),
    )
    never_queued = a_claimed(queue_sort_key=None)
    change = claims.requeue_after_outage(never_queued, GONE, RetryPolicy(), NOW, JITTER, is_probe=False)
    assert change.updates["sort_key"] == sort_keys.queued_sort_key(NOW, to_iso(EARLIER))


def test_audio_that_seems_to_bring_the_service_down_comes_under_suspicion():
    down = BadGateway("A proxy says that it is gone.", status=502)

    def met(outages, error=down, *, probe=False):
        return claims.requeue_after_outage(
            a_claimed(outage_count=outages), error, RetryPolicy(), NOW, JITTER, is_probe=probe
        )

    assert (met(0).to_status, met(0).updates["outage_count"]) == (Status.QUEUED, 1)
    assert (met(1, probe=True).to_status, met(1, probe=True).updates["outage_count"]) == (Status.QUEUED, 1)
    assert met(MAX_OUTAGES_PER_RECORDING - 1, probe=True).to_status is Status.QUEUED
    error = Failure(code="service_down", message=down.message, at=NOW, retryable=True, status=502)
    for change in (
        met(MAX_OUTAGES_PER_RECORDING - 1),
        met(MAX_OUTAGES_PER_RECORDING),
        met(MAX_OUTAGES_PER_RECORDING, probe=True),
    ):
        assert (change.to_status, change.updates["error"]) == (Status.FAILED, error)
        assert change.updates["outage_count"] >= MAX_OUTAGES_PER_RECORDING
        assert change.updates["next_attempt_at"] is not None
    cleared = claims.fail(a_claimed(outage_count=MAX_OUTAGES_PER_RECORDING), RETRYABLE, RetryPolicy(), NOW, JITTER)
    assert cleared.updates["outage_count"] == 0


def test_no_other_outage_raises_a_suspicion():
    change = claims.requeue_after_outage(
        a_claimed(outage_count=MAX_OUTAGES_PER_RECORDING), GONE, RetryPolicy(), NOW, JITTER, is_probe=False
    )
    assert (change.to_status, change.updates["outage_count"]) == (Status.QUEUED, MAX_OUTAGES_PER_RECORDING)


def test_a_place_in_line_tells_since_when_also_that_of_what_is_given_back_or_stands_at_the_head():
    assert sort_keys.queued_at(sort_keys.queued_sort_key(NOW, to_iso(EARLIER))) == NOW
    assert sort_keys.queued_at(sort_keys.queued_sort_key(NOW, to_iso(EARLIER), at_front=True)) == NOW
    assert sort_keys.queued_at(claims.recover_expired(a_claimed(), RetryPolicy(), NOW).updates["sort_key"]) == NOW
    back = claims.requeue_after_outage(a_claimed(), GONE, RetryPolicy(), NOW, JITTER, is_probe=False)
    assert sort_keys.queued_at(back.updates["sort_key"]) == EARLIER


def test_a_lost_claim_goes_to_the_end_of_the_queue_or_ends_with_its_last_attempt():
    lost = a_full(**LEARNED)

    def recovered(max_attempts):
        return after(lost, claims.recover_expired(lost, RetryPolicy(max_attempts=max_attempts), NOW))

    error = recovered(3).error
    assert (error.code, error.at, error.retryable, error.status) == ("worker_lost", NOW, True, None)
    assert "log of the process function" in error.message
    position = sort_keys.queued_sort_key(NOW, to_iso(EARLIER)) + ISOLATED
    common = RELEASED | {"status_since": NOW, "error": error}
    queued = common | {"status": Status.QUEUED, "sort_key": position, "queue_sort_key": position}
    assert recovered(3) == replace(lost, **queued)
    assert QueueEntry(lost.id, Status.QUEUED, position).is_isolated
    assert not QueueEntry(lost.id, Status.QUEUED, lost.queue_sort_key).is_isolated
    final = common | {"status": Status.FAILED, "sort_key": sort_keys.terminal_sort_key(NOW)}
    assert recovered(2) == replace(lost, **final)


@pytest.mark.parametrize(("attempt", "longest"), [(1, 60), (2, 120), (3, 240), (6, 1920), (7, 3600), (50, 3600)])
def test_the_wait_doubles_to_an_hour_and_is_spread_over_its_upper_half(attempt, longest):
    waits = [RetryPolicy().delay(attempt, random.Random(seed)).total_seconds() for seed in range(200)]
    assert longest / 2 <= min(waits) < longest * 0.55
    assert longest * 0.95 < max(waits) <= longest


@pytest.mark.parametrize(
    ("location", "key", "path"),
    [("s3://bucket", "2026/a.wav", "s3://bucket/2026/a.wav"), ("file://", "mnt/a.wav", "/mnt/a.wav")],
)
def test_a_path_reads_as_a_person_writes_it(location, key, path):
    assert state_machine.create(location, key, size=1, etag=None, modified_at=NOW, now=NOW).path == path


def test_every_transition_has_someone_who_makes_it_and_none_leads_back_from_completed_but_a_person():
    for actor in Actor:
        assert actor in state_machine.TRANSITIONS
        if actor is not Actor.USER:
            assert Status.COMPLETED not in state_machine.TRANSITIONS[actor]
