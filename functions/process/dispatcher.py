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
from datetime import datetime
from enum import Enum, auto
from typing import Any

from callscribe import breaker, transitions
from callscribe.breaker import Outage
from callscribe.clock import Clock
from callscribe.errors import CallscribeError, RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.recording import Recording, Status
from callscribe.run import Outcome, Run, Task
from callscribe.store import admission, recordings, switches
from callscribe.store.admission import Slot
from callscribe.telemetry import count, logger
from callscribe.transitions import Place, RetryPolicy
from callscribe.whisperx import Service
from functions.process.line import Line
from functions.process.time_left import TimeLeft
from functions.process.transcription import Attempt, attempt

ENDS = {
    Status.COMPLETED: ("completed", "RecordingsCompleted"),
    Status.FAILED: ("failed", "AttemptsFailed"),
    Status.QUEUED: ("returned", "ServiceUnavailable"),
}
"""What a claim ends with: the run's count, and the metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`slots` may be under way at once over all runs, `at_once` in this one; the breaker's `first_pause` in seconds."""

    policy: RetryPolicy
    slots: int
    at_once: int
    first_pause: float


class Begun(Enum):
    """What came of looking for the next recording."""

    YES = auto()
    NOTHING = auto()
    """No more in this round."""
    BUSY = auto()
    """Not before something under way has ended."""


class Dispatcher:
    """`service` makes the connection to WhisperX, with a key that is read anew if the argument says so."""

    def __init__(
        self,
        *,
        service: Callable[[bool], Service],
        transcripts_bucket: str,
        limits: Limits,
        time_left: TimeLeft,
        executor: Executor,
        clock: Clock,
        jitter: random.Random,
        run: Run,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._service = service
        self._bucket = transcripts_bucket
        self._limits = limits
        self._time_left = time_left
        self._executor = executor
        self._clock = clock
        self._jitter = jitter
        self._run = run
        self._sleep = sleep
        self._line = Line(limits.slots, clock, jitter, run)
        self._under_way: dict[Future[Attempt], tuple[Recording, Slot]] = {}
        self._left = 0
        self._alone = False
        self._refusal: tuple[str, str] | None = None
        self._fault: CallscribeError | None = None

    def work(self, per_round: int, rounds: Sequence[datetime]) -> None:
        """Begins up to `per_round` recordings at each of these times, and ends when all of them have ended.

        Raises ConfigurationError, StoreError, once what was under way has ended.
        """
        self._run.counts.update(completed=0, failed=0, returned=0, recovered=0, lost_races=0)
        self._line.recover_lost(self._limits.policy)
        to_come = deque(rounds)
        while True:
            if to_come and self._clock() >= to_come[0]:
                to_come.popleft()
                self._left = per_round
            self._begin()
            if self._under_way:
                self._finish_some(to_come[0] if to_come else None)
            elif to_come and self._fault is None:
                self._sleep(max(0.0, (to_come[0] - self._clock()).total_seconds()))
            else:
                break
        if self._fault is not None:
            raise self._fault
        if self._refusal and self._run.outcome is Outcome.RUNNING and not any(self._run.counts.values()):
            self._run.end(Outcome.SKIPPED, *self._refusal)

    def _begin(self) -> None:
        """Begins as many of this round as can be begun now."""
        while self._left:
            try:
                begun = self._begin_next()
            except CallscribeError as error:  # what is under way comes to its end first
                self._fault = error
                begun = Begun.NOTHING
            if begun is Begun.YES:
                self._left -= 1
            elif begun is Begun.NOTHING or not self._under_way:
                self._left = 0
            else:
                return

    def _begin_next(self) -> Begun:
        places = self._candidates(self._clock())
        if isinstance(places, Begun):
            return places
        lease_expires_at = self._time_left.lease_expires_at
        slot = admission.take(self._limits.slots, uuid.uuid4().hex, self._clock(), lease_expires_at)
        if not isinstance(slot, Slot):
            self._refused(slot)
            return Begun.BUSY
        claim = None
        try:
            service = self._service(slot.outage is not None)
            places = self._line.in_turn(places, slot.outage)
            claim = self._line.claim(places, slot, beside_others=bool(self._under_way))
        finally:
            if claim is None:
                admission.free(slot)
        if claim is None:
            return Begun.BUSY
        place, claimed = claim
        self._alone = place.alone
        logger.info("transcription begins", recording_id=claimed.id, attempt=claimed.attempts)
        until = self._time_left.sends_until
        under_way = self._executor.submit(attempt, claimed, service, self._bucket, self._clock, until)
        self._under_way[under_way] = claimed, slot
        return Begun.YES

    def _candidates(self, now: datetime) -> list[Place] | Begun:
        """The places next in line, or why nothing is to be begun now."""
        if self._fault or self._time_left.is_up(now) or self._turned_off():
            return Begun.NOTHING
        if len(self._under_way) >= self._limits.at_once or (self._alone and self._under_way):
            return Begun.BUSY
        places = self._line.next(beside_others=bool(self._under_way))
        if not places:
            return Begun.BUSY  # or it must be sent alone; what ends next may change that
        return places if self._can_finish(places[0], now) else Begun.NOTHING

    def _turned_off(self) -> bool:
        """Whether the task was paused since the run began: then it begins nothing more, and the next run says why."""
        return any(self._run.counts.values()) and switches.why_off(Task.PROCESS) is not None

    def _refused(self, outage: Outage | None) -> None:
        if outage:
            count("ServiceUnavailable")
            self._refusal = outage.describe(), ServiceUnavailable.code
        else:
            self._refusal = f"All {self._limits.slots} transcription slots are in use.", "slots_in_use"

    def _can_finish(self, place: Place, now: datetime) -> bool:
        """Late in a run, its size says so. The next run is fresh, and soon."""
        if self._time_left.is_fresh(now):
            return True
        seen = recordings.get(place.id)
        return seen is not None and self._time_left.fits(seen.size, now)

    def _finish_some(self, until: datetime | None) -> None:
        """Waits for the next end of a transcription, or until then; gives up what is under way when time is up."""
        give_up = self._time_left.gives_up_at
        seconds = (min(give_up, until or give_up) - self._clock()).total_seconds()
        ended, _ = wait(self._under_way, max(0.0, seconds), FIRST_COMPLETED)
        for future in ended:
            self._end(future, future.result())
        if self._clock() >= give_up:
            late = RetryableError("The transcription did not end within the time of the run.", code="timeout")
            for future in list(self._under_way):
                given_up = Attempt(result=late, answered=False, seconds=0.0)
                self._end(future, future.result() if future.done() else given_up)

    def _end(self, future: Future[Attempt], ended: Attempt) -> None:
        """Ends a claim, then gives its slot back: a slot covers its recording to the end."""
        claimed, slot = self._under_way.pop(future)
        if ended.answered:
            self._time_left.measure(claimed.size, ended.seconds)
        for write in (self._write_result, self._give_slot_back):
            try:
                write(claimed, slot, ended)
            except CallscribeError as error:  # the lease brings back what could not be written
                self._fault = self._fault or error
                logger.error("the end of a transcription was not written", recording_id=claimed.id, code=error.code)

    def _write_result(self, claimed: Recording, slot: Slot, ended: Attempt) -> None:
        now, result = self._clock(), ended.result
        policy, probe = self._limits.policy, slot.outage is not None
        match result:
            case ServiceUnavailable():
                change = transitions.give_back(claimed, result, policy, now, self._jitter, probe=probe)
                self._run.end(Outcome.FAILED, result.message, result.code)
                self._left = 0  # also where the service asked for no pause: each round tries once
            case TranscriptionError():
                change = transitions.fail(claimed, result, policy, now, self._jitter)
            case _:
                change = transitions.complete(claimed, result, now)
        after = recordings.apply(claimed.id, change)
        if after is None:
            logger.warning("transcription came too late: the claim was lost", recording_id=claimed.id)
            return
        what, metric = ENDS[after.status]
        self._run.count(what)
        count("RecordingsFailedFinally" if after.final else metric)
        why: dict[str, Any] = {}
        if isinstance(result, TranscriptionError):
            why = {"code": result.code, "reason": result.message}
        log = logger.warning if why else logger.info
        log("transcription ended", recording_id=claimed.id, ended=what, final=after.final, **why)

    def _give_slot_back(self, _claimed: Recording, slot: Slot, ended: Attempt) -> None:
        if isinstance(ended.result, ServiceUnavailable):
            first_pause = self._limits.first_pause
            admission.unavailable(slot, breaker.after_failure(ended.result, self._clock(), first_pause, slot.outage))
        elif ended.answered:
            self._left += slot.outage is not None  # the probe was for the others: the round goes on
            admission.answered(slot)
        else:
            admission.free(slot)
