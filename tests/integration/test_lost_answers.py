"""DynamoDB did a write, its answer was lost, and botocore sent the write again: whose was it?"""

from datetime import UTC, datetime, timedelta

import pytest

from callscribe import transitions
from callscribe.recording import Status, TranscriptRef
from callscribe.store import admission, recordings
from callscribe.transitions import Place

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEASE = NOW + timedelta(minutes=16)


@pytest.fixture
def new(handlers):
    handlers.queue()  # binds the models to the tables
    return transitions.new("s3://b", "a.wav", size=9, etag="e", modified_at=NOW, now=NOW)


def queued(new):
    recordings.add(new)
    change = transitions.queue(Place(new.id, Status.PENDING, new.position), NOW)
    return recordings.apply(new.id, change)


def claim(recording, token="mine"):
    return transitions.claim(Place(recording.id, recording.status, recording.position), token, NOW, LEASE)


def test_a_new_recording_is_ours(new, lose_the_answer):
    lose_the_answer("PutItem")
    assert recordings.add(new) is True
    assert recordings.add(transitions.new("s3://b", "a.wav", size=9, etag="e", modified_at=NOW, now=LEASE)) is False


def test_a_claim_is_ours_and_counts_once(new, lose_the_answer):
    change = claim(queued(new))
    lose_the_answer("UpdateItem")
    claimed = recordings.apply(new.id, change)
    assert (claimed.claim_token, claimed.attempts) == ("mine", 1)


def test_a_claim_that_another_made_meanwhile_is_not_ours(new, lose_the_answer):
    place = queued(new)
    assert recordings.apply(new.id, claim(place, "another"))
    lose_the_answer("UpdateItem")
    assert recordings.apply(new.id, claim(place)) is None


def test_the_end_of_a_claim_is_ours(new, lose_the_answer):
    claimed = recordings.apply(new.id, claim(queued(new)))
    assert claimed
    ref = TranscriptRef(version="v", language="en", duration=1.5, preview="é", no_speech=False)
    lose_the_answer("UpdateItem")
    assert recordings.apply(new.id, transitions.complete(claimed, ref, NOW)).status is Status.COMPLETED


def test_a_slot_is_ours_and_is_held_once(new, lose_the_answer):
    lose_the_answer("UpdateItem")
    slot = admission.take(1, "mine", NOW, LEASE)
    assert isinstance(slot, admission.Slot)
    assert slot.token == "mine"
    assert admission.take(1, "another", NOW, LEASE) is None
    admission.free(slot)
    assert admission.take(1, "another", NOW, LEASE).token == "another"
