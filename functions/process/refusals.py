"""Identical refusals: when the server refuses several recordings in the same way, the settings are probably the cause.

Then the circuit breaker opens, and the recordings get their attempts back. A probe that is refused in the same way
keeps it open. docs/states.md says why this blocks nothing for long when the recordings are the cause after all.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from callscribe.errors import SuspectedOutage, TranscriptionError
from callscribe.observability import logger
from callscribe.recordings import circuit_breaker, transitions
from callscribe.recordings.circuit_breaker import Outage
from callscribe.recordings.recording import Recording, Status
from callscribe.recordings.run import Run, RunStatus
from callscribe.settings.process import ProcessSettings
from callscribe.store import admission, recordings
from functions.process.transcription import AttemptResult, TranscriptionResult


def new_refusal(attempt: AttemptResult) -> str | None:
    """Return the `refusal_key` of a failed attempt; None if the settings cannot be the cause.

    Only first attempts count. A recording that was given back, and is refused again after another one has succeeded, is
    the cause itself: it fails like any other, and is never given back again.
    """
    error, recording = attempt.result, attempt.recording
    was_given_back = recording.error is not None and recording.error.code == SuspectedOutage.code
    if not isinstance(error, TranscriptionError) or was_given_back or recording.attempts > 1:
        return None
    return circuit_breaker.refusal_key(error)


def pause_after_refusals(
    error: TranscriptionResult, refused_ids: Collection[str], now: datetime, settings: ProcessSettings, run: Run
) -> bool:
    """After the last of MAX_IDENTICAL_REFUSALS, `error`, open the circuit. Return whether there were as many.

    Before that, give the refused recordings back, whose attempts do not count. In this order: if the worker dies in
    between, the next refusal is one too many again, and all of this is repeated.

    Raises: StoreError.
    """
    if len(refused_ids) < circuit_breaker.MAX_IDENTICAL_REFUSALS or not isinstance(error, TranscriptionError):
        return False
    pause = circuit_breaker.same_refusals(error)
    for recording in filter(None, map(recordings.get, sorted(refused_ids))):
        if _has_failed_with(recording, error) and recordings.apply_transition(
            recording.id, transitions.requeue_refused(recording, pause, now)
        ):
            run.increment("requeued")
            logger.warning("recording given back after identical refusals", recording_id=recording.id)
    admission.pause(circuit_breaker.paused_by(error, now, settings.outage_pause_seconds))
    run.end(RunStatus.FAILED, pause.message, pause.code)
    return True


def as_outage(attempt: AttemptResult, outage: Outage) -> AttemptResult:
    """Return the attempt of a probe: as one of an outage, if it was refused after the recordings before it.

    In the same way or in another: only a success shows that the settings are right.
    """
    error = attempt.result
    if outage.by_refusals and isinstance(error, TranscriptionError) and circuit_breaker.refusal_key(error):
        return replace(attempt, result=circuit_breaker.same_refusals(error), service_responded=False)
    return attempt


def _has_failed_with(recording: Recording, error: TranscriptionError) -> bool:
    """Return whether the recording has failed with this error."""
    failure = recording.error
    return (
        recording.status is Status.FAILED
        and failure is not None
        and (failure.status, failure.code) == (error.status, error.code)
    )
