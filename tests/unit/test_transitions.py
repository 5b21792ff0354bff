"""The state table, and each way through it."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from callscribe import recording, transitions
from callscribe.clock import iso
from callscribe.errors import InvalidTransition, PermanentError, RetryableError, ServiceDown, ServiceUnavailable
from callscribe.recording import Status, TranscriptRef
from callscribe.transitions import ALONE, SUSPICIOUS, Actor, Add, Place, RetryPolicy

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=3)
JITTER = random.Random(1)
RETRYABLE = RetryableError("broke", code="connection_lost")
GONE = ServiceUnavailable("gone")
PERMANENT = PermanentError("not audio", code="not_audio")


def a_recording(status=Status.PENDING, **values):
    fresh = transitions.new("s3://bucket", "a.wav", size=9, etag="e", modified_at=EARLIER, now=NOW)
    return replace(fresh, status=status, **values)


def a_claimed(attempts=1, **values):
    return a_recording(
        Status.PROCESSING,
        attempts=attempts,
        claim_token="mine",
        queue_position=transitions.queued_position(EARLIER, iso(EARLIER)),
        **values,
    )


def test_the_same_file_always_has_the_same_id_and_another_file_another():
    first = recording.recording_id("s3://bucket", "a.wav")
    assert first == recording.recording_id("s3://bucket", "a.wav")
    assert len({first, recording.recording_id("s3://bucket", "b.wav"), recording.recording_id("s3://b", "a.wav")}) == 3
    assert len(first) == 20


def test_a_new_recording_is_pending_in_the_order_of_its_call():
    assert a_recording().status is Status.PENDING
    assert a_recording().position == iso(EARLIER)
    assert a_recording().attempts == 0


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
        change = transitions.request(seen, target, NOW)
        assert (change.source, change.target) == (source, target)
        assert change.values["attempts"] == 0
        assert change.values["next_attempt_at"] is None
    else:
        with pytest.raises(InvalidTransition):
            transitions.request(seen, target, NOW)


def test_completed_is_queued_again_only_by_force():
    seen = a_recording(Status.COMPLETED)
    with pytest.raises(InvalidTransition, match="force"):
        transitions.request(seen, Status.QUEUED, NOW, head=True)
    assert transitions.request(seen, Status.QUEUED, NOW, head=True, force=True).target is Status.QUEUED


def test_a_refusal_says_what_is_allowed():
    with pytest.raises(InvalidTransition, match="allowed: queued, pending"):
        transitions.request(a_recording(Status.FAILED), Status.COMPLETED, NOW)


def test_force_does_not_take_a_recording_from_its_worker():
    with pytest.raises(InvalidTransition, match="being transcribed"):
        transitions.request(a_recording(Status.PROCESSING), Status.QUEUED, NOW, head=True, force=True)


def test_the_queue_is_in_order_of_queueing_then_of_calls_and_the_head_comes_first():
    later = NOW + timedelta(seconds=1)
    line = [
        transitions.queued_position(later, iso(EARLIER), head=True),
        transitions.queued_position(NOW, iso(EARLIER)),
        transitions.queued_position(NOW, iso(NOW)),
        transitions.queued_position(later, iso(EARLIER)),
    ]
    assert line == sorted(line)


def test_what_will_be_retried_stands_before_what_waits_for_a_person():
    assert transitions.due_position(NOW + timedelta(days=1)) < transitions.final_position(EARLIER)


def test_queueing_takes_only_what_is_pending():
    place = Place("id", Status.PENDING, iso(EARLIER))
    change = transitions.queue(place, NOW)
    assert (change.source, change.target) == (Status.PENDING, Status.QUEUED)
    with pytest.raises(InvalidTransition):
        transitions.queue(replace(place, status=Status.COMPLETED), NOW)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.FAILED])
def test_a_claim_counts_as_an_attempt_and_holds_only_for_the_place_that_was_seen(status):
    lease = NOW + timedelta(minutes=16)
    change = transitions.claim(Place("id", status, "place"), "token", NOW, lease)
    assert change.expected == {"position": "place"}
    assert change.values["attempts"] == Add(1)
    assert change.values["claim_token"] == "token"
    assert change.values["position"] == iso(lease)


@pytest.mark.parametrize("status", [Status.PENDING, Status.PROCESSING, Status.COMPLETED])
def test_nothing_else_can_be_claimed(status):
    with pytest.raises(InvalidTransition):
        transitions.claim(Place("id", status, "place"), "token", NOW, NOW)


def test_every_end_of_a_claim_is_fenced_by_its_token_and_removes_it():
    claimed = a_claimed()
    ref = TranscriptRef(version="v", language="en", duration=1.0, preview="", no_speech=True)
    for change in (
        transitions.complete(claimed, ref, NOW),
        transitions.fail(claimed, RETRYABLE, RetryPolicy(), NOW, JITTER),
        transitions.fail(claimed, PERMANENT, RetryPolicy(), NOW, JITTER),
        transitions.give_back(claimed, GONE, RetryPolicy(), NOW, JITTER, probe=False),
        transitions.recover(claimed, RetryPolicy(), NOW),
    ):
        assert change.expected == {"claim_token": "mine"}
        assert change.values["claim_token"] is None
        assert change.values["lease_expires_at"] is None


def test_completion_forgets_the_last_error():
    ref = TranscriptRef(version="v", language=None, duration=None, preview="", no_speech=False)
    change = transitions.complete(a_claimed(), ref, NOW)
    assert change.values["error"] is None
    assert change.values["transcript"] is ref


def test_a_retryable_error_is_repeated_until_no_attempt_is_left():
    policy = RetryPolicy(max_attempts=3)
    second = transitions.fail(a_claimed(attempts=2), RETRYABLE, policy, NOW, JITTER)
    assert NOW < second.values["next_attempt_at"] <= NOW + timedelta(seconds=120)
    assert second.values["position"] == transitions.due_position(second.values["next_attempt_at"])
    last = transitions.fail(a_claimed(attempts=3), RETRYABLE, policy, NOW, JITTER)
    assert last.values["next_attempt_at"] is None
    assert last.values["position"] == transitions.final_position(NOW)


def test_a_permanent_error_is_not_repeated():
    change = transitions.fail(a_claimed(), PERMANENT, RetryPolicy(), NOW, JITTER)
    assert change.values["next_attempt_at"] is None
    assert change.values["error"].retryable is False
    assert change.values["error"].code == "not_audio"


def test_an_outage_gives_the_attempt_and_the_place_in_line_back():
    claimed = a_claimed(attempts=2)
    change = transitions.give_back(claimed, GONE, RetryPolicy(), NOW, JITTER, probe=False)
    assert change.target is Status.QUEUED
    assert change.values["attempts"] == 1
    assert change.values["position"] == claimed.queue_position


def test_audio_that_seems_to_bring_the_service_down_comes_under_suspicion():
    down = ServiceDown("A proxy says that it is gone.")

    def met(outages, error=down, *, probe=False):
        return transitions.give_back(a_claimed(outages=outages), error, RetryPolicy(), NOW, JITTER, probe=probe)

    assert (met(0).target, met(0).values["outages"]) == (Status.QUEUED, 1)
    assert (met(1, probe=True).target, met(1, probe=True).values["outages"]) == (Status.QUEUED, 1)
    assert met(SUSPICIOUS - 1, probe=True).target is Status.QUEUED
    for change in (met(SUSPICIOUS - 1), met(SUSPICIOUS), met(SUSPICIOUS, probe=True)):
        assert (change.target, change.values["error"].code) == (Status.FAILED, "service_down")
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


def test_the_record_keeps_the_status_that_the_service_answered_with():
    refused = RetryableError("It failed (500).", code="service_error", status=500)
    assert transitions.fail(a_claimed(), refused, RetryPolicy(), NOW, JITTER).values["error"].status == 500
    assert transitions.fail(a_claimed(), RETRYABLE, RetryPolicy(), NOW, JITTER).values["error"].status is None
    gone = ServiceDown("A proxy says so (502).", status=502)
    for outages in (0, SUSPICIOUS):
        change = transitions.give_back(a_claimed(outages=outages), gone, RetryPolicy(), NOW, JITTER, probe=False)
        assert change.values["error"].status == 502
    assert transitions.recover(a_claimed(), RetryPolicy(), NOW).values["error"].status is None


def test_a_lost_claim_goes_to_the_end_of_the_line_or_ends_with_its_last_attempt():
    again = transitions.recover(a_claimed(attempts=4), RetryPolicy(max_attempts=5), NOW)
    assert again.target is Status.QUEUED
    assert again.values["position"] == again.values["queue_position"] > a_claimed().queue_position
    assert again.values["position"].endswith(ALONE)
    ended = transitions.recover(a_claimed(attempts=5), RetryPolicy(max_attempts=5), NOW)
    assert ended.target is Status.FAILED
    assert ended.values["error"].code == "worker_lost"


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
