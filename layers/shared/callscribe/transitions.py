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

from callscribe.clock import iso
from callscribe.errors import (
    InvalidTransition,
    PermanentError,
    RetryableError,
    ServiceDown,
    ServiceUnavailable,
    TranscriptionError,
)
from callscribe.metadata import CallMetadata, Origin
from callscribe.recording import Failure, Recording, Status, TranscriptRef, entry_of, recording_id


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
    PERSON = "person"


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
    Actor.PERSON: {
        Status.PENDING: (Status.QUEUED,),
        Status.QUEUED: (Status.PENDING,),
        Status.FAILED: (Status.QUEUED, Status.PENDING),
        Status.COMPLETED: (Status.QUEUED,),
    },
}
"""Who may do what. A person moves `completed` only by force; `queued` to the head of the queue is no transition."""


NOTHING_KNOWN = CallMetadata()

ALONE = " alone"
"""Ends the place in line of a recording whose worker died: should it be what kills workers, it takes no other along."""

POLL_SOONEST, POLL_LATEST = timedelta(seconds=2), timedelta(seconds=50)
POLL_PART = 0.1
"""A job is polled again after this part of the time that it has been under way. Runs come once a minute, and none is
left out: a server that restarts is away for a minute or so, and says nothing of it afterwards."""

SUSPICIOUS = 5
"""So many outages may begin with one recording. Chance does not do that; audio that brings the service down does."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the index of statuses tells of a recording without reading it."""

    id: str
    status: Status
    position: str

    @property
    def alone(self) -> bool:
        """Whether a worker that had it died: nothing else is to be sent beside it."""
        return self.position.endswith(ALONE)


@dataclass(frozen=True, slots=True)
class Add:
    """A change by an amount, for a value that was not read."""

    amount: int


@dataclass(frozen=True, slots=True)
class Change:
    """One transition: it holds only if the record's status is still `source` and its `expected` values are the same.

    `values` are the fields to set; None removes one.
    """

    source: Status
    target: Status
    expected: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed attempt is repeated. Doubling from `base` seconds to at most `longest`."""

    max_attempts: int = 5
    base: float = 60.0
    longest: float = 3600.0

    def delay(self, attempt: int, jitter: random.Random) -> timedelta:
        """How long to wait after the attempt of this number (from 1): half to all of the doubled time."""
        return timedelta(seconds=jitter.uniform(0.5, 1.0) * min(self.base * 2 ** (attempt - 1), self.longest))


# Places in line. Within a status the index is sorted by these, so that what comes first is due first.
# A leading digit is a lane: everything in lane 0 comes before everything in lane 1.

LANE_1 = "1 "


def pending_position(recorded_at: datetime) -> str:
    """The oldest call first."""
    return iso(recorded_at)


def queued_position(now: datetime, recorded_at: str, *, head: bool = False) -> str:
    """By the time of queueing, then the oldest call first; what a person asked for, at the head."""
    return f"{0 if head else 1} {iso(now)} {recorded_at}"


def queued_since(position: str) -> datetime:
    """When a recording was put in line, out of its place there: one that is given back has both as before."""
    return datetime.fromisoformat(position.split(" ")[1])


def due_position(at: datetime) -> str:
    """A failed recording that will be retried stands where its next attempt is due."""
    return f"0 {iso(at)}"


def final_position(now: datetime) -> str:
    """A failed recording that waits for a person stands behind all that will be retried."""
    return f"{LANE_1}{iso(now)}"


def new(
    location: str,
    key: str,
    *,
    size: int,
    etag: str | None,
    modified_at: datetime,
    now: datetime,
    version: str = "",
    metadata: CallMetadata = NOTHING_KNOWN,
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
        position=iso(now) if transcript else pending_position(called_at),
        entry=entry_of(key, version),
        metadata=metadata,
        transcript=transcript,
    )


def adopt(seen: Recording, transcript: TranscriptRef, now: datetime) -> Change:
    """pending → completed, failed → completed, by sync: a transcript has come to lie beside the file.

    Holds only for the very place that was seen: one that was claimed meanwhile has another.
    """
    return _change(
        Actor.SYNC,
        seen.status,
        Status.COMPLETED,
        now,
        expected={"position": seen.position},
        position=iso(now),
        transcript=transcript,
        error=None,
        next_attempt_at=None,
        parts=(),
        job_since=None,
        job_until=None,
    )


def queue(place: Place, now: datetime) -> Change:
    """pending → queued. The place in line among the pending is the time of the call, and goes along."""
    position = queued_position(now, place.position)
    return _change(Actor.QUEUE, place.status, Status.QUEUED, now, position=position, queue_position=position)


def claim(place: Place, token: str, now: datetime, lease_expires_at: datetime) -> Change:
    """queued → processing, failed → processing: counts as an attempt.

    Holds only for the very place that was seen: one that was retried and failed meanwhile has another.
    """
    return _change(
        Actor.PROCESS,
        place.status,
        Status.PROCESSING,
        now,
        expected={"position": place.position},
        position=iso(lease_expires_at),
        claim_token=token,
        lease_expires_at=lease_expires_at,
        next_attempt_at=None,
        attempts=Add(1),
    )


def park(claimed: Recording, slot: str, now: datetime) -> Change:
    """processing → processing, by the holder of the claim: the service works on a job, and any run may poll for it.

    The slot stays held. The place in line is when to poll next: the longer it has been under way, the less often.
    """
    since = claimed.job_since or now
    pause = min(max(POLL_PART * (now - since), POLL_SOONEST), POLL_LATEST)
    return _release(
        Actor.WORKER,
        claimed,
        Status.PROCESSING,
        now,
        status_since=claimed.status_since,
        position=iso(now + pause),
        job_since=since,
        slot=slot,
    )


def resume(parked: Recording, token: str, now: datetime, lease_expires_at: datetime) -> Change:
    """processing → processing, by any run: a claim on a parked recording, to poll for its job. It is no new attempt."""
    return _change(
        Actor.POLLER,
        parked.status,
        Status.PROCESSING,
        now,
        expected={"position": parked.position},
        status_since=parked.status_since,
        position=iso(lease_expires_at),
        claim_token=token,
        lease_expires_at=lease_expires_at,
    )


def complete(claimed: Recording, transcript: TranscriptRef, now: datetime) -> Change:
    """processing → completed, by the holder of the claim."""
    return _release(
        Actor.WORKER,
        replace(claimed, parts=()),
        Status.COMPLETED,
        now,
        position=iso(now),
        transcript=transcript,
        source_changed=None,
        error=None,
        outages=0,
        sending=claimed.sending + 1,
    )


def fail(
    claimed: Recording,
    error: TranscriptionError,
    policy: RetryPolicy,
    now: datetime,
    jitter: random.Random,
    *,
    outages: int = 0,
    transcript: TranscriptRef | None = None,
) -> Change:
    """processing → failed, by the holder of the claim: to be retried if the error's class and the attempts allow it.

    `transcript` is that of the part which could be transcribed, once the other one is given up; it stands in for none,
    and never for a whole one of before.
    """
    failure = failure_of(error, now)
    due = None
    if will_retry(claimed, error, policy):
        due = now + policy.delay(claimed.attempts, jitter)
    whole = claimed.transcript is not None and not claimed.transcript.partial
    values: dict[str, Any] = {"transcript": transcript} if transcript and not whole else {}
    return _release(
        Actor.WORKER,
        claimed,
        Status.FAILED,
        now,
        position=due_position(due) if due else final_position(now),
        next_attempt_at=due,
        error=failure,
        outages=outages,
        **values,
    )


def will_retry(claimed: Recording, error: TranscriptionError, policy: RetryPolicy) -> bool:
    """Whether there is another attempt after this error."""
    return not isinstance(error, PermanentError) and claimed.attempts < policy.max_attempts


def give_back(
    claimed: Recording,
    error: ServiceUnavailable,
    policy: RetryPolicy,
    now: datetime,
    jitter: random.Random,
    *,
    probe: bool,
) -> Change:
    """processing → queued, by the holder of the claim: nobody was there to try, so the attempt does not count.

    It returns to the place in line that it had. But audio that brings a server down looks like an outage when a proxy
    stands before it. Once `SUSPICIOUS` outages have begun so with this recording, each further one is a failed attempt.
    (What a probe meets had begun before it.)
    """
    outages = claimed.outages + (isinstance(error, ServiceDown) and not probe)
    if outages >= SUSPICIOUS and isinstance(error, ServiceDown):
        refused = RetryableError(error.message, code=error.code, status=error.status)
        return fail(claimed, refused, policy, now, jitter, outages=outages)
    return _release(
        Actor.WORKER,
        claimed,
        Status.QUEUED,
        now,
        position=claimed.queue_position or queued_position(now, iso(claimed.recorded_at)),
        attempts=claimed.attempts - 1,
        outages=outages,
        error=failure_of(error, now),
    )


def recover(lost: Recording, policy: RetryPolicy, now: datetime) -> Change:
    """processing → queued, or → failed when no attempt is left: the lease has run out, so its worker is dead.

    It goes to the end of the line, and is sent alone from then on: should it be what kills workers, others come first,
    and none dies with it.
    """
    error = RetryableError(
        "The worker that had this recording ended without a result: it ran out of memory, or was stopped. "
        "Look into the log of the process function at that time.",
        code="worker_lost",
    )
    if lost.attempts >= policy.max_attempts:
        return _release(
            Actor.PROCESS, lost, Status.FAILED, now, position=final_position(now), error=failure_of(error, now)
        )
    position = queued_position(now, iso(lost.recorded_at)) + ALONE
    return _release(
        Actor.PROCESS,
        lost,
        Status.QUEUED,
        now,
        position=position,
        queue_position=position,
        error=failure_of(error, now),
    )


def request(seen: Recording, target: Status, now: datetime, *, head: bool = False, force: bool = False) -> Change:
    """What a person asks for over the API: a fresh start, with no attempts counted, and no job of before.

    A channel that is done stays done. Raises InvalidTransition, whose message says which statuses are allowed.
    """
    allowed = allowed_for_person(seen.status, force=force)
    moved_to_head = seen.status is target is Status.QUEUED and head
    if target not in allowed and not moved_to_head:
        raise InvalidTransition(_refusal(seen.status, target, allowed))
    position = (
        queued_position(now, iso(seen.recorded_at), head=head)
        if target is Status.QUEUED
        else pending_position(seen.recorded_at)
    )
    return Change(
        seen.status,
        target,
        {},
        {
            "status_since": now,
            "position": position,
            "queue_position": position if target is Status.QUEUED else None,
            "attempts": 0,
            "outages": 0,
            "next_attempt_at": None,
            "parts": tuple(replace(part, job=None) for part in seen.parts if part.channel),
            "sending": Add(int(seen.has_job)),  # it may have been sent again since it was seen
            "job_since": None,
            "job_until": None,
        },
    )


def allowed_for_person(status: Status, *, force: bool = False) -> tuple[Status, ...]:
    """The statuses that a person may give to a recording of this status; `completed` gives way only to force."""
    return () if status is Status.COMPLETED and not force else TRANSITIONS[Actor.PERSON].get(status, ())


def failure_of(error: TranscriptionError, now: datetime) -> Failure:
    """What the record keeps of an error."""
    retryable = not isinstance(error, PermanentError)
    return Failure(code=error.code, message=error.message, at=now, retryable=retryable, status=error.status)


def _refusal(status: Status, target: Status, allowed: tuple[Status, ...]) -> str:
    if status is Status.COMPLETED:
        return (
            f"A completed recording does not become {target}. To transcribe it again, "
            'POST …/transcribe with {"force": true}.'
        )
    if status is Status.PROCESSING:
        return "The recording is being transcribed. Wait until it is completed or failed."
    return f"A recording that is {status} cannot become {target}; allowed: {', '.join(allowed)}."


def _change(
    actor: Actor,
    source: Status,
    target: Status,
    now: datetime,
    *,
    expected: Mapping[str, Any] | None = None,
    **values: Any,
) -> Change:
    if target not in TRANSITIONS[actor].get(source, ()):
        raise InvalidTransition(f"{actor} does not make a {source} recording {target}")
    return Change(source, target, expected or {}, {"status_since": now, **values})


def _release(actor: Actor, claimed: Recording, target: Status, now: datetime, **values: Any) -> Change:
    """Ends a claim. The token is the fence: a worker that comes too late finds another, and writes nothing.

    What was learned on the way is kept: about the file as it was sent, and which parts are under way or done. Sync
    leaves a recording alone meanwhile.
    """
    values = {
        "next_attempt_at": None,
        "claim_token": None,
        "lease_expires_at": None,
        "slot": None,
        "size": claimed.size,
        "etag": claimed.etag,
        "modified_at": claimed.modified_at,
        "audio": claimed.audio,
        "parts": claimed.parts,
        "sending": claimed.sending,
        "job_since": claimed.job_since if claimed.has_job else None,
        "job_until": claimed.job_until if claimed.has_job else None,
        **values,
    }
    if Origin.TAGS in claimed.metadata.origins.values():
        values["metadata"] = claimed.metadata
    return _change(actor, claimed.status, target, now, expected={"claim_token": claimed.claim_token}, **values)
