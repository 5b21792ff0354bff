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

from callscribe import transitions
from callscribe.breaker import Outage
from callscribe.clock import Clock
from callscribe.errors import CallscribeError, RetryableError, ServiceUnavailable, Skipped
from callscribe.recording import Recording, TranscriptRef
from callscribe.run import Outcome, Run, Task
from callscribe.store import admission, recordings, runs, switches
from callscribe.store.admission import Slot
from callscribe.telemetry import count, logger
from callscribe.transitions import Place
from functions.process.endings import Endings, Limits
from functions.process.line import Line
from functions.process.time_left import TimeLeft
from functions.process.transcription import Attempt, Transcriber, UnderWay


class Begun(Enum):
    """What came of looking for the next recording."""

    YES = auto()
    NOTHING = auto()
    """No more in this round."""
    BUSY = auto()
    """Not before something under way has ended."""


class Dispatcher:
    """`transcriber` reads the key of the service anew if the argument says so."""

    def __init__(
        self,
        *,
        transcriber: Callable[[bool], Transcriber],
        limits: Limits,
        time_left: TimeLeft,
        executor: Executor,
        clock: Clock,
        jitter: random.Random,
        run: Run,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transcriber = transcriber
        self._limits = limits
        self._time_left = time_left
        self._executor = executor
        self._clock = clock
        self._jitter = jitter
        self._run = run
        self._sleep = sleep
        self._line = Line(limits.slots, clock, jitter, run)
        self._endings = Endings(limits, clock, jitter, run)
        self._under_way: dict[Future[Attempt], tuple[Recording, Slot]] = {}
        self._parked: deque[Recording] = deque()
        self._left = 0
        self._alone = False
        self._refusal: Skipped | None = None
        self._fault: CallscribeError | None = None

    def work(self, per_round: int, rounds: Sequence[datetime]) -> None:
        """Begins up to `per_round` recordings at each of these times, and ends when all of them have ended.

        Raises ConfigurationError, StoreError, Skipped, once what was under way has ended.
        """
        self._run.counts.update(completed=0, failed=0, returned=0, recovered=0, lost_races=0, audio_seconds=0)
        to_come = deque(rounds)
        while True:
            if to_come and self._clock() >= to_come[0]:
                to_come.popleft()
                self._left = per_round
                self._look_for_overdue()
            self._begin()
            if self._under_way:
                self._finish_some(to_come[0] if to_come else None)
                self._record_progress(goes_on=bool(self._under_way or self._left or self._parked or to_come))
            elif to_come and self._fault is None:
                self._sleep(max(0.0, (to_come[0] - self._clock()).total_seconds()))
            else:
                break
        self._record_progress(goes_on=False)
        if self._fault is not None:
            raise self._fault
        if self._refusal and self._run.outcome is Outcome.RUNNING and not any(self._run.counts.values()):
            raise self._refusal

    def _look_for_overdue(self) -> None:
        """Puts back what dead workers left, and finds the jobs that are to be polled."""
        try:
            lost, parked = self._line.overdue()
            for each in lost:
                recovered = self._line.recover(each, self._limits.policy)
                if recovered:
                    self._endings.tell_of(recovered)
            self._parked = deque(parked)
        except CallscribeError as error:  # what is under way comes to its end first
            self._fault = error

    def _begin(self) -> None:
        """Begins as many of this round as can be begun now; jobs are polled first, and are none of the round's."""
        while self._left or self._parked:
            try:
                begun = self._begin_next()
            except CallscribeError as error:  # what is under way comes to its end first
                self._fault = error
                begun = Begun.NOTHING
            if begun is Begun.BUSY and self._under_way:
                return
            if begun is not Begun.YES:
                self._left = 0
                self._parked.clear()

    def _begin_next(self) -> Begun:
        if self._parked:
            return self._resume_next()
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
            transcriber = self._transcriber(slot.outage is not None)
            places = self._line.in_turn(places, slot.outage)
            claim = self._line.claim(places, slot, beside_others=bool(self._under_way))
        finally:
            if claim is None:
                admission.free(slot)
        if claim is None:
            return Begun.BUSY
        place, claimed = claim
        self._alone = place.alone
        self._left -= 1
        self._attempt(transcriber, claimed, slot)
        return Begun.YES

    def _resume_next(self) -> Begun:
        """Polls for a job, in the slot that is held for it; during an outage as the probe, or not at all."""
        if not_now := self._not_now(self._clock()):
            return not_now
        parked = self._parked.popleft()
        now, lease_expires_at = self._clock(), self._time_left.lease_expires_at
        held = Slot.held_by(parked.slot) if parked.slot else Slot(token=uuid.uuid4().hex, lease_expires_at=now)
        token = uuid.uuid4().hex
        slot = admission.probe(held, token, now, lease_expires_at)
        if isinstance(slot, Outage):
            self._refused(slot)
            return Begun.NOTHING
        claimed = None
        try:
            transcriber = self._transcriber(slot.outage is not None)
            claimed = recordings.apply(parked.id, transitions.resume(parked, token, now, lease_expires_at))
        finally:
            if claimed is None:
                admission.free(slot, kept=slot)
        if claimed:
            more_to_send = not all(part.job or part.transcript for part in claimed.parts)
            slot = admission.renew(slot, lease_expires_at) if more_to_send else slot
            self._attempt(transcriber, claimed, slot)
        return Begun.YES

    def _attempt(self, transcriber: Transcriber, claimed: Recording, slot: Slot) -> None:
        what = "transcription is polled" if claimed.has_job else "transcription begins"
        logger.info(what, recording_id=claimed.id, attempt=claimed.attempts)
        until = self._time_left.sends_until
        under_way = self._executor.submit(transcriber.attempt, claimed, until, self._run.calls)
        self._under_way[under_way] = claimed, slot

    def _not_now(self, now: datetime) -> Begun | None:
        """Why nothing is to be begun, if there is a reason."""
        if self._fault or self._time_left.is_up(now) or self._turned_off():
            return Begun.NOTHING
        if len(self._under_way) >= self._limits.at_once or (self._alone and self._under_way):
            return Begun.BUSY
        return None

    def _candidates(self, now: datetime) -> list[Place] | Begun:
        """The places next in line, or why nothing is to be begun now."""
        if not_now := self._not_now(now):
            return not_now
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
            self._refusal = Skipped(outage.describe(), code=ServiceUnavailable.code)
        else:
            message = f"All {self._limits.slots} transcription slots are in use."
            self._refusal = Skipped(message, code="slots_in_use")

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
            for future in list(self._under_way):
                self._end(future, future.result() if future.done() else _given_up(self._under_way[future][0]))

    def _end(self, future: Future[Attempt], ended: Attempt) -> None:
        claimed, slot = self._under_way.pop(future)
        if ended.answered and isinstance(ended.result, TranscriptRef) and claimed.job_since is None:
            self._time_left.measure(claimed.size, ended.seconds)
        if isinstance(ended.result, ServiceUnavailable):
            self._left = 0  # also where the service asked for no pause: each round tries once
            self._parked.clear()
        elif ended.answered:
            self._left += slot.outage is not None  # the probe was for the others: the round goes on
        self._fault = self._endings.end(slot, ended) or self._fault

    def _record_progress(self, *, goes_on: bool) -> None:
        """Announces what is at its end and, while more is to come, stores how far the run is and what it has called."""
        self._endings.announce()
        if goes_on and self._run.calls:
            try:
                runs.save(self._run)
            except CallscribeError as error:
                self._fault = self._fault or error


def _given_up(claimed: Recording) -> Attempt:
    """What is made of a transcription that did not end in time; a job goes on without us."""
    late = RetryableError("The transcription did not end within the time of the run.", code="timeout")
    return Attempt(recording=claimed, result=UnderWay() if claimed.has_job else late)
