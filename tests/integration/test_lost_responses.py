"""DynamoDB applied a write, its response was lost, and botocore repeated it: the write is recognised as ours."""

from datetime import UTC, datetime, timedelta

import pytest

from callscribe.recordings import state_machine, transitions
from callscribe.recordings.circuit_breaker import Outage
from callscribe.recordings.recording import QueueEntry, Status, TranscriptRef
from callscribe.store import admission, recordings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEASE = NOW + timedelta(minutes=16)


@pytest.fixture
def new(handlers):
    handlers.queue()  # configures the tables
    return transitions.create("s3://b", "a.wav", size=9, etag="e", modified_at=NOW, now=NOW)


def queued(new):
    recordings.create(new)
    transition = transitions.enqueue(QueueEntry(new.id, Status.PENDING, new.sort_key), NOW)
    return recordings.apply_transition(new.id, transition)


def claim(recording, token="mine"):
    return state_machine.claim(QueueEntry(recording.id, recording.status, recording.sort_key), token, NOW, LEASE)


def test_repeated_creation_reports_the_recording_as_created(new, lose_response):
    lose_response("PutItem")
    assert recordings.create(new) is True
    assert (
        recordings.create(transitions.create("s3://b", "a.wav", size=9, etag="e", modified_at=NOW, now=LEASE)) is False
    )


def test_repeated_claim_succeeds_and_counts_one_attempt(new, lose_response):
    transition = claim(queued(new))
    lose_response("UpdateItem")
    claimed = recordings.apply_transition(new.id, transition)
    assert (claimed.claim_token, claimed.attempts) == ("mine", 1)


def test_repeated_claim_fails_if_another_worker_was_faster(new, lose_response):
    recording = queued(new)
    assert recordings.apply_transition(new.id, claim(recording, "another"))
    lose_response("UpdateItem")
    assert recordings.apply_transition(new.id, claim(recording)) is None


def test_repeated_completion_succeeds(new, lose_response):
    claimed = recordings.apply_transition(new.id, claim(queued(new)))
    assert claimed
    ref = TranscriptRef(version="v", language="en", duration=1.5, preview="é", no_speech=False)
    lose_response("UpdateItem")
    assert recordings.apply_transition(new.id, state_machine.complete(claimed, ref, NOW)).status is Status.COMPLETED


def test_repeated_acquisition_holds_one_slot(new, lose_response):
    lose_response("UpdateItem")
    slot = admission.acquire(1, "mine", NOW, LEASE)
    assert isinstance(slot, admission.Slot)
    assert slot.token == "mine"
    assert admission.acquire(1, "another", NOW, LEASE) is None
    admission.release(slot)
    assert admission.acquire(1, "another", NOW, LEASE).token == "another"


def test_repeated_update_of_metadata_succeeds(new, lose_response):
    recordings.create(new)
    lose_response("UpdateItem")
    updated = recordings.update_fields(new.id, {"size": 9}, {"size": 10})
    assert updated
    assert updated.size == 10
    assert recordings.update_fields(new.id, {"size": 9}, {"size": 11}) is None


def test_repeated_write_of_a_polls_probe_keeps_it_the_probe(new, lose_response):
    job = admission.acquire(1, "job", NOW, LEASE)
    assert isinstance(job, admission.Slot)
    outage = Outage(
        since=NOW, next_try_at=NOW, backoff_seconds=60, failures=1, code="service_unavailable", message="No connection."
    )
    admission.open_circuit(job, outage)
    lose_response("UpdateItem")
    probe = admission.acquire_probe(job, "poll", NOW, LEASE)
    assert isinstance(probe, admission.Slot)
    assert probe.probe_token == "poll"


def test_repeated_correction_with_microseconds_succeeds(new, lose_response):
    recordings.create(new)
    metadata = new.metadata.with_corrections({"started_at": datetime(2026, 11, 18, 9, 30, 0, 123456, tzinfo=UTC)})
    lose_response("UpdateItem")
    assert recordings.update_fields(new.id, {"metadata": new.metadata}, {"metadata": metadata})
