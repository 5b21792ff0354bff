"""What becomes of an attempt: its end is written, its slot given back, and a recording's last one is announced."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from callscribe import event_publisher
from callscribe.clock import Clock
from callscribe.errors import CallscribeError, ServiceUnavailable, TranscriptionError
from callscribe.observability import add_count, add_duration, logger
from callscribe.recordings import circuit_breaker, state_machine
from callscribe.recordings.recording import Recording, Status, TranscriptRef
from callscribe.recordings.run import Run, RunStatus
from callscribe.recordings.state_machine import RetryPolicy, Transition
from callscribe.store import admission, recordings
from callscribe.store.admission import Slot
from functions.process.transcription import AttemptResult, JobPending, TranscriptionResult

RESULT_METRICS = {
    Status.COMPLETED: ("completed", "RecordingsCompleted"),
    Status.FAILED: ("failed", "AttemptsFailed"),
    Status.QUEUED: ("requeued", "ServiceUnavailable"),
    Status.PROCESSING: ("jobs_pending", "JobsInProgress"),
}
"""What a claim ends with: the run's count, and the metric."""

JOB_SLOT_LEASE = timedelta(minutes=20)
"""So long a slot is held for a job that nobody polls; each poll holds it for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`slots` may be under way at once over all runs, `at_once` in this one; the breaker's `first_pause` in seconds."""

    retry_policy: RetryPolicy
    slots: int
    max_parallel: int
    initial_backoff_seconds: float


class AttemptFinalizer:
    """Of one run."""

    def __init__(self, limits: Limits, clock: Clock, jitter: random.Random, run: Run) -> None:
        self._limits = limits
        self._clock = clock
        self._jitter = jitter
        self._run = run
        self._unpublished: list[Recording] = []

    def finalize(self, slot: Slot, attempt: AttemptResult) -> CallscribeError | None:
        """Ends a claim, then gives its slot back: a slot covers its recording to the end.

        Raises nothing; what could not be written is returned, and the lease brings it back.
        """
        deferred_error = None
        # it may be parked though nobody says so: what is not known to be over keeps its slot, until the lease runs out
        held_slot = slot if _has_running_job(attempt) else None
        try:
            held_slot = self._apply_result(slot, attempt)
        except CallscribeError as error:
            deferred_error = error
        try:
            self._release_slot(slot, attempt, held_slot)
        except CallscribeError as error:
            deferred_error = error
        if deferred_error:
            logger.error(
                "the end of a transcription was not written",
                recording_id=attempt.recording.id,
                code=deferred_error.code,
            )
        return deferred_error

    def count_terminal(self, recording: Recording) -> None:
        """Counts it if it failed for good, and remembers what is at the end of its way for the next `announce`."""
        add_count("RecordingsFailed", int(recording.is_terminal))
        if recording.is_terminal or recording.status is Status.COMPLETED:
            self._unpublished.append(recording)

    def publish_events(self) -> None:
        """Sends the events of what has come to its end since."""
        event_publisher.publish_completed(self._unpublished)
        self._unpublished.clear()

    def _apply_result(self, slot: Slot, attempt: AttemptResult) -> Slot | None:
        """Where the service works on by itself: the slot that stays held for it."""
        recording, result, now = attempt.recording, attempt.result, self._clock()
        if isinstance(result, ServiceUnavailable):
            self._run.end(RunStatus.FAILED, result.message, result.code)
        held_slot = None
        if isinstance(result, JobPending) or _has_running_job(attempt):
            held_slot = admission.extend_for_job(slot, now, now + JOB_SLOT_LEASE)
            transition = state_machine.await_job(recording, held_slot.set_member, now)
        else:
            transition = self._build_transition(attempt, result, now, probe=slot.outage is not None)
        updated = recordings.apply_transition(recording.id, transition)
        if updated is None:
            logger.warning("transcription came too late: the claim was lost", recording_id=recording.id)
            return None
        self._count_result(updated, result)
        self.count_terminal(updated)
        return held_slot

    def _build_transition(
        self, attempt: AttemptResult, result: TranscriptRef | TranscriptionError, now: datetime, *, probe: bool
    ) -> Transition:
        recording, policy, jitter = attempt.recording, self._limits.retry_policy, self._jitter
        match result:
            case ServiceUnavailable():
                return state_machine.requeue_after_outage(recording, result, policy, now, jitter, is_probe=probe)
            case TranscriptionError():
                return state_machine.fail(recording, result, policy, now, jitter, transcript=attempt.partial_transcript)
            case _:
                return state_machine.complete(recording, result, now)

    def _count_result(self, recording: Recording, result: TranscriptionResult) -> None:
        count_name, metric = RESULT_METRICS[recording.status]
        self._run.increment(count_name)
        if recording.status is Status.COMPLETED:
            self._run.increment("audio_seconds", _audio_seconds(recording))
            add_duration("AudioSeconds", seconds=_audio_seconds(recording))
        add_count(metric)
        error_fields: dict[str, Any] = {}
        if isinstance(result, TranscriptionError):
            error_fields = {"code": result.code, "reason": result.message}
        log = logger.warning if error_fields else logger.info
        log(
            "transcription ended",
            recording_id=recording.id,
            ended=count_name,
            final=recording.is_terminal,
            **error_fields,
        )

    def _release_slot(self, slot: Slot, attempt: AttemptResult, held_slot: Slot | None) -> None:
        if isinstance(attempt.result, ServiceUnavailable):
            outage = circuit_breaker.opened_by(
                attempt.result, self._clock(), self._limits.initial_backoff_seconds, slot.outage
            )
            admission.release_and_open(slot, outage, retained=held_slot)
        elif attempt.service_responded:
            admission.release_and_close(slot, retained=held_slot)
        else:
            admission.release(slot, retained=held_slot)


def _audio_seconds(recording: Recording) -> int:
    """How long it is, as far as that is known: by the file or, where that does not tell, by its transcript."""
    durations = (each.duration for each in (recording.audio, recording.transcript) if each is not None)
    return round(next((duration for duration in durations if duration is not None), 0.0))


def _has_running_job(attempt: AttemptResult) -> bool:
    """Whether the service works on, whoever asks for it."""
    return isinstance(attempt.result, JobPending) or (
        isinstance(attempt.result, ServiceUnavailable) and attempt.recording.has_job
    )
