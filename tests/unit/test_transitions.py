"""The state table, and each way through it: what the record is before, and what it is afterwards."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from callscribe import recording, transitions
from callscribe.clock import iso
from callscribe.errors import InvalidTransition, PermanentError, RetryableError, ServiceDown, ServiceUnavailable
from callscribe.metadata import CallMetadata, Origin
from callscribe.recording import AudioInfo, Channel, Failure, Part, Recording, Status, TranscriptRef, entry_of
from callscribe.transitions import ALONE, SUSPICIOUS, Actor, Add, Place, RetryPolicy

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
    "parts": (Part(job="7"),),
    "sending": 3,
    "job_since": EARLIER,
    "job_until": NOW,
    "metadata": CallMetadata(party="Ada", origins={"party": Origin.TAGS}),
}
"""What a worker finds out on the way."""


def a_recording(status=Status.PENDING, **values):
    fresh = transitions.new("s3://bucket", "a.wav", size=9, etag="e", modified_at=EARLIER, now=NOW)
    return replace(fresh, status=status, **values)


def a_claimed(attempts=1, **values):
    place = transitions.queued_position(EARLIER, iso(EARLIER))
    claim = {"attempts": attempts, "claim_token": "mine", "queue_position": place}
    return a_recording(Status.PROCESSING, **claim | values)


def a_full(status=Status.PROCESSING, **values):
    """One with a value in each field that a transition may clear."""
    error = Failure(code="c", message="m", at=EARLIER, retryable=True)
    times = dict.fromkeys(("status_since", "source_changed", "next_attempt_at", "lease_expires_at"), EARLIER)
    claimed = a_claimed(2, error=error, outages=1, slot="s", transcript=replace(REF, version="before"))
    return replace(claimed, status=status, **times | values)


def after(stored, change):
    """The record as the change leaves it."""
    assert change.source is stored.status
    values = {
        name: getattr(stored, name) + value.amount if isinstance(value, Add) else value
        for name, value in change.values.items()
    }
    return replace(stored, status=change.target, **values)


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
        position=iso(EARLIER),
        entry=entry_of("a.wav", ""),
    )
    assert transitions.new(**file, now=NOW) == pending
    called = EARLIER - timedelta(hours=1)
    known: dict[str, Any] = {"metadata": LEARNED["metadata"], "recorded_at": called}
    of_a_call = replace(pending, **known, entry=entry_of("a.wav", "2"), position=iso(called))
    assert transitions.new(**file, now=NOW, version="2", **known) == of_a_call
    completed = replace(pending, status=Status.COMPLETED, position=iso(NOW), transcript=REF)
    assert transitions.new(**file, now=NOW, transcript=REF) == completed


@pytest.mark.parametrize("status", [Status.PENDING, Status.FAILED])
def test_a_transcript_next_to_the_file_completes_a_recording_that_was_not_claimed_since(status):
    seen = a_full(status, **LEARNED)
    change = transitions.adopt(seen, REF, NOW)
    assert change.expected == {"position": seen.position}
    assert after(seen, change) == replace(
        seen,
        status=Status.COMPLETED,
        status_since=NOW,
        position=iso(NOW),
        transcript=REF,
        error=None,
        next_attempt_at=None,
        parts=(),
        job_since=None,
        job_until=None,
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
        assert after(seen, transitions.request(seen, target, NOW)).status is target
    else:
        with pytest.raises(InvalidTransition):
            transitions.request(seen, target, NOW)


def test_a_request_starts_afresh_but_keeps_the_channels_that_are_done():
    done = Part(channel=Channel.LEFT, transcript="v")
    under_way = Part(channel=Channel.RIGHT, job="7")
    seen = a_full(Status.FAILED, **LEARNED | {"parts": (done, under_way, Part(job="8"))})
    fresh = replace(
        seen,
        status=Status.PENDING,
        status_since=NOW,
        position=iso(EARLIER),
        queue_position=None,
        attempts=0,
        outages=0,
        next_attempt_at=None,
        parts=(done, replace(under_way, job=None)),
        sending=seen.sending + 1,
        job_since=None,
        job_until=None,
    )
    change = transitions.request(seen, Status.PENDING, NOW)
    assert change.expected == {}
    assert after(seen, change) == fresh
    for head in (False, True):
        place = transitions.queued_position(NOW, iso(EARLIER), head=head)
        queued = replace(fresh, status=Status.QUEUED, position=place, queue_position=place)
        assert after(seen, transitions.request(seen, Status.QUEUED, NOW, head=head)) == queued
    without_job = a_full(Status.FAILED)
    assert after(without_job, transitions.request(without_job, Status.PENDING, NOW)).sending == without_job.sending


def test_what_is_queued_can_be_moved_to_the_head_and_nowhere_else():
    seen = a_recording(Status.QUEUED)
    head = transitions.queued_position(NOW, iso(EARLIER), head=True)
    assert after(seen, transitions.request(seen, Status.QUEUED, NOW, head=True)).position == head
    for status, target in ((Status.QUEUED, Status.COMPLETED), (Status.PENDING, Status.PENDING)):
        with pytest.raises(InvalidTransition):
            transitions.request(a_recording(status), target, NOW, head=True)


def test_completed_is_queued_again_only_by_force():
    seen = a_recording(Status.COMPLETED)
    with pytest.raises(InvalidTransition, match="force"):
        transitions.request(seen, Status.QUEUED, NOW, head=True)
    assert transitions.request(seen, Status.QUEUED, NOW, head=True, force=True).target is Status.QUEUED
    assert transitions.allowed_for_person(Status.COMPLETED) == ()


def test_a_refusal_says_what_is_allowed():
    with pytest.raises(InvalidTransition, match="become completed; allowed: queued, pending"):
        transitions.request(a_recording(Status.FAILED), Status.COMPLETED, NOW)


def test_force_does_not_take_a_recording_from_its_worker():
    with pytest.raises(InvalidTransition, match="being transcribed"):
        transitions.request(a_recording(Status.PROCESSING), Status.QUEUED, NOW, head=True, force=True)


def test_the_queue_is_in_order_of_queueing_then_of_calls_and_the_head_comes_first():
    later = NOW + timedelta(seconds=1)
    line = [
        transitions.queued_position(later, iso(EARLIER), head=True),
        transitions.LANE_1,
        transitions.queued_position(NOW, iso(EARLIER)),
        transitions.queued_position(NOW, iso(NOW)),
        transitions.queued_position(later, iso(EARLIER)),
        transitions.final_position(later + timedelta(seconds=1)),
    ]
    assert line == sorted(line)


def test_what_will_be_retried_stands_before_what_waits_for_a_person():
    assert transitions.due_position(NOW + timedelta(days=1)) < transitions.final_position(EARLIER)


def test_queueing_takes_only_what_is_pending():
    seen = a_full(Status.PENDING)
    place = Place(seen.id, seen.status, seen.position)
    position = transitions.queued_position(NOW, iso(EARLIER))
    queued = {"status": Status.QUEUED, "status_since": NOW, "position": position, "queue_position": position}
    change = transitions.queue(place, NOW)
    assert after(seen, change) == replace(seen, **queued)
    assert change.expected == {}
    with pytest.raises(InvalidTransition, match="completed"):
        transitions.queue(replace(place, status=Status.COMPLETED), NOW)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.FAILED])
def test_a_claim_counts_as_an_attempt_and_holds_only_for_the_place_that_was_seen(status):
    seen, lease = a_full(status), NOW + timedelta(minutes=16)
    change = transitions.claim(Place(seen.id, status, "place"), "token", NOW, lease)
    assert change.expected == {"position": "place"}
    assert after(seen, change) == replace(
        seen,
        status=Status.PROCESSING,
        status_since=NOW,
        position=iso(lease),
        claim_token="token",
        lease_expires_at=lease,
        next_attempt_at=None,
        attempts=3,
    )


@pytest.mark.parametrize("status", [Status.PENDING, Status.PROCESSING, Status.COMPLETED])
def test_nothing_else_can_be_claimed(status):
    with pytest.raises(InvalidTransition):
        transitions.claim(Place("id", status, "place"), "token", NOW, NOW)


@pytest.mark.parametrize(("under_way", "pause"), [(0, 2), (20, 2), (30, 3), (500, 50), (9000, 50)])
def test_a_job_is_polled_less_often_the_longer_it_is_under_way(under_way, pause):
    since, lease = NOW - timedelta(seconds=under_way), NOW + timedelta(minutes=5)
    stored = a_full()
    claimed = replace(stored, **LEARNED | {"job_since": since if under_way else None})
    change = transitions.park(claimed, "kept", NOW)
    assert change.expected == {"claim_token": "mine"}
    next_poll = iso(NOW + timedelta(seconds=pause))
    parked = replace(claimed, **RELEASED | {"slot": "kept", "position": next_poll, "job_since": since})
    assert after(stored, change) == parked
    change = transitions.resume(parked, "token", NOW, lease)
    assert change.expected == {"position": next_poll}
    claim = {"claim_token": "token", "lease_expires_at": lease, "position": iso(lease)}
    assert after(parked, change) == replace(parked, **claim)


def test_every_end_of_a_claim_is_fenced_by_its_token_and_removes_it():
    claimed = a_claimed()
    for change in (
        transitions.complete(claimed, REF, NOW),
        transitions.fail(claimed, RETRYABLE, RetryPolicy(), NOW, JITTER),
        transitions.fail(claimed, PERMANENT, RetryPolicy(), NOW, JITTER),
        transitions.give_back(claimed, GONE, RetryPolicy(), NOW, JITTER, probe=False),
        transitions.recover(claimed, RetryPolicy(), NOW),
    ):
        assert change.expected == {"claim_token": "mine"}
        assert change.values["claim_token"] is None


def test_completion_keeps_what_was_learned_and_forgets_the_last_error_and_the_job():
    stored = a_full()
    claimed = replace(stored, **LEARNED)
    done = {"parts": (), "sending": claimed.sending + 1, "job_since": None, "job_until": None}
    assert after(stored, transitions.complete(claimed, REF, NOW)) == replace(
        claimed,
        **RELEASED | done,
        status=Status.COMPLETED,
        status_since=NOW,
        position=iso(NOW),
        transcript=REF,
        source_changed=None,
        error=None,
        outages=0,
    )


def test_metadata_that_was_not_read_in_the_audio_is_left_to_sync():
    metadata = CallMetadata(party="Ada", origins={"party": Origin.NAME})
    assert "metadata" not in transitions.complete(a_full(metadata=metadata), REF, NOW).values


def test_a_retryable_error_is_repeated_until_no_attempt_is_left():
    stored = a_full()
    claimed = replace(stored, **LEARNED)
    refused = RetryableError("It failed (500).", code="service_error", status=500)
    error = Failure(code="service_error", message="It failed (500).", at=NOW, retryable=True, status=500)
    failed = replace(claimed, **RELEASED, status=Status.FAILED, status_since=NOW, error=error, outages=0)

    policy = RetryPolicy(max_attempts=3)
    due = NOW + policy.delay(2, random.Random(7))
    waiting = replace(failed, position=transitions.due_position(due), next_attempt_at=due)
    assert after(stored, transitions.fail(claimed, refused, policy, NOW, random.Random(7))) == waiting

    final = replace(failed, position=transitions.final_position(NOW))
    assert after(stored, transitions.fail(claimed, refused, RetryPolicy(max_attempts=2), NOW, JITTER)) == final


def test_a_permanent_error_is_not_repeated():
    change = transitions.fail(a_claimed(), PERMANENT, RetryPolicy(), NOW, JITTER)
    assert change.values["next_attempt_at"] is None
    assert change.values["error"].retryable is False
    assert change.values["error"].code == "not_audio"


@pytest.mark.parametrize(("before", "stored"), [(None, "half"), ("another half", "half"), ("whole", "whole")])
def test_half_a_transcript_replaces_none_or_another_half_but_never_a_whole_one(before, stored):
    transcript = replace(REF, version=before, partial=before != "whole") if before else None
    claimed = a_claimed(transcript=transcript)
    half = replace(REF, version="half", partial=True)
    change = transitions.fail(claimed, PERMANENT, RetryPolicy(), NOW, JITTER, transcript=half)
    assert after(claimed, change).transcript.version == stored


def test_an_outage_gives_back_the_attempt_and_the_place_in_the_queue():
    stored = a_full()
    claimed = replace(stored, **LEARNED)
    down = ServiceDown("A proxy says so (502).", status=502)
    assert after(stored, transitions.give_back(claimed, down, RetryPolicy(), NOW, JITTER, probe=False)) == replace(
        claimed,
        **RELEASED,
        status=Status.QUEUED,
        status_since=NOW,
        position=claimed.queue_position,
        attempts=1,
        outages=2,
        error=Failure(code="service_down", message="A proxy says so (502).", at=NOW, retryable=True, status=502),
    )
    never_queued = a_claimed(queue_position=None)
    change = transitions.give_back(never_queued, GONE, RetryPolicy(), NOW, JITTER, probe=False)
    assert change.values["position"] == transitions.queued_position(NOW, iso(EARLIER))


def test_audio_that_seems_to_bring_the_service_down_comes_under_suspicion():
    down = ServiceDown("A proxy says that it is gone.", status=502)

    def met(outages, error=down, *, probe=False):
        return transitions.give_back(a_claimed(outages=outages), error, RetryPolicy(), NOW, JITTER, probe=probe)

    assert (met(0).target, met(0).values["outages"]) == (Status.QUEUED, 1)
    assert (met(1, probe=True).target, met(1, probe=True).values["outages"]) == (Status.QUEUED, 1)
    assert met(SUSPICIOUS - 1, probe=True).target is Status.QUEUED
    error = Failure(code="service_down", message=down.message, at=NOW, retryable=True, status=502)
    for change in (met(SUSPICIOUS - 1), met(SUSPICIOUS), met(SUSPICIOUS, probe=True)):
        assert (change.target, change.values["error"]) == (Status.FAILED, error)
        assert change.values["outages"] >= SUSPICIOUS
        assert change.values["next_attempt_at"] is not None
    cleared = transitions.fail(a_claimed(outages=SUSPICIOUS), RETRYABLE, RetryPolicy(), NOW, JITTER)
    assert cleared.values["outages"] == 0


def test_no_other_outage_raises_a_suspicion():
    change = transitions.give_back(a_claimed(outages=SUSPICIOUS), GONE, RetryPolicy(), NOW, JITTER, probe=False)
    assert (change.target, change.values["outages"]) == (Status.QUEUED, SUSPICIOUS)


def test_a_place_in_line_tells_since_when_also_that_of_what_is_given_back_or_stands_at_the_head():
    assert transitions.queued_since(transitions.queued_position(NOW, iso(EARLIER))) == NOW
    assert transitions.queued_since(transitions.queued_position(NOW, iso(EARLIER), head=True)) == NOW
    assert transitions.queued_since(transitions.recover(a_claimed(), RetryPolicy(), NOW).values["position"]) == NOW
    back = transitions.give_back(a_claimed(), GONE, RetryPolicy(), NOW, JITTER, probe=False)
    assert transitions.queued_since(back.values["position"]) == EARLIER


def test_a_lost_claim_goes_to_the_end_of_the_queue_or_ends_with_its_last_attempt():
    lost = a_full(**LEARNED)

    def recovered(max_attempts):
        return after(lost, transitions.recover(lost, RetryPolicy(max_attempts=max_attempts), NOW))

    error = recovered(3).error
    assert (error.code, error.at, error.retryable, error.status) == ("worker_lost", NOW, True, None)
    assert "log of the process function" in error.message
    position = transitions.queued_position(NOW, iso(EARLIER)) + ALONE
    common = RELEASED | {"status_since": NOW, "error": error}
    queued = common | {"status": Status.QUEUED, "position": position, "queue_position": position}
    assert recovered(3) == replace(lost, **queued)
    assert Place(lost.id, Status.QUEUED, position).alone
    assert not Place(lost.id, Status.QUEUED, lost.queue_position).alone
    final = common | {"status": Status.FAILED, "position": transitions.final_position(NOW)}
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
    assert transitions.new(location, key, size=1, etag=None, modified_at=NOW, now=NOW).path == path


def test_every_transition_has_someone_who_makes_it_and_none_leads_back_from_completed_but_a_person():
    for actor in Actor:
        assert actor in transitions.TRANSITIONS
        if actor is not Actor.PERSON:
            assert Status.COMPLETED not in transitions.TRANSITIONS[actor]
