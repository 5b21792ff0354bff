"""Every way from one status to another: a table, and a pure function for each way. docs/states.md draws it.

Nothing here reads or writes. A function returns a `Change`; `store.recordings` applies it as ONE conditional write that
names the status it comes from and what else must still hold.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from callscribe.call_metadata.metadata import CallMetadata, Provenance
from callscribe.clock import to_iso
from callscribe.errors import (
    BadGateway,
    InvalidTransition,
    PermanentError,
    RetryableError,
    ServiceUnavailable,
    TranscriptionError,
)
from callscribe.recordings.recording import Failure, Recording, Status, TranscriptRef, index_key, recording_id


class Actor(StrEnum):
    """Who makes a transition."""

    SYNC = "sync"
    QUEUE = "queue"
    PROCESS = "process"
    """Any run of the process task."""
    POLLER = "poller"
    """Any run of the process task that asks for a job which the service has under way."""
    WORKER = "worker"
    """The worker whose claim token the record holds."""
    USER = "person"


TRANSITIONS: Mapping[Actor, Mapping[Status, tuple[Status, ...]]] = {
    Actor.SYNC: {Status.PENDING: (Status.COMPLETED,), Status.FAILED: (Status.COMPLETED,)},
    Actor.QUEUE: {Status.PENDING: (Status.QUEUED,)},
    Actor.PROCESS: {
        Status.QUEUED: (Status.PROCESSING,),
        Status.FAILED: (Status.PROCESSING,),
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
"""Who may do what. A person moves `completed` only by force; `queued` to the head of the queue is no transition."""


EMPTY_METADATA = CallMetadata()

ISOLATED = " alone"
"""Ends the place in line of a recording whose worker died: should it be what kills workers, it takes no other along."""

POLL_MIN, POLL_MAX = timedelta(seconds=2), timedelta(seconds=50)
POLL_FRACTION = 0.1
"""A job is polled again after this part of the time that it has been under way. Runs come once a minute, and none is
left out: a server that restarts is away for a minute or so, and says nothing of it afterwards."""

MAX_OUTAGES_PER_RECORDING = 5
"""So many outages may begin with one recording. Chance does not do that; audio that brings the service down does."""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """What the index of statuses tells of a recording without reading it."""

    id: str
    status: Status
    sort_key: str

    @property
    def is_isolated(self) -> bool:
        """Whether a worker that had it died: nothing else is to be sent beside it."""
        return self.sort_key.endswith(ISOLATED)


@dataclass(frozen=True, slots=True)
class Increment:
    """A change by an amount, for a value that was not read."""

    amount: int


@dataclass(frozen=True, slots=True)
class Transition:
    """One transition: it holds only if the record's status is still `source` and its `expected` values are the same.

    `values` are the fields to set; None removes one.
    """

    from_status: Status
    to_status: Status
    condition: Mapping[str, Any] = field(default_factory=dict)
    updates: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed attempt is repeated. Doubling from `base` seconds to at most `longest`."""

    max_attempts: int = 5
    base_seconds: float = 60.0
    max_seconds: float = 3600.0

    def delay(self, attempt: int, jitter: random.Random) -> timedelta:
        """How long to wait after the attempt of this number (from 1): half to all of the doubled time."""
        return timedelta(
            seconds=jitter.uniform(0.5, 1.0) * min(self.base_seconds * 2 ** (attempt - 1), self.max_seconds)
        )


# Places in line. Within a status the index is sorted by these, so that what comes first is due first.
# A leading digit is a lane: everything in lane 0 comes before everything in lane 1.

PRIORITY_NORMAL = "1 "


def pending_sort_key(recorded_at: datetime) -> str:
    """The oldest call first."""
    return to_iso(recorded_at)


def queued_sort_key(now: datetime, recorded_at: str, *, at_front: bool = False) -> str:
    """By the time of queueing, then the oldest call first; what a person asked for, at the head."""
    return f"{0 if at_front else 1} {to_iso(now)} {recorded_at}"


def queued_at(sort_key: str) -> datetime:
    """When a recording was put in line, out of its place there: one that is given back has both as before."""
    return datetime.fromisoformat(sort_key.split(" ")[1])


def retry_sort_key(next_attempt_at: datetime) -> str:
    """A failed recording that will be retried stands where its next attempt is due."""
    return f"0 {to_iso(next_attempt_at)}"


def terminal_sort_key(now: datetime) -> str:
    """A failed recording that waits for a person stands behind all that will be retried."""
    return f"{PRIORITY_NORMAL}{to_iso(now)}"


def create(
    location: str,
    key: str,
    *,
    size: int,
    etag: str | None,
    modified_at: datetime,
    now: datetime,
    version: str = "",
    metadata: CallMetadata = EMPTY_METADATA,
    recorded_at: datetime | None = None,
    transcript: TranscriptRef | None = None,
) -> Recording:
    """– → pending: what sync writes for a file without a record; – → completed where a transcript lies beside it.

    `version` tells this file from what may lie there later. Without `recorded_at`, the call was when it was written.
    """
    called_at = recorded_at or modified_at
    return Recording(
        id=recording_id(location, key),
        location=location,
        key=key,
        size=size,
        etag=etag,
        modified_at=modified_at,
        recorded_at=called_at,
        created_at=now,
        status=Status.COMPLETED if transcript else Status.PENDING,
        status_since=now,
        sort_key=to_iso(now) if transcript else pending_sort_key(called_at),
        index_key=index_key(key, version),
        metadata=metadata,
        transcript=transcript,
    )


def complete_from_sidecar(recording: Recording, transcript: TranscriptRef, now: datetime) -> Transition:
    """pending → completed, failed → completed, by sync: a transcript has come to lie beside the file.

    Holds only for the very place that was seen: one that was claimed meanwhile has another.
    """
    return _transition(
        Actor.SYNC,
        recording.status,
        Status.COMPLETED,
        now,
        condition={"sort_key": recording.sort_key},
        sort_key=to_iso(now),
        transcript=transcript,
        error=None,
        next_attempt_at=None,
        tracks=(),
        job_started_at=None,
        job_deadline=None,
    )


def enqueue(entry: QueueEntry, now: datetime) -> Transition:
    """pending → queued. The place in line among the pending is the time of the call, and goes along."""
    sort_key = queued_sort_key(now, entry.sort_key)
    return _transition(Actor.QUEUE, entry.status, Status.QUEUED, now, sort_key=sort_key, queue_sort_key=sort_key)


def claim(entry: QueueEntry, token: str, now: datetime, lease_expires_at: datetime) -> Transition:
    """queued → processing, failed → processing: counts as an attempt.

    Holds only for the very place that was seen: one that was retried and failed meanwhile has another.
    """
    return _transition(
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
    """processing → processing, by the holder of the claim: the service works on a job, and any run may poll for it.

    The slot stays held. The place in line is when to poll next: the longer it has been under way, the less often.
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
        job_started_at=job_started_at,
        slot=slot,
    )


def claim_for_poll(recording: Recording, token: str, now: datetime, lease_expires_at: datetime) -> Transition:
    """processing → processing, by any run: a claim on a parked recording, to poll for its job. It is no new attempt."""
    return _transition(
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
    """processing → completed, by the holder of the claim."""
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
    """processing → failed, by the holder of the claim: to be retried if the error's class and the attempts allow it.

    `transcript` is that of the part which could be transcribed, once the other one is given up; it stands in for none,
    and never for a whole one of before.
    """
    failure = to_failure(error, now)
    next_attempt_at = None
    if will_retry(recording, error, policy):
        next_attempt_at = now + policy.delay(recording.attempts, jitter)
    has_full_transcript = recording.transcript is not None and not recording.transcript.partial
    updates: dict[str, Any] = {"transcript": transcript} if transcript and not has_full_transcript else {}
    return _release_claim(
        Actor.WORKER,
        recording,
        Status.FAILED,
        now,
        sort_key=retry_sort_key(next_attempt_at) if next_attempt_at else terminal_sort_key(now),
        next_attempt_at=next_attempt_at,
        error=failure,
        outage_count=outage_count,
        **updates,
    )


def will_retry(recording: Recording, error: TranscriptionError, policy: RetryPolicy) -> bool:
    """Whether there is another attempt after this error."""
    return not isinstance(error, PermanentError) and recording.attempts < policy.max_attempts


def requeue_after_outage(
    recording: Recording,
    error: ServiceUnavailable,
    policy: RetryPolicy,
    now: datetime,
    jitter: random.Random,
    *,
    is_probe: bool,
) -> Transition:
    """processing → queued, by the holder of the claim: nobody was there to try, so the attempt does not count.

    It returns to the place in line that it had. But audio that brings a server down looks like an outage when a proxy
    stands before it. Once `SUSPICIOUS` outages have begun so with this recording, each further one is a failed attempt.
    (What a probe meets had begun before it.)
    """
    outage_count = recording.outage_count + (isinstance(error, BadGateway) and not is_probe)
    if outage_count >= MAX_OUTAGES_PER_RECORDING and isinstance(error, BadGateway):
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
    """processing → queued, or → failed when no attempt is left: the lease has run out, so its worker is dead.

    It goes to the end of the line, and is sent alone from then on: should it be what kills workers, others come first,
    and none dies with it.
    """
    error = RetryableError(
        "The worker that had this recording ended without a result: it ran out of memory, or was stopped. "
        "Look into the log of the process function at that time.",
        code="worker_lost",
    )
    if recording.attempts >= policy.max_attempts:
        return _release_claim(
            Actor.PROCESS, recording, Status.FAILED, now, sort_key=terminal_sort_key(now), error=to_failure(error, now)
        )
    sort_key = queued_sort_key(now, to_iso(recording.recorded_at)) + ISOLATED
    return _release_claim(
        Actor.PROCESS,
        recording,
        Status.QUEUED,
        now,
        sort_key=sort_key,
        queue_sort_key=sort_key,
        error=to_failure(error, now),
    )


def user_transition(
    recording: Recording, to_status: Status, now: datetime, *, at_front: bool = False, force: bool = False
) -> Transition:
    """What a person asks for over the API: a fresh start, with no attempts counted, and no job of before.

    A channel that is done stays done. Raises InvalidTransition, whose message says which statuses are allowed.
    """
    allowed_statuses = allowed_user_transitions(recording.status, force=force)
    is_moved_to_front = recording.status is to_status is Status.QUEUED and at_front
    if to_status not in allowed_statuses and not is_moved_to_front:
        raise InvalidTransition(_refusal_message(recording.status, to_status, allowed_statuses))
    sort_key = (
        queued_sort_key(now, to_iso(recording.recorded_at), at_front=at_front)
        if to_status is Status.QUEUED
        else pending_sort_key(recording.recorded_at)
    )
    return Transition(
        recording.status,
        to_status,
        {},
        {
            "status_since": now,
            "sort_key": sort_key,
            "queue_sort_key": sort_key if to_status is Status.QUEUED else None,
            "attempts": 0,
            "outage_count": 0,
            "next_attempt_at": None,
            "tracks": tuple(replace(track, job=None) for track in recording.tracks if track.channel),
            "upload_number": Increment(int(recording.has_job)),  # it may have been sent again since it was seen
            "job_started_at": None,
            "job_deadline": None,
        },
    )


def allowed_user_transitions(status: Status, *, force: bool = False) -> tuple[Status, ...]:
    """The statuses that a person may give to a recording of this status; `completed` gives way only to force."""
    return () if status is Status.COMPLETED and not force else TRANSITIONS[Actor.USER].get(status, ())


def to_failure(error: TranscriptionError, now: datetime) -> Failure:
    """What the record keeps of an error."""
    retryable = not isinstance(error, PermanentError)
    return Failure(code=error.code, message=error.message, at=now, retryable=retryable, status=error.status)


def _refusal_message(status: Status, to_status: Status, allowed_statuses: tuple[Status, ...]) -> str:
    if status is Status.COMPLETED:
        return (
            f"A completed recording does not become {to_status}. To transcribe it again, "
            'POST …/transcribe with {"force": true}.'
        )
    if status is Status.PROCESSING:
        return "The recording is being transcribed. Wait until it is completed or failed."
    return f"A recording that is {status} cannot become {to_status}; allowed: {', '.join(allowed_statuses)}."


def _transition(
    actor: Actor,
    from_status: Status,
    to_status: Status,
    now: datetime,
    *,
    condition: Mapping[str, Any] | None = None,
    **updates: Any,
) -> Transition:
    if to_status not in TRANSITIONS[actor].get(from_status, ()):
        raise InvalidTransition(f"{actor} does not make a {from_status} recording {to_status}")
    return Transition(from_status, to_status, condition or {}, {"status_since": now, **updates})


def _release_claim(actor: Actor, recording: Recording, to_status: Status, now: datetime, **updates: Any) -> Transition:
    """Ends a claim. The token is the fence: a worker that comes too late finds another, and writes nothing.

    What was learned on the way is kept: about the file as it was sent, and which parts are under way or done. Sync
    leaves a recording alone meanwhile.
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
        "tracks": recording.tracks,
        "upload_number": recording.upload_number,
        "job_started_at": recording.job_started_at if recording.has_job else None,
        "job_deadline": recording.job_deadline if recording.has_job else None,
        **updates,
    }
    if Provenance.TAGS in recording.metadata.provenance.values():
        updates["metadata"] = recording.metadata
    return _transition(
        actor, recording.status, to_status, now, condition={"claim_token": recording.claim_token}, **updates
    )
