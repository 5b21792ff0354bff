"""The transitions between the five statuses: the table, and one pure function per transition. docs/states.md draws it.

`claims` has the transitions of a claim. Nothing here reads or writes: a function returns a `Transition`, which
`store.recordings` applies as ONE conditional write. Its condition is the previous status and what else must still hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from callscribe.call_metadata.metadata import CallMetadata
from callscribe.clock import to_iso
from callscribe.errors import InvalidTransition
from callscribe.recordings.recording import (
    QueueEntry,
    Recording,
    Status,
    TranscriptRef,
    index_key,
    pending_sort_key,
    queued_sort_key,
    recording_id,
)


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
"""Who may make which transition. A user needs `force` to leave `completed`; moving a queued recording to the front of
the queue is no transition."""

EMPTY_METADATA = CallMetadata()


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
    """– → pending, by sync: a file has no record yet. – → completed if there is a transcript next to the file.

    `version` distinguishes this file from a later one of the same name. `recorded_at` defaults to `modified_at`.
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
    """pending → completed, failed → completed, by sync: a transcript has appeared next to the file.

    Requires the sort key that was read: a recording that was claimed in the meantime has another.
    """
    return build_transition(
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
    """pending → queued. The previous sort key is the time of the call, and becomes part of the new one."""
    sort_key = queued_sort_key(now, entry.sort_key)
    return build_transition(Actor.QUEUE, entry.status, Status.QUEUED, now, sort_key=sort_key, queue_sort_key=sort_key)


def user_transition(
    recording: Recording, to_status: Status, now: datetime, *, at_front: bool = False, force: bool = False
) -> Transition:
    """A transition that a user requests through the API: no attempts are counted, and a previous job is dropped.

    A channel that has a transcript keeps it.

    Raises: InvalidTransition, whose message names the allowed statuses.
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
            "upload_number": Increment(int(recording.has_job)),  # it may have been sent again since it was read
            "job_started_at": None,
            "job_deadline": None,
        },
    )


def allowed_user_transitions(status: Status, *, force: bool = False) -> tuple[Status, ...]:
    """The statuses that a user may give a recording of this status; leaving `completed` requires `force`."""
    return () if status is Status.COMPLETED and not force else TRANSITIONS[Actor.USER].get(status, ())


def build_transition(
    actor: Actor,
    from_status: Status,
    to_status: Status,
    now: datetime,
    *,
    condition: Mapping[str, Any] | None = None,
    **updates: Any,
) -> Transition:
    """A transition that the table allows.

    Raises: InvalidTransition.
    """
    if to_status not in TRANSITIONS[actor].get(from_status, ()):
        raise InvalidTransition(f"{actor} cannot change a recording from {from_status} to {to_status}")
    return Transition(from_status, to_status, condition or {}, {"status_since": now, **updates})


def _refusal_message(status: Status, to_status: Status, allowed_statuses: tuple[Status, ...]) -> str:
    if status is Status.COMPLETED:
        return (
            f"A completed recording cannot become {to_status}. To transcribe it again, "
            'POST …/transcribe with {"force": true}.'
        )
    if status is Status.PROCESSING:
        return "The recording is being transcribed. Wait until it is completed or failed."
    return f"A recording that is {status} cannot become {to_status}; allowed: {', '.join(allowed_statuses)}."
