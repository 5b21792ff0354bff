"""The claims of one run: takes them from the queue, recovers expired ones, and ends its own in time.

Lambda kills a run at a known time without warning, so `Deadline` decides what it may still start and when it aborts.
"""

import random
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from callscribe.clock import CLOCK_SKEW, Clock
from callscribe.errors import CallscribeError, ServiceUnavailable, StoreError, TranscriptionError
from callscribe.observability import add_count, add_duration, logger, publish_completed
from callscribe.recordings import circuit_breaker, state_machine
from callscribe.recordings.circuit_breaker import Outage
from callscribe.recordings.recording import QueueEntry, Recording, Status, TranscriptRef
from callscribe.recordings.run import Run, RunStatus
from callscribe.recordings.state_machine import Transition
from callscribe.settings.process import ProcessSettings
from callscribe.store import admission, recordings
from callscribe.store.admission import Slot
from functions.process.job_slots import hold_for_job, server_stopped_at
from functions.process.refusals import new_refusal, pause_after_refusals
from functions.process.transcription import AttemptResult, JobPending, TranscriptionResult

MIN_BATCH_SIZE = 10
"""Minimum number of queue entries per read; more if there are more slots. A run that loses one to another run tries the
next one without another read."""

MAX_REFRESHES = 3
"""How many times a run that loses every entry re-reads the queue: the index may lag for a moment."""

MIN_EXPIRED_BATCH_SIZE = 25
"""Expired claims recovered and jobs polled in each round, or as many as there are slots."""

RESULT_METRICS = {
    Status.COMPLETED: ("completed", "RecordingsCompleted"),
    Status.FAILED: ("failed", "AttemptsFailed"),
    Status.QUEUED: ("requeued", "ServiceUnavailable"),
    Status.PROCESSING: ("jobs_pending", "JobsInProgress"),
}
"""The run's count and the metric for each status that a claim can end with."""

STORE_MARGIN = timedelta(seconds=20)
"""Reserved for storing the results."""

ABORT_MARGIN = timedelta(seconds=10)
"""With this much time left, running attempts are aborted."""

MIN_TO_START = timedelta(seconds=60)
"""With less time left than this, no further recording is started."""

START_ANY_FRACTION = 2 / 3
"""With at least this fraction of its time left, a run starts any recording; with less, only what it can finish."""

MIN_RATE_BYTES = 100_000
"""Smaller recordings are assumed to take as long as one of this size, because of the fixed cost of sending one."""


class Deadline:
    """The time limits of a run from `started_at` to `ends_at`, both aware and in UTC.

    `lease_expires_at`: when the leases of this run expire; an expired lease means that the worker has crashed.
    `response_deadline`: when the server must have responded; nothing is sent after it.
    `abort_at`: when to abort running attempts.
    """

    def __init__(self, started_at: datetime, ends_at: datetime) -> None:
        self.lease_expires_at = ends_at + CLOCK_SKEW
        self.response_deadline = ends_at - STORE_MARGIN
        self.abort_at = ends_at - ABORT_MARGIN
        self._start_until = ends_at - MIN_TO_START
        self._start_any_until = ends_at - START_ANY_FRACTION * (ends_at - started_at)
        self._max_seconds_per_byte = 0.0

    def is_too_late_to_start(self, now: datetime) -> bool:
        """Return whether no recording of any size may be started."""
        return now > self._start_until

    def can_start_any(self, now: datetime) -> bool:
        """Return whether a recording of any size may be started."""
        return now <= self._start_any_until

    def can_finish(self, size: int, now: datetime) -> bool:
        """Return whether a recording of `size` bytes would end in time, judging by the slowest one of this run so far.

        False if none has ended yet.
        """
        seconds_left = (self.response_deadline - now).total_seconds()
        return 0 < self._max_seconds_per_byte * max(size, MIN_RATE_BYTES) <= seconds_left

    def record_rate(self, size: int, seconds: float) -> None:
        """Record how long a recording of `size` bytes took."""
        self._max_seconds_per_byte = max(self._max_seconds_per_byte, seconds / max(size, MIN_RATE_BYTES))


class ClaimQueue:
    """The queue as one run sees it."""

    def __init__(self, settings: ProcessSettings, clock: Clock, jitter: random.Random, run: Run) -> None:
        self._settings = settings
        self._batch_size = max(MIN_BATCH_SIZE, settings.max_concurrent_transcriptions)
        self._clock = clock
        self._jitter = jitter
        self._run = run

    def next_entries(self, *, has_others_running: bool) -> list[QueueEntry]:
        """Return the oldest queued entries or, if none is queued, the failed ones whose retry has been due for longest.

        While other recordings are running, the list ends before the first entry that must be sent in isolation.
        """
        entries = recordings.next_entries(Status.QUEUED, self._batch_size) or recordings.retryable(
            self._clock(), self._batch_size
        )
        return list(takewhile(lambda entry: not entry.is_isolated, entries)) if has_others_running else entries

    @staticmethod
    def rotate_for_probe(entries: list[QueueEntry], outage: Outage | None) -> list[QueueEntry]:
        """Start each further probe with another entry: the first one may be what brings the server down."""
        offset = outage.failures % len(entries) if outage else 0
        return entries[offset:] + entries[:offset]

    def claim_first(
        self, entries: list[QueueEntry], slot: Slot, *, has_others_running: bool
    ) -> tuple[QueueEntry, Recording] | None:
        """Claim the first entry or, when another run is faster, a later one; None when none is left."""
        conflicts = 0
        for _ in range(MAX_REFRESHES):
            while entries:
                entry = entries.pop(0)
                transition = state_machine.claim(entry, slot.token, self._clock(), slot.lease_expires_at)
                if recording := recordings.apply_transition(entry.id, transition):
                    return entry, recording
                self._run.increment("conflicts")
                conflicts += 1
                if conflicts == 1:  # runs that acquired slots at the same moment continue with different entries
                    offset = slot.held_count % max(len(entries), 1)
                    entries = entries[offset:] + entries[:offset]
                else:
                    self._jitter.shuffle(entries)
            entries = self.next_entries(has_others_running=has_others_running)
        return None

    def find_expired(self) -> tuple[list[Recording], list[Recording]]:
        """Return the recordings that crashed workers left in processing, and those whose job is due to be polled."""
        expired: list[Recording] = []
        jobs_to_poll: list[Recording] = []
        for entry in recordings.expired_claims(self._clock(), max(self._batch_size, MIN_EXPIRED_BATCH_SIZE)):
            recording = recordings.get(entry.id)
            if recording is not None and recording.sort_key == entry.sort_key:  # not changed by its worker or a run
                (jobs_to_poll if recording.is_awaiting_job else expired).append(recording)
        return expired, jobs_to_poll

    def recover(self, expired: Recording) -> Recording | None:
        """Requeue or fail what a crashed worker left. Return the updated recording; None if another run was faster."""
        recovered = recordings.apply_transition(
            expired.id, state_machine.recover_expired(expired, self._settings.retry_policy, self._clock())
        )
        if recovered:
            if expired.slot:
                with suppress(StoreError):  # the slot is free again when its lease expires
                    admission.release(Slot.from_set_member(expired.slot))
            self._run.increment("recovered")
            logger.warning("expired claim recovered", recording_id=expired.id, attempts=expired.attempts)
        return recovered


class AttemptFinalizer:
    """Ends the claims of one run: writes the result, releases the slot, and publishes events."""

    def __init__(self, settings: ProcessSettings, clock: Clock, jitter: random.Random, run: Run) -> None:
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self._run = run
        self._unpublished: list[Recording] = []

    def finalize(self, slot: Slot, attempt: AttemptResult) -> CallscribeError | None:
        """End a claim, then release its slot, so that the slot covers the recording to the end.

        Raises nothing. Return the first error; if the result was not saved, the recording is recovered when its lease
        expires.
        """
        deferred_error = None
        # If the write fails, the recording may await its job all the same, so the slot is held until its lease expires.
        held_slot = slot if _has_running_job(attempt) else None
        try:
            held_slot = self._apply_result(slot, attempt)
        except CallscribeError as error:
            logger.error("could not save transcription result", recording_id=attempt.recording.id, code=error.code)
            deferred_error = error
        try:
            self._release_slot(slot, attempt, held_slot)
        except CallscribeError as error:
            logger.error("could not release slot", recording_id=attempt.recording.id, code=error.code)
            deferred_error = deferred_error or error
        return deferred_error

    def record_end(self, recording: Recording) -> None:
        """Count a terminal failure; collect the recording for `publish_events` if it has ended."""
        add_count("RecordingsFailed", int(recording.is_terminal))
        if recording.is_terminal or recording.status is Status.COMPLETED:
            self._unpublished.append(recording)

    def publish_events(self) -> None:
        """Publish events for the recordings collected since the last time."""
        publish_completed(self._unpublished)
        self._unpublished.clear()

    def _apply_result(self, slot: Slot, attempt: AttemptResult) -> Slot | None:
        """Write the result. Return the slot that stays held for a pending job."""
        recording, result, now = attempt.recording, attempt.result, self._clock()
        if isinstance(result, ServiceUnavailable):
            self._run.end(RunStatus.FAILED, result.message, result.code)
        held_slot = None
        if isinstance(result, JobPending) or _has_running_job(attempt):  # the first is repeated for the type checker
            held_slot, recording = hold_for_job(slot, attempt, self._settings, now)
            transition = state_machine.await_job(recording, held_slot.set_member, now)
        else:
            transition = self._build_transition(attempt, result, now, is_probe=slot.outage is not None)
        updated = recordings.apply_transition(recording.id, transition)
        if updated is None:
            logger.warning("claim lost, result discarded", recording_id=recording.id)
            if held_slot and held_slot.set_member != slot.set_member:  # the caller releases only `slot`
                admission.release(replace(held_slot, outage=None))  # the probe ends with `slot`
            return None
        self._count_result(updated, result)
        self.record_end(updated)
        return held_slot

    def _build_transition(
        self, attempt: AttemptResult, result: TranscriptRef | TranscriptionError, now: datetime, *, is_probe: bool
    ) -> Transition:
        recording, jitter = attempt.recording, self._jitter
        if isinstance(result, TranscriptRef):
            return state_machine.complete(recording, result, now)
        policy = self._settings.retry_policy
        if isinstance(result, ServiceUnavailable):
            return state_machine.requeue_after_outage(recording, result, policy, now, jitter, is_probe=is_probe)
        return state_machine.fail(recording, result, policy, now, jitter, transcript=attempt.partial_transcript)

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
            "job pending" if recording.status is Status.PROCESSING else "attempt ended",
            recording_id=recording.id,
            result=count_name,
            final=recording.is_terminal,
            **error_fields,
        )

    def _release_slot(self, slot: Slot, attempt: AttemptResult, held_slot: Slot | None) -> None:
        keeps_slot = held_slot is not None and held_slot.set_member == slot.set_member  # else it is a later lease
        if isinstance(attempt.result, ServiceUnavailable):
            outage = circuit_breaker.opened_by(
                attempt.result, self._clock(), self._settings.outage_pause_seconds, slot.outage
            )
            stopped_at = server_stopped_at(attempt.result, self._clock())
            (admission.open_circuit if keeps_slot else admission.release_and_open)(slot, outage, stopped_at)
        elif not attempt.service_responded:
            (admission.drop_probe if keeps_slot else admission.release)(slot)
        elif keeps_slot:  # after refusals, an accepted job shows nothing yet: only its transcript does
            is_inconclusive = slot.outage is not None and slot.outage.by_refusals
            (admission.drop_probe if is_inconclusive else admission.close_circuit)(slot)
        elif isinstance(attempt.result, TranscriptRef):
            admission.release_and_close(slot, is_success=True)
        elif refusal := new_refusal(attempt):
            refused_ids = admission.release_and_count(slot, refusal, attempt.recording.id)
            if pause_after_refusals(attempt.result, refused_ids, self._clock(), self._settings, self._run):
                # those that were given back have not ended
                self._unpublished = [recording for recording in self._unpublished if recording.id not in refused_ids]
        else:
            admission.release_and_close(slot)


def _audio_seconds(recording: Recording) -> int:
    """Return the duration that the file declares or, failing that, the transcript's; 0 if neither is known."""
    durations = (source.duration for source in (recording.audio, recording.transcript) if source is not None)
    return round(next((duration for duration in durations if duration is not None), 0.0))


def _has_running_job(attempt: AttemptResult) -> bool:
    """Return whether the server keeps working on the recording: its job is pending, also during an outage."""
    return isinstance(attempt.result, JobPending) or (
        isinstance(attempt.result, ServiceUnavailable) and attempt.recording.has_job
    )
