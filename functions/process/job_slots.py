"""The slot of a recording that awaits its job: held between polls, or released early if the job is presumably lost.

A server that was restarted has lost its jobs, but does not report them as lost: most list them as running for ever. So
a job is presumed lost if its server was seen to have stopped (it refused connections, or its proxy said so), or if the
job takes too long. docs/states.md says why releasing the slot is safe.
"""

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from callscribe.errors import BadGateway, ServerStopped, ServiceUnavailable
from callscribe.recordings.circuit_breaker import Outage
from callscribe.recordings.recording import Recording
from callscribe.settings.process import ProcessSettings
from callscribe.store import admission
from callscribe.store.admission import Slot
from functions.process.transcription import AttemptResult, TranscriptionResult

JOB_SLOT_LEASE = timedelta(minutes=20)
"""How long a slot is held for a job without being polled. A poll extends it once half of it has passed."""

MIN_JOB_TIME = timedelta(minutes=30)
"""No job is presumed lost for taking too long, or given up after an outage, in less time."""

SLOW_JOB_SECONDS_PER_AUDIO_SECOND = 20.0
"""A slow server finishes a job within this time. One that takes longer was perhaps lost."""

LOST_JOB_SECONDS_PER_AUDIO_SECOND = 4.0
"""Seconds per second of audio for which a job is polled once its server was seen to have stopped: it may be alive after
all, behind a proxy or while the server shuts down. Then it ends in the time that servers without jobs get."""


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


def hold_for_job(
    slot: Slot, attempt: AttemptResult, settings: ProcessSettings, now: datetime
) -> tuple[Slot, Recording]:
    """Hold the slot until the next poll; if the job is presumed lost, only remember the job, until its deadline.

    Return what the recording stores as its slot, and the updated recording.

    Raises: StoreError.
    """
    if attempt.recording.job_presumed_lost_at and attempt.recording.slot == slot.set_member:
        return slot, attempt.recording  # remembered already; another outage does not move the deadline
    recording = _limit_job_time(attempt, settings, now)
    lost = _presume_lost(recording, server_stopped_at(attempt.result, now) or slot.server_stopped_at, now)
    if lost:
        until = lost.job_deadline or now
        if remembered := admission.release_lost_job(slot, until, settings.max_concurrent_transcriptions, now):
            return remembered, lost
    held = admission.extend_for_job(slot, now, now + JOB_SLOT_LEASE)
    return held, replace(recording, job_presumed_lost_at=None)


def _limit_job_time(attempt: AttemptResult, settings: ProcessSettings, now: datetime) -> Recording:
    """Give the job less time after an outage, in which the server may have been restarted."""
    recording = attempt.recording
    if not isinstance(attempt.result, ServiceUnavailable):
        return recording
    deadline = (recording.job_started_at or now) + timedelta(minutes=settings.job_timeout_minutes)
    return replace(recording, job_deadline=min(deadline, now + _job_time(recording, SLOW_JOB_SECONDS_PER_AUDIO_SECOND)))


def _presume_lost(recording: Recording, stopped_at: datetime | None, now: datetime) -> Recording | None:
    """Return the recording as one whose job is presumed lost; None if nothing suggests that it is."""
    if recording.job_started_at is None:
        return None
    if stopped_at and recording.job_started_at <= stopped_at:
        until = stopped_at + _job_time(recording, LOST_JOB_SECONDS_PER_AUDIO_SECOND)
        deadline = min(recording.job_deadline or until, until)
        return replace(recording, job_presumed_lost_at=stopped_at, job_deadline=deadline)
    if now - recording.job_started_at >= _job_time(recording, SLOW_JOB_SECONDS_PER_AUDIO_SECOND):
        return replace(recording, job_presumed_lost_at=now)
    return None


def _job_time(recording: Recording, per_audio_second: float) -> timedelta:
    audio_seconds = (recording.audio and recording.audio.duration) or 0.0
    return max(MIN_JOB_TIME, timedelta(seconds=per_audio_second * audio_seconds))


def _needs_new_slot(recording: Recording) -> bool:
    return recording.job_presumed_lost_at is not None and recording.slot is not None and _has_unsent_track(recording)


def _has_unsent_track(recording: Recording) -> bool:
    return any(track.is_unsent for track in recording.tracks)
