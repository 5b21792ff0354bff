"""Runs one process invocation: chooses recordings, limits concurrency, and finalizes results.

All claims are made and released on the main thread; worker threads only transcribe and never write a status.
docs/states.md says what is left behind when a worker crashes between two steps, and who recovers it.
"""

import random
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from callscribe.clock import Clock
from callscribe.errors import CallscribeError, RetryableError, RunSkipped, ServiceUnavailable, StoreError
from callscribe.observability import add_count, logger
from callscribe.recordings import state_machine
from callscribe.recordings.circuit_breaker import Outage
from callscribe.recordings.recording import QueueEntry, Recording, TranscriptRef
from callscribe.recordings.run import Run, RunStatus, Task
from callscribe.settings.process import ProcessSettings
from callscribe.store import admission, recordings, runs, settings_overrides
from callscribe.store.admission import Slot
from functions.process import job_slots
from functions.process.refusals import as_outage
from functions.process.run_claims import AttemptFinalizer, ClaimQueue, Deadline
from functions.process.transcription import AttemptResult, JobPending, Transcriber


class StartResult(Enum):
    """What to do after trying to start an attempt: continue, stop this round, or wait for a running attempt."""

    STARTED = auto()
    STOP = auto()
    """Nothing more can be started in this round."""
    WAIT = auto()
    """Nothing can be started until a running attempt has ended."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """An attempt in progress. `counts_towards_round`: it was started from the queue, and is not a poll."""

    recording: Recording
    slot: Slot
    is_isolated: bool = False
    counts_towards_round: bool = False


class Worker:
    """Executes one run of the process task."""

    def __init__(
        self,
        *,
        settings: ProcessSettings,
        transcriber: Transcriber,
        max_parallel: int,
        deadline: Deadline,
        executor: Executor,
        clock: Clock,
        jitter: random.Random,
        run: Run,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transcriber = transcriber
        self._settings = settings
        self._max_parallel = max_parallel
        self._deadline = deadline
        self._executor = executor
        self._clock = clock
        self._run = run
        self._sleep = sleep
        self._queue = ClaimQueue(settings, clock, jitter, run)
        self._finalizer = AttemptFinalizer(settings, clock, jitter, run)
        self._in_progress: dict[Future[AttemptResult], _Attempt] = {}
        self._jobs_to_poll: deque[Recording] = deque()
        self._remaining = 0
        self._skip_reason: RunSkipped | None = None
        self._deferred_error: CallscribeError | None = None

    def run(self, round_times: Sequence[datetime]) -> None:
        """Start up to `recordings_per_run` recordings at each of these times, and return once all have ended.

        Raises: ConfigurationError, StoreError or RunSkipped, once all running attempts have ended.
        """
        self._run.counts.update(
            completed=0, failed=0, requeued=0, jobs_pending=0, recovered=0, conflicts=0, audio_seconds=0
        )
        upcoming_rounds = deque(round_times)
        while True:
            if upcoming_rounds and self._clock() >= upcoming_rounds[0]:
                upcoming_rounds.popleft()
                self._remaining = self._settings.recordings_per_run
                self._check_expired_claims()
            self._start_attempts()
            if self._in_progress:
                self._wait_for_next(upcoming_rounds[0] if upcoming_rounds else None)
                self._finalizer.publish_events()
                if self._in_progress or self._remaining or self._jobs_to_poll or upcoming_rounds:
                    self._save_progress()
            elif upcoming_rounds and self._deferred_error is None:
                self._sleep(max(0.0, (upcoming_rounds[0] - self._clock()).total_seconds()))
            else:
                break
        self._finalizer.publish_events()
        if self._deferred_error is not None:
            raise self._deferred_error
        if self._skip_reason and self._run.status is RunStatus.RUNNING and not any(self._run.counts.values()):
            raise self._skip_reason

    def _check_expired_claims(self) -> None:
        """Recover what crashed workers left, and find the jobs to be polled."""
        try:
            expired, jobs_to_poll = self._queue.find_expired()
            for recording in expired:
                if recovered := self._queue.recover(recording):
                    self._finalizer.record_end(recovered)
            self._jobs_to_poll = deque(jobs_to_poll)
        except CallscribeError as error:
            self._defer(error)

    def _start_attempts(self) -> None:
        """Start as many attempts as possible now. Jobs are polled first, and do not count towards the round."""
        while self._remaining or self._jobs_to_poll:
            try:
                result = self._find_blocker() or (self._poll_next() if self._jobs_to_poll else self._start_next())
            except CallscribeError as error:
                self._defer(error)
                result = StartResult.STOP
            if result is StartResult.WAIT and self._in_progress:
                return
            if result is not StartResult.STARTED:
                self._stop_round()

    def _stop_round(self) -> None:
        self._remaining = 0
        self._jobs_to_poll.clear()

    def _defer(self, error: CallscribeError) -> None:
        """Keep the error to raise it once the running attempts have ended."""
        self._deferred_error = self._deferred_error or error  # the first one is the cause

    def _find_blocker(self) -> StartResult | None:
        """Return why nothing can be started now; None if something can."""
        if self._deferred_error or self._deadline.is_too_late_to_start(self._clock()):
            return StartResult.STOP
        # a run whose task is paused meanwhile starts nothing more, and the next run says why
        if any(self._run.counts.values()) and settings_overrides.skip_reason(Task.PROCESS) is not None:
            return StartResult.STOP
        is_isolated = any(attempt.is_isolated for attempt in self._in_progress.values())
        if is_isolated or len(self._in_progress) >= self._max_parallel:
            return StartResult.WAIT
        return None

    def _start_next(self) -> StartResult:
        entries = self._queue.next_entries(has_others_running=bool(self._in_progress))
        if not entries:
            return StartResult.WAIT  # the next one may need isolation, which ending attempts make possible
        if not self._can_finish(entries[0]):
            return StartResult.STOP
        admitted = admission.acquire(
            self._settings.max_concurrent_transcriptions,
            uuid.uuid4().hex,
            self._clock(),
            self._deadline.lease_expires_at,
        )
        if not isinstance(admitted, Slot):
            self._record_skip(outage=admitted)
            return StartResult.WAIT
        slot, claim = admitted, None
        try:
            self._transcriber.connection.prepare(refresh_key=slot.outage is not None)
            entries = self._queue.rotate_for_probe(entries, slot.outage)
            claim = self._queue.claim_first(entries, slot, has_others_running=bool(self._in_progress))
        finally:
            if claim is None:
                admission.release(slot)
        if claim is None:
            return StartResult.WAIT
        entry, recording = claim
        self._remaining -= 1
        self._submit(_Attempt(recording, slot, is_isolated=entry.is_isolated, counts_towards_round=True))
        return StartResult.STARTED

    def _can_finish(self, entry: QueueEntry) -> bool:
        """Return whether the recording fits into the time left; if not, the next run starts it soon."""
        now = self._clock()
        if self._deadline.can_start_any(now):
            return True
        recording = recordings.get(entry.id)
        return recording is not None and self._deadline.can_finish(recording.size, now)

    def _record_skip(self, *, outage: Outage | None) -> None:
        if outage:
            add_count("ServiceUnavailable")
            self._skip_reason = RunSkipped(outage.describe(), code=ServiceUnavailable.code)
        else:
            message = f"All {self._settings.max_concurrent_transcriptions} transcription slots are in use."
            self._skip_reason = RunSkipped(message, code="slots_in_use")

    def _poll_next(self) -> StartResult:
        """Poll a job, in the slot that is held for it; during an outage, only as the probe."""
        recording_to_poll = self._jobs_to_poll.popleft()
        now, lease_expires_at, token = self._clock(), self._deadline.lease_expires_at, uuid.uuid4().hex
        limit = self._settings.max_concurrent_transcriptions
        admitted = job_slots.acquire_for_poll(recording_to_poll, limit, token, now, lease_expires_at)
        if admitted is None:
            return StartResult.STARTED  # this one is polled later, the next one now
        if isinstance(admitted, Outage):
            if any(attempt.slot.outage for attempt in self._in_progress.values()):  # this run's own probe decides
                self._jobs_to_poll.appendleft(recording_to_poll)
                return StartResult.WAIT
            self._record_skip(outage=admitted)
            return StartResult.STOP
        slot, recording = admitted, None
        try:
            self._transcriber.connection.prepare(refresh_key=slot.outage is not None)
            recording = recordings.apply_transition(
                recording_to_poll.id, state_machine.claim_for_poll(recording_to_poll, token, now, lease_expires_at)
            )
        finally:
            if recording is None:
                (admission.release if slot.token == token else admission.drop_probe)(slot)
        if recording:
            try:
                slot = job_slots.extend_for_tracks(slot, recording, lease_expires_at)
            except StoreError as error:  # the recording is claimed, so it is polled in the slot as it is
                self._defer(error)
            self._submit(_Attempt(recording, slot))
        return StartResult.STARTED

    def _submit(self, attempt: _Attempt) -> None:
        recording = attempt.recording
        message = "polling transcription job" if recording.has_job else "transcription started"
        logger.info(message, recording_id=recording.id, attempt=recording.attempts)
        future = self._executor.submit(
            self._transcriber.attempt, recording, self._deadline.response_deadline, self._run.service_requests
        )
        self._in_progress[future] = attempt

    def _wait_for_next(self, next_round_at: datetime | None) -> None:
        """Wait for an attempt to end or the next round to begin; abort running attempts when time is up."""
        abort_at = self._deadline.abort_at
        seconds = (min(abort_at, next_round_at or abort_at) - self._clock()).total_seconds()
        finished, _ = wait(self._in_progress, max(0.0, seconds), FIRST_COMPLETED)
        for future in finished:
            self._finish(future, future.result())
        if self._clock() >= abort_at:
            for future, attempt in list(self._in_progress.items()):
                self._finish(future, future.result() if future.done() else _timed_out_attempt(attempt.recording))

    def _finish(self, future: Future[AttemptResult], ended: AttemptResult) -> None:
        attempt = self._in_progress.pop(future)
        if attempt.slot.outage:
            ended = as_outage(ended, attempt.slot.outage)
        recording, is_probe = attempt.recording, attempt.slot.outage is not None
        if ended.service_responded and isinstance(ended.result, TranscriptRef) and recording.job_started_at is None:
            self._deadline.record_rate(recording.size, ended.seconds)
        if isinstance(ended.result, ServiceUnavailable):
            self._stop_round()  # one failed try per round, even if the server requested no pause
        elif ended.service_responded and is_probe and attempt.counts_towards_round:
            self._remaining += 1  # a successful probe does not count towards the round
        if error := self._finalizer.finalize(attempt.slot, ended):
            self._defer(error)

    def _save_progress(self) -> None:
        """Store the run's counts and service requests so far."""
        if self._run.service_requests:  # counts alone are not worth a write
            try:
                runs.save(self._run)
            except CallscribeError as error:
                self._defer(error)


def _timed_out_attempt(recording: Recording) -> AttemptResult:
    """Return the result of an aborted attempt; a job stays pending, because the server keeps working on it."""
    timeout_error = RetryableError("The transcription did not end within the time of the run.", code="timeout")
    return AttemptResult(recording=recording, result=JobPending() if recording.has_job else timeout_error)
