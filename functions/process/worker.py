"""One run: which recordings are sent, when, and how many at once; and what becomes of them.

This thread makes every claim and ends every claim; other threads only transcribe, and write no status. Where a worker
dies between two steps, docs/states.md says what is left behind and who puts it right.
"""

import random
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from datetime import datetime
from enum import Enum, auto

from callscribe.clock import Clock
from callscribe.errors import CallscribeError, RetryableError, RunSkipped, ServiceUnavailable
from callscribe.observability import add_count, logger
from callscribe.recordings import state_machine
from callscribe.recordings.circuit_breaker import Outage
from callscribe.recordings.recording import Recording, TranscriptRef
from callscribe.recordings.run import Run, RunStatus, Task
from callscribe.recordings.state_machine import QueueEntry
from callscribe.store import admission, disabled_state, recordings, runs
from callscribe.store.admission import Slot
from functions.process.claim_queue import ClaimQueue
from functions.process.deadline import Deadline
from functions.process.finalizer import AttemptFinalizer, Limits
from functions.process.transcription import AttemptResult, JobPending, Transcriber


class StartResult(Enum):
    """What came of looking for the next recording."""

    STARTED = auto()
    NONE = auto()
    """No more in this round."""
    WAIT = auto()
    """Not before something under way has ended."""


class Worker:
    """`transcriber` reads the key of the service anew if the argument says so."""

    def __init__(
        self,
        *,
        build_transcriber: Callable[[bool], Transcriber],
        limits: Limits,
        deadline: Deadline,
        executor: Executor,
        clock: Clock,
        jitter: random.Random,
        run: Run,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._build_transcriber = build_transcriber
        self._limits = limits
        self._deadline = deadline
        self._executor = executor
        self._clock = clock
        self._jitter = jitter
        self._run = run
        self._sleep = sleep
        self._queue = ClaimQueue(limits.slots, clock, jitter, run)
        self._finalizer = AttemptFinalizer(limits, clock, jitter, run)
        self._in_progress: dict[Future[AttemptResult], tuple[Recording, Slot]] = {}
        self._awaiting_job: deque[Recording] = deque()
        self._remaining = 0
        self._isolated = False
        self._skip_reason: RunSkipped | None = None
        self._deferred_error: CallscribeError | None = None

    def run(self, per_round: int, round_times: Sequence[datetime]) -> None:
        """Begins up to `per_round` recordings at each of these times, and ends when all of them have ended.

        Raises ConfigurationError, StoreError, Skipped, once what was under way has ended.
        """
        self._run.counts.update(completed=0, failed=0, requeued=0, recovered=0, conflicts=0, audio_seconds=0)
        upcoming_rounds = deque(round_times)
        while True:
            if upcoming_rounds and self._clock() >= upcoming_rounds[0]:
                upcoming_rounds.popleft()
                self._remaining = per_round
                self._check_expired_claims()
            self._start_attempts()
            if self._in_progress:
                self._wait_for_next(upcoming_rounds[0] if upcoming_rounds else None)
                self._save_progress(
                    has_more=bool(self._in_progress or self._remaining or self._awaiting_job or upcoming_rounds)
                )
            elif upcoming_rounds and self._deferred_error is None:
                self._sleep(max(0.0, (upcoming_rounds[0] - self._clock()).total_seconds()))
            else:
                break
        self._save_progress(has_more=False)
        if self._deferred_error is not None:
            raise self._deferred_error
        if self._skip_reason and self._run.status is RunStatus.RUNNING and not any(self._run.counts.values()):
            raise self._skip_reason

    def _check_expired_claims(self) -> None:
        """Puts back what dead workers left, and finds the jobs that are to be polled."""
        try:
            expired, awaiting_job = self._queue.find_expired()
            for each in expired:
                recovered = self._queue.recover(each, self._limits.retry_policy)
                if recovered:
                    self._finalizer.count_terminal(recovered)
            self._awaiting_job = deque(awaiting_job)
        except CallscribeError as error:  # what is under way comes to its end first
            self._deferred_error = error

    def _start_attempts(self) -> None:
        """Begins as many of this round as can be begun now; jobs are polled first, and are none of the round's."""
        while self._remaining or self._awaiting_job:
            try:
                result = self._start_next()
            except CallscribeError as error:  # what is under way comes to its end first
                self._deferred_error = error
                result = StartResult.NONE
            if result is StartResult.WAIT and self._in_progress:
                return
            if result is not StartResult.STARTED:
                self._remaining = 0
                self._awaiting_job.clear()

    def _start_next(self) -> StartResult:
        if self._awaiting_job:
            return self._poll_next()
        entries = self._next_entries(self._clock())
        if isinstance(entries, StartResult):
            return entries
        lease_expires_at = self._deadline.lease_expires_at
        slot = admission.acquire(self._limits.slots, uuid.uuid4().hex, self._clock(), lease_expires_at)
        if not isinstance(slot, Slot):
            self._record_skip(slot)
            return StartResult.WAIT
        claim = None
        try:
            transcriber = self._build_transcriber(slot.outage is not None)
            entries = self._queue.rotate_for_probe(entries, slot.outage)
            claim = self._queue.claim_first(entries, slot, has_others_running=bool(self._in_progress))
        finally:
            if claim is None:
                admission.release(slot)
        if claim is None:
            return StartResult.WAIT
        entry, recording = claim
        self._isolated = entry.is_isolated
        self._remaining -= 1
        self._submit_attempt(transcriber, recording, slot)
        return StartResult.STARTED

    def _poll_next(self) -> StartResult:
        """Polls for a job, in the slot that is held for it; during an outage as the probe, or not at all."""
        if blocker := self._find_blocker(self._clock()):
            return blocker
        awaiting_job = self._awaiting_job.popleft()
        now, lease_expires_at = self._clock(), self._deadline.lease_expires_at
        held_slot = (
            Slot.from_set_member(awaiting_job.slot)
            if awaiting_job.slot
            else Slot(token=uuid.uuid4().hex, lease_expires_at=now)
        )
        token = uuid.uuid4().hex
        slot = admission.acquire_probe(held_slot, token, now, lease_expires_at)
        if isinstance(slot, Outage):
            self._record_skip(slot)
            return StartResult.NONE
        recording = None
        try:
            transcriber = self._build_transcriber(slot.outage is not None)
            recording = recordings.apply_transition(
                awaiting_job.id, state_machine.claim_for_poll(awaiting_job, token, now, lease_expires_at)
            )
        finally:
            if recording is None:
                admission.release(slot, retained=slot)
        if recording:
            has_unsent_tracks = not all(track.job or track.transcript for track in recording.tracks)
            slot = admission.extend(slot, lease_expires_at) if has_unsent_tracks else slot
            self._submit_attempt(transcriber, recording, slot)
        return StartResult.STARTED

    def _submit_attempt(self, transcriber: Transcriber, recording: Recording, slot: Slot) -> None:
        message = "transcription is polled" if recording.has_job else "transcription begins"
        logger.info(message, recording_id=recording.id, attempt=recording.attempts)
        send_deadline = self._deadline.send_deadline
        future = self._executor.submit(transcriber.attempt, recording, send_deadline, self._run.service_requests)
        self._in_progress[future] = recording, slot

    def _find_blocker(self, now: datetime) -> StartResult | None:
        """Why nothing is to be begun, if there is a reason."""
        if self._deferred_error or self._deadline.is_near(now) or self._is_paused():
            return StartResult.NONE
        if len(self._in_progress) >= self._limits.max_parallel or (self._isolated and self._in_progress):
            return StartResult.WAIT
        return None

    def _next_entries(self, now: datetime) -> list[QueueEntry] | StartResult:
        """The places next in line, or why nothing is to be begun now."""
        if blocker := self._find_blocker(now):
            return blocker
        entries = self._queue.next_entries(has_others_running=bool(self._in_progress))
        if not entries:
            return StartResult.WAIT  # or it must be sent alone; what ends next may change that
        return entries if self._can_finish(entries[0], now) else StartResult.NONE

    def _is_paused(self) -> bool:
        """Whether the task was paused since the run began: then it begins nothing more, and the next run says why."""
        return any(self._run.counts.values()) and disabled_state.skip_reason(Task.PROCESS) is not None

    def _record_skip(self, outage: Outage | None) -> None:
        if outage:
            add_count("ServiceUnavailable")
            self._skip_reason = RunSkipped(outage.describe(), code=ServiceUnavailable.code)
        else:
            message = f"All {self._limits.slots} transcription slots are in use."
            self._skip_reason = RunSkipped(message, code="slots_in_use")

    def _can_finish(self, entry: QueueEntry, now: datetime) -> bool:
        """Late in a run, its size says so. The next run is fresh, and soon."""
        if self._deadline.can_start_any(now):
            return True
        recording = recordings.get(entry.id)
        return recording is not None and self._deadline.can_finish(recording.size, now)

    def _wait_for_next(self, next_round_at: datetime | None) -> None:
        """Waits for the next end of a transcription, or until then; gives up what is under way when time is up."""
        abort_at = self._deadline.abort_at
        seconds = (min(abort_at, next_round_at or abort_at) - self._clock()).total_seconds()
        finished, _ = wait(self._in_progress, max(0.0, seconds), FIRST_COMPLETED)
        for future in finished:
            self._finish_attempt(future, future.result())
        if self._clock() >= abort_at:
            for future in list(self._in_progress):
                self._finish_attempt(
                    future, future.result() if future.done() else _timed_out_attempt(self._in_progress[future][0])
                )

    def _finish_attempt(self, future: Future[AttemptResult], attempt: AttemptResult) -> None:
        recording, slot = self._in_progress.pop(future)
        if attempt.service_responded and isinstance(attempt.result, TranscriptRef) and recording.job_started_at is None:
            self._deadline.record_rate(recording.size, attempt.seconds)
        if isinstance(attempt.result, ServiceUnavailable):
            self._remaining = 0  # also where the service asked for no pause: each round tries once
            self._awaiting_job.clear()
        elif attempt.service_responded:
            self._remaining += slot.outage is not None  # the probe was for the others: the round goes on
        self._deferred_error = self._finalizer.finalize(slot, attempt) or self._deferred_error

    def _save_progress(self, *, has_more: bool) -> None:
        """Announces what is at its end and, while more is to come, stores how far the run is and what it has called."""
        self._finalizer.publish_events()
        if has_more and self._run.service_requests:
            try:
                runs.save(self._run)
            except CallscribeError as error:
                self._deferred_error = self._deferred_error or error


def _timed_out_attempt(recording: Recording) -> AttemptResult:
    """What is made of a transcription that did not end in time; a job goes on without us."""
    timeout_error = RetryableError("The transcription did not end within the time of the run.", code="timeout")
    return AttemptResult(recording=recording, result=JobPending() if recording.has_job else timeout_error)
