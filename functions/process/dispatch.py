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
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from callscribe import breaker, transitions
from callscribe.breaker import Outage
from callscribe.clock import Clock
from callscribe.errors import CallscribeError, RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.recording import Recording, Status
from callscribe.run import Outcome, Run
from callscribe.store import dispatch, recordings
from callscribe.store.dispatch import Slot
from callscribe.telemetry import count, logger
from callscribe.transitions import Change, Place, RetryPolicy
from callscribe.whisperx import Service
from functions.process.transcription import Attempt, attempt

LEASE_BEYOND = timedelta(minutes=1)
"""How far a lease outlives the run: one that has run out means a dead worker, though clocks differ a little."""

RESERVE = timedelta(seconds=20)
"""Kept back from the function's time to store the result, or the failure."""

LAST = timedelta(seconds=10)
"""The last part of it: what is still under way then is given up, so that Lambda does not end it without a word."""

LEAST = timedelta(seconds=60)
"""With less time than this left, no further recording is begun."""

FRESH = 2 / 3
"""With this part of its time left, a run begins whatever is next; with less, only what it can finish."""

CANDIDATES = 25
"""Places read at once: a worker that loses one to another takes a further one without asking again."""

LOOKS = 3
"""So often a run that loses every race looks at the line again; the index may lag behind for a moment."""

LOST_AT_ONCE = 25
"""Lost claims that one run puts back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`slots`: transcriptions under way at once over all runs, `at_once` in this one. `first_pause`: the breaker's, in
    seconds.

    The run may work from `began_at` until `ends_at`, when Lambda stops it.
    """

    policy: RetryPolicy
    slots: int
    at_once: int
    first_pause: float
    began_at: datetime
    ends_at: datetime

    def fresh(self, now: datetime) -> bool:
        return self.ends_at - now >= FRESH * (self.ends_at - self.began_at)


class Begun(Enum):
    """What came of looking for the next recording."""

    YES = auto()
    NOTHING = auto()
    """Nothing is there to begin, or it must not be begun now."""
    BUSY = auto()
    """No slot is free now."""


class Dispatcher:
    """`service` makes the connection to WhisperX, with a key that is read anew if the argument says so."""

    def __init__(
        self,
        *,
        service: Callable[[bool], Service],
        transcripts_bucket: str,
        limits: Limits,
        executor: Executor,
        clock: Clock,
        jitter: random.Random,
        run: Run,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._service = service
        self._bucket = transcripts_bucket
        self._limits = limits
        self._executor = executor
        self._clock = clock
        self._jitter = jitter
        self._run = run
        self._sleep = sleep
        self._under_way: dict[Future[Attempt], tuple[Recording, Slot]] = {}
        self._slowest = 0.0
        self._refusal: Outage | int | None = None
        self._fault: CallscribeError | None = None

    def work(self, per_round: int, rounds: Sequence[datetime]) -> None:
        """Begins up to `per_round` recordings at each of these times, and ends when all of them have ended.

        Raises ConfigurationError, StoreError, once what was under way has ended.
        """
        self._run.counts.update(completed=0, failed=0, returned=0, recovered=0, lost_races=0)
        self._recover_lost()
        to_come, left = deque(rounds), 0
        while True:
            if to_come and self._clock() >= to_come[0]:
                to_come.popleft()
                left = per_round
            left = self._begin(left)
            if self._under_way:
                self._finish_some(to_come[0] if to_come else None)
            elif to_come and self._fault is None:
                self._sleep(max(0.0, (to_come[0] - self._clock()).total_seconds()))
            else:
                break
        if self._fault is not None:
            raise self._fault
        if self._run.outcome is Outcome.RUNNING and not any(self._run.counts.values()):
            self._say_why_nothing_was_done()

    def _recover_lost(self) -> None:
        """Puts back what dead workers left in processing."""
        for place in recordings.lost(self._clock(), LOST_AT_ONCE):
            lost = recordings.get(place.id)
            if lost is None or lost.position != place.position:
                continue  # its worker, or another run, was faster
            if recordings.apply(lost.id, transitions.recover(lost, self._limits.policy, self._clock())):
                self._run.count("recovered")
                logger.warning("lost claim recovered", recording_id=lost.id, attempts=lost.attempts)

    # what is begun ----------------------------------------------------------------------------------------------------

    def _begin(self, left: int) -> int:
        """Begins up to `left` recordings; how many of them may still be begun in this round."""
        while left and self._fault is None:
            try:
                begun = self._begin_next()
            except CallscribeError as error:  # what is under way comes to its end first
                self._fault = error
                return 0
            if begun is Begun.NOTHING or (begun is Begun.BUSY and not self._under_way):
                return 0
            if begun is Begun.BUSY:
                return left
            left -= 1
        return left

    def _begin_next(self) -> Begun:
        if self._limits.ends_at - self._clock() < LEAST:
            return Begun.NOTHING
        if len(self._under_way) >= self._limits.at_once:
            return Begun.BUSY
        places = self._next_places()
        if not places:
            return Begun.NOTHING
        now = self._clock()
        slot = dispatch.take(self._limits.slots, uuid.uuid4().hex, now, self._limits.ends_at + LEASE_BEYOND)
        if not isinstance(slot, Slot):
            self._refusal = slot or self._limits.slots
            return Begun.BUSY
        claimed = None
        try:
            service = self._service(slot.outage is not None)
            claimed = self._claim(self._in_turn(places, slot.outage), slot)
        finally:
            if claimed is None:
                dispatch.free(slot)
        if claimed is None:
            return Begun.NOTHING
        logger.info("transcription begins", recording_id=claimed.id, attempt=claimed.attempts)
        until = self._limits.ends_at - RESERVE
        under_way = self._executor.submit(attempt, claimed, service, self._bucket, self._clock, until)
        self._under_way[under_way] = claimed, slot
        return Begun.YES

    def _next_places(self) -> list[Place]:
        """The oldest queued; when nothing is queued, the failed ones that have been due for longest."""
        return recordings.first(Status.QUEUED, CANDIDATES) or recordings.due(self._clock(), CANDIDATES)

    @staticmethod
    def _in_turn(places: list[Place], outage: Outage | None) -> list[Place]:
        """Each further probe begins with another place: what stands at the head may be what brings the service down."""
        first = outage.failures % len(places) if outage else 0
        return places[first:] + places[:first]

    def _claim(self, places: list[Place], slot: Slot) -> Recording | None:
        """Claims the first or, where others are faster, another; None when all are gone, or it would take too long."""
        for _ in range(LOOKS):
            while places:
                place = places.pop(0)
                now = self._clock()
                if not self._can_finish(place, now):
                    return None
                claim = transitions.claim(place, slot.token, now, slot.lease_expires_at)
                claimed = recordings.apply(place.id, claim)
                if claimed is not None:
                    return claimed
                self._run.count("lost_races")
                self._jitter.shuffle(places)  # who lost the same race goes elsewhere next
            places = self._next_places()
        return None

    def _can_finish(self, place: Place, now: datetime) -> bool:
        """Late in a run, by the slowest of those before it, in seconds a byte. The next run is fresh, and soon."""
        if self._limits.fresh(now):
            return True
        seen = recordings.get(place.id)
        seconds = (self._limits.ends_at - RESERVE - now).total_seconds()
        return seen is not None and 0 < self._slowest * seen.size <= seconds

    def _say_why_nothing_was_done(self) -> None:
        match self._refusal:
            case Outage() as outage:
                self._run.end(Outcome.SKIPPED, outage.describe(), "service_unavailable")
                count("ServiceUnavailable")
            case int(slots):
                self._run.end(Outcome.SKIPPED, f"All {slots} transcription slots are in use.", "slots_in_use")

    # what ends --------------------------------------------------------------------------------------------------------

    def _finish_some(self, until: datetime | None) -> None:
        """Waits for the next end of a transcription, or until then; gives up what is under way when time is up."""
        last_call = self._limits.ends_at - LAST
        seconds = (min(last_call, until or last_call) - self._clock()).total_seconds()
        ended, under_way = wait(self._under_way, max(0.0, seconds), FIRST_COMPLETED)
        for future in ended:
            self._end(future, future.result())
        if self._clock() >= last_call:
            late = RetryableError("The service took the audio and did not answer in time.", code="timeout")
            for future in under_way:
                self._end(future, Attempt(result=late, answered=True, seconds=0.0))

    def _end(self, future: Future[Attempt], ended: Attempt) -> None:
        """Ends a claim and gives its slot back, in this order: a slot covers its recording to the end."""
        claimed, slot = self._under_way.pop(future)
        if ended.answered:
            self._slowest = max(self._slowest, ended.seconds / max(claimed.size, 1))
        try:
            if isinstance(ended.result, TranscriptionError):
                self._failed(claimed, ended.result, probe=slot.outage is not None)
            elif recordings.apply(claimed.id, transitions.complete(claimed, ended.result, self._clock())):
                self._run.count("completed")
                count("RecordingsCompleted")
                logger.info("transcription completed", recording_id=claimed.id)
            else:
                logger.warning("transcription came too late: the claim was lost", recording_id=claimed.id)
            self._free(slot, ended)
        except CallscribeError as error:  # the lease brings back what could not be written
            self._fault = self._fault or error
            logger.error("the end of a transcription could not be written", recording_id=claimed.id, code=error.code)

    def _failed(self, claimed: Recording, error: TranscriptionError, *, probe: bool) -> None:
        policy, now = self._limits.policy, self._clock()
        change: Change
        if isinstance(error, ServiceUnavailable):
            change = transitions.give_back(claimed, error, policy, now, self._jitter, probe=probe)
            self._run.end(Outcome.FAILED, error.message, error.code)
            count("ServiceUnavailable")
        else:
            change = transitions.fail(claimed, error, policy, now, self._jitter)
        after = recordings.apply(claimed.id, change)
        if change.target is Status.QUEUED:
            self._run.count("returned")
            logger.warning("service unavailable", recording_id=claimed.id, code=error.code, reason=error.message)
            return
        final = after is not None and after.next_attempt_at is None
        self._run.count("failed")
        count("RecordingsFailedFinally" if final else "AttemptsFailed")
        logger.warning("attempt failed", recording_id=claimed.id, code=error.code, reason=error.message, final=final)

    def _free(self, slot: Slot, ended: Attempt) -> None:
        if isinstance(ended.result, ServiceUnavailable):
            outage = breaker.after_failure(ended.result, self._clock(), self._limits.first_pause, slot.outage)
            dispatch.unavailable(slot, outage)
        elif ended.answered:
            dispatch.answered(slot)
        else:
            dispatch.free(slot)
