"""The transitions of sync, queue and users, which need no claim. `state_machine` has the table of all transitions."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from callscribe.call_metadata.metadata import CallMetadata
from callscribe.clock import to_iso
from callscribe.errors import InvalidTransition, TranscriptionError
from callscribe.recordings.recording import (
    QueueEntry,
    Recording,
    Status,
    TranscriptRef,
    build_index_key,
    pending_sort_key,
    queued_sort_key,
    recording_id,
)
from callscribe.recordings.retry_policy import to_failure
from callscribe.recordings.state_machine import TRANSITIONS, Actor, Increment, Transition, build_transition

EMPTY_METADATA = CallMetadata()


def create(
    location: str,
    key: str,
    *,
    size: int,
    etag: str | None,
    modified_at: datetime,
    now: datetime,
    fingerprint: str = "",
    metadata: CallMetadata = EMPTY_METADATA,
    recorded_at: datetime | None = None,
    transcript: TranscriptRef | None = None,
) -> Recording:
    """– → pending, by sync: a file has no record yet. – → completed if there is a transcript next to the file.

    `fingerprint` distinguishes this file from a later one of the same name. `recorded_at` defaults to `modified_at`.
    """
    recorded_at = recorded_at or modified_at
    return Recording(
        id=recording_id(location, key),
        location=location,
        key=key,
        size=size,
        etag=etag,
        modified_at=modified_at,
        recorded_at=recorded_at,
        created_at=now,
        status=Status.COMPLETED if transcript else Status.PENDING,
        status_since=now,
        sort_key=to_iso(now) if transcript else pending_sort_key(recorded_at),
        index_key=build_index_key(key, fingerprint),
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
        job_presumed_lost_at=None,
    )


def transcribe_again(
    recording: Recording, now: datetime, recorded_at: datetime, file_updates: Mapping[str, Any]
) -> Transition:
    """completed → pending, failed → pending, by sync: its file has changed, or its sidecar now holds a placeholder.

    `file_updates` store what has changed.

    Requires the sort key and the index key that were read, so each change of a file leads to one transcription. The
    transcript stays until the new one is stored. Nothing of the previous file is used for it: neither the transcript of
    a channel nor a job.
    """
    return build_transition(
        Actor.SYNC,
        recording.status,
        Status.PENDING,
        now,
        condition={"sort_key": recording.sort_key, "index_key": recording.index_key},
        **{
            **file_updates,
            "sort_key": pending_sort_key(recorded_at),
            "queue_sort_key": None,
            "attempts": 0,
            "outage_count": 0,
            "next_attempt_at": None,
            "source_changed": None,
            "tracks": (),
            "upload_number": Increment(1),
            "job_started_at": None,
            "job_deadline": None,
            "job_presumed_lost_at": None,
        },
    )


def enqueue(entry: QueueEntry, now: datetime) -> Transition:
    """pending → queued. The previous sort key is the time of the call, and becomes part of the new one."""
    sort_key = queued_sort_key(now, entry.sort_key)
    return build_transition(Actor.QUEUE, entry.status, Status.QUEUED, now, sort_key=sort_key, queue_sort_key=sort_key)


def requeue_refused(recording: Recording, error: TranscriptionError, now: datetime) -> Transition:
    """failed → queued, by process: the server refused other recordings in the same way, so its attempts do not count.

    It goes to the end of the queue, so that other recordings show whether the settings are the cause. Requires the sort
    key that was read.
    """
    sort_key = queued_sort_key(now, to_iso(recording.recorded_at))
    return build_transition(
        Actor.PROCESS,
        recording.status,
        Status.QUEUED,
        now,
        condition={"sort_key": recording.sort_key},
        sort_key=sort_key,
        queue_sort_key=sort_key,
        attempts=0,
        outage_count=0,
        next_attempt_at=None,
        error=to_failure(error, now),
    )


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
            "job_presumed_lost_at": None,
        },
    )


def allowed_user_transitions(status: Status, *, force: bool = False) -> tuple[Status, ...]:
    """The statuses that a user may give a recording of this status; leaving `completed` requires `force`."""
    return () if status is Status.COMPLETED and not force else TRANSITIONS[Actor.USER].get(status, ())


def _refusal_message(status: Status, to_status: Status, allowed_statuses: tuple[Status, ...]) -> str:
    if status is Status.COMPLETED:
        return (
            f"A completed recording cannot become {to_status}. To transcribe it again, "
            'POST …/transcribe with {"force": true}.'
        )
    if status is Status.PROCESSING:
        return "The recording is being transcribed. Wait until it is completed or failed."
    return f"A recording that is {status} cannot become {to_status}; allowed: {', '.join(allowed_statuses)}."
