"""The state machine of a recording: which transitions are allowed, and those of a claim. docs/states.md draws it.

One pure function per transition returns a `Transition`, which `store.recordings` applies as ONE conditional write. Its
condition is the previous status and what else must still hold. `transitions` has those of sync, queue and users.

A claim is a token and a lease. The token is the fence: a worker whose lease has expired finds another token in the
record, and its write has no effect.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from callscribe.call_metadata.metadata import Provenance
from callscribe.clock import to_iso
from callscribe.errors import InvalidTransition, RetryableError, ServiceUnavailable, SuspectedOutage, TranscriptionError
from callscribe.recordings.recording import (
    ISOLATED,
    QueueEntry,
    Recording,
    Status,
    TranscriptRef,
    queued_sort_key,
    retry_sort_key,
    terminal_sort_key,
)
from callscribe.recordings.retry_policy import RetryPolicy, next_attempt, to_failure


class Actor(StrEnum):
    """Who makes a transition."""

    SYNC = "sync"
    QUEUE = "queue"
    PROCESS = "process"
    """Any run of the process task."""
    POLLER = "poller"
    """Any run of the process task that polls for a job which the service is running."""
    WORKER = "worker"
    """The worker that holds the record's claim token."""
    USER = "user"


TRANSITIONS: Mapping[Actor, Mapping[Status, tuple[Status, ...]]] = {
    Actor.SYNC: {
        Status.PENDING: (Status.COMPLETED,),
        Status.FAILED: (Status.COMPLETED, Status.PENDING),
        Status.COMPLETED: (Status.PENDING,),
    },
    Actor.QUEUE: {Status.PENDING: (Status.QUEUED,)},
    Actor.PROCESS: {
        Status.QUEUED: (Status.PROCESSING,),
        Status.FAILED: (Status.PROCESSING, Status.QUEUED),
        Status.PROCESSING: (Status.QUEUED, Status.FAILED),
    },
    Actor.POLLER: {Status.PROCESSING: (Status.PROCESSING,)},
    Actor.WORKER: {Status.PROCESSING: (Status.PROCESSING, Status.COMPLETED, Status.FAILED, Status.QUEUED)},
    Actor.USER: {
        Status.PENDING: (Status.QUEUED,),
        Status.QUEUED: (Status.PENDING,),
        Status.FAILED: (Status.QUEUED, Status.PENDING),
        Status.COMPLETED: (Status.QUEUED,),
    },
}
"""Who may make which transition. A user needs `force` to leave `completed`; moving a queued recording to the front of
the queue is no transition."""


@dataclass(frozen=True, slots=True)
class Increment:
    """An update that adds an amount to a value that was not read."""

    amount: int


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of status. Valid only while the record has `from_status` and the values of `condition`.

    `updates` are the fields to set; None removes one.
    """

    from_status: Status
    to_status: Status
    condition: Mapping[str, Any] = field(default_factory=dict)
    updates: Mapping[str, Any] = field(default_factory=dict)


POLL_MIN, POLL_MAX = timedelta(seconds=2), timedelta(seconds=50)
POLL_FRACTION = 0.1
"""A job is polled again after this fraction of the time since it was accepted. POLL_MAX is below the minute between two
runs, so every run polls: a server that restarts is unavailable for about a minute, and does not report it later."""

MAX_OUTAGES_PER_RECORDING = 5
"""A recording's 502 of this number, and each further one, is a failed attempt: its audio crashes the service."""


def claim(entry: QueueEntry, token: str, now: datetime, lease_expires_at: datetime) -> Transition:
    """queued → processing, failed → processing: counts as an attempt.

    Requires the sort key that was read: a recording that was retried and failed in the meantime has another.
    """
    return build_transition(
        Actor.PROCESS,
        entry.status,
        Status.PROCESSING,
        now,
        condition={"sort_key": entry.sort_key},
        sort_key=to_iso(lease_expires_at),
        claim_token=token,
        lease_expires_at=lease_expires_at,
        next_attempt_at=None,
        attempts=Increment(1),
    )


def await_job(recording: Recording, slot: str, now: datetime) -> Transition:
    """processing → processing, by the claim's worker: the service runs a job, and any run may poll for it.

    The sort key is the time of the next poll: the longer the job runs, the less often.
    """
    job_started_at = recording.job_started_at or now
    poll_delay = min(max(POLL_FRACTION * (now - job_started_at), POLL_MIN), POLL_MAX)
    return _release_claim(
        Actor.WORKER,
        recording,
        Status.PROCESSING,
        now,
        status_since=recording.status_since,
        sort_key=to_iso(now + poll_delay),
        tracks=recording.tracks,  # with their failures: the attempt continues
        job_started_at=job_started_at,
        slot=slot,
    )


def claim_for_poll(recording: Recording, token: str, now: datetime, lease_expires_at: datetime) -> Transition:
    """processing → processing, by any run: claims a recording that awaits its job, to poll. Not another attempt."""
    return build_transition(
        Actor.POLLER,
        recording.status,
        Status.PROCESSING,
        now,
        condition={"sort_key": recording.sort_key},
        status_since=recording.status_since,
        sort_key=to_iso(lease_expires_at),
        claim_token=token,
        lease_expires_at=lease_expires_at,
    )


def complete(recording: Recording, transcript: TranscriptRef, now: datetime) -> Transition:
    """processing → completed, by the claim's worker."""
    return _release_claim(
        Actor.WORKER,
        replace(recording, tracks=()),
        Status.COMPLETED,
        now,
        sort_key=to_iso(now),
        transcript=transcript,
        source_changed=None,
        error=None,
        outage_count=0,
        upload_number=recording.upload_number + 1,
    )


def fail(
    recording: Recording,
    error: TranscriptionError,
    policy: RetryPolicy,
    now: datetime,
    jitter: random.Random,
    *,
    outage_count: int = 0,
    transcript: TranscriptRef | None = None,
) -> Transition:
    """processing → failed, by the claim's worker: retried later if the error's class and the attempts allow it.

    `transcript` is that of one channel, once the other is given up. It never replaces a previous full transcript.
    """
    next_attempt_at = next_attempt(recording, error, policy, now, jitter)
    has_full_transcript = recording.transcript is not None and not recording.transcript.partial
    updates: dict[str, Any] = {"transcript": transcript} if transcript and not has_full_transcript else {}
    updates["attempts"] = recording.attempts - (not error.counts_as_attempt)
    return _release_claim(
        Actor.WORKER,
        recording,
        Status.FAILED,
        now,
        sort_key=retry_sort_key(next_attempt_at) if next_attempt_at else terminal_sort_key(now),
        next_attempt_at=next_attempt_at,
        error=to_failure(error, now),
        outage_count=outage_count,
        **updates,
    )


def requeue_after_outage(
    recording: Recording,
    error: ServiceUnavailable,
    policy: RetryPolicy,
    now: datetime,
    jitter: random.Random,
    *,
    is_probe: bool,
) -> Transition:
    """processing → queued, by the claim's worker: the service was unavailable, so the attempt does not count.

    The recording keeps its previous sort key. But behind a proxy, audio that crashes the server looks like an outage.
    From its fifth 502 on (`MAX_OUTAGES_PER_RECORDING`), a recording has failed instead. A 502 that a probe meets does
    not count: the outage had begun before.
    """
    outage_count = recording.outage_count + (isinstance(error, SuspectedOutage) and not is_probe)
    if outage_count >= MAX_OUTAGES_PER_RECORDING and isinstance(error, SuspectedOutage):
        retryable_error = RetryableError(error.message, code=error.code, status=error.status)
        return fail(recording, retryable_error, policy, now, jitter, outage_count=outage_count)
    return _release_claim(
        Actor.WORKER,
        recording,
        Status.QUEUED,
        now,
        sort_key=recording.queue_sort_key or queued_sort_key(now, to_iso(recording.recorded_at)),
        attempts=recording.attempts - 1,
        outage_count=outage_count,
        error=to_failure(error, now),
    )


def recover_expired(recording: Recording, policy: RetryPolicy, now: datetime) -> Transition:
    """processing → queued, or → failed without attempts left, by any run: the lease has expired, its worker is dead.

    The recording goes to the end of the queue and is isolated from then on: if it is what kills workers, others are
    transcribed first, and none is lost with it.
    """
    error = RetryableError(
        "The worker of this recording ended without a result: it ran out of memory or was stopped. "
        "See the log of the process function at that time.",
        code="worker_lost",
    )
    sort_key = queued_sort_key(now, to_iso(recording.recorded_at)) + ISOLATED
    to_status, updates = Status.QUEUED, {"sort_key": sort_key, "queue_sort_key": sort_key}
    if recording.attempts >= policy.max_attempts:
        to_status, updates = Status.FAILED, {"sort_key": terminal_sort_key(now)}
    return _release_claim(Actor.PROCESS, recording, to_status, now, error=to_failure(error, now), **updates)


def _release_claim(actor: Actor, recording: Recording, to_status: Status, now: datetime, **updates: Any) -> Transition:
    """End a claim and store what its worker learned: about the file as it was sent, and which tracks have a result.

    Sync does not update a recording while it is claimed.
    """
    updates = {
        "next_attempt_at": None,
        "claim_token": None,
        "lease_expires_at": None,
        "slot": None,
        "size": recording.size,
        "etag": recording.etag,
        "modified_at": recording.modified_at,
        "audio": recording.audio,
        "tracks": tuple(replace(track, failure=None) for track in recording.tracks),
        "upload_number": recording.upload_number,
        "job_started_at": recording.job_started_at if recording.has_job else None,
        "job_deadline": recording.job_deadline if recording.has_job else None,
        "job_presumed_lost_at": recording.job_presumed_lost_at if recording.has_job else None,
        **updates,
    }
    if Provenance.TAGS in recording.metadata.provenance.values():
        updates["metadata"] = recording.metadata
    return build_transition(
        actor, recording.status, to_status, now, condition={"claim_token": recording.claim_token}, **updates
    )


def build_transition(
    actor: Actor,
    from_status: Status,
    to_status: Status,
    now: datetime,
    *,
    condition: Mapping[str, Any] | None = None,
    **updates: Any,
) -> Transition:
    """A transition that the table allows. Raises: InvalidTransition."""
    if to_status not in TRANSITIONS[actor].get(from_status, ()):
        raise InvalidTransition(f"{actor} cannot change a recording from {from_status} to {to_status}")
    return Transition(from_status, to_status, condition or {}, {"status_since": now, **updates})
