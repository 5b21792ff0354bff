"""The slot of a recording that awaits its job: held between polls, or released early if the job is presumably lost.

A server that has stopped (it refuses connections, or its proxy says so) has lost its jobs, but does not report them as
lost: most list them as running for ever. docs/states.md says why releasing the slot is safe.
"""

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from callscribe.errors import BadGateway, ServerStopped
from callscribe.recordings.circuit_breaker import Outage
from callscribe.recordings.recording import Recording, presume_job_lost
from callscribe.store import admission
from callscribe.store.admission import Slot
from functions.process.transcription import AttemptResult, TranscriptionResult

JOB_SLOT_LEASE = timedelta(minutes=20)
"""How long a slot is held for a job without being polled. A poll extends it once half of it has passed."""


def acquire_for_poll(
    recording: Recording, limit: int, token: str, now: datetime, lease_expires_at: datetime
) -> Slot | Outage | None:
    """Return the slot in which to poll, or the outage. None if it needs one of the `limit` slots and none is free.

    A job polls in the slot that is held for it. One that is presumed lost needs none to be polled, but a new one if
    another channel will be sent when it has ended after all.

    Raises: StoreError.
    """
    if _needs_new_slot(recording):
        return admission.acquire(limit, token, now, lease_expires_at)
    if recording.slot:
        held_slot = Slot.from_set_member(recording.slot)
    else:
        held_slot = Slot(token=uuid.uuid4().hex, lease_expires_at=now)
    return admission.acquire_probe(held_slot, token, now, lease_expires_at)


def extend_for_tracks(slot: Slot, recording: Recording, lease_expires_at: datetime) -> Slot:
    """Return the slot of a recording that was claimed for a poll, with a lease for what may be sent after it.

    Raises: StoreError.
    """
    if _needs_new_slot(recording):
        admission.release(Slot.from_set_member(recording.slot or ""))
    elif _has_unsent_track(recording):
        return admission.extend(slot, lease_expires_at)
    return slot


def server_stopped_at(result: TranscriptionResult, now: datetime) -> datetime | None:
    """Return `now` if the result shows that the server has stopped: not if it is only busy or cannot be reached."""
    return now if isinstance(result, ServerStopped | BadGateway) else None


def hold_for_job(slot: Slot, attempt: AttemptResult, limit: int, now: datetime) -> tuple[Slot, Recording]:
    """Hold the slot until the next poll; if the job is presumably lost, only remember the job.

    `limit`: maximum number of such jobs. Return what the recording stores as its slot, and the updated recording.

    Raises: StoreError.
    """
    recording = attempt.recording
    stopped_at = server_stopped_at(attempt.result, now) or slot.server_stopped_at
    if stopped_at and recording.job_started_at and recording.job_started_at <= stopped_at:
        lost = presume_job_lost(recording, stopped_at)
        until = lost.job_deadline or stopped_at
        if recording.job_presumed_lost_at and recording.slot == slot.set_member:
            return slot, lost  # remembered until the same deadline, which another stop does not move
        if remembered := admission.release_lost_job(slot, until, limit, now):
            return remembered, lost
    held = admission.extend_for_job(slot, now, now + JOB_SLOT_LEASE)
    return held, replace(recording, job_presumed_lost_at=None)


def _needs_new_slot(recording: Recording) -> bool:
    return recording.job_presumed_lost_at is not None and recording.slot is not None and _has_unsent_track(recording)


def _has_unsent_track(recording: Recording) -> bool:
    return any(track.is_unsent for track in recording.tracks)
