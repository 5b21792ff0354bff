"""What becomes of an attempt: its end is written, its slot given back, and a recording's last one is announced."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from callscribe import breaker, events, transitions
from callscribe.clock import Clock
from callscribe.errors import CallscribeError, ServiceUnavailable, TranscriptionError
from callscribe.recording import Recording, Status, TranscriptRef
from callscribe.run import Outcome, Run
from callscribe.store import admission, recordings
from callscribe.store.admission import Slot
from callscribe.telemetry import count, logger, measure
from callscribe.transitions import Change, RetryPolicy
from functions.process.transcription import Attempt, Result, UnderWay

ENDS = {
    Status.COMPLETED: ("completed", "RecordingsCompleted"),
    Status.FAILED: ("failed", "AttemptsFailed"),
    Status.QUEUED: ("returned", "ServiceUnavailable"),
    Status.PROCESSING: ("under_way", "JobsUnderWay"),
}
"""What a claim ends with: the run's count, and the metric."""

PARKED = timedelta(minutes=20)
"""So long a slot is held for a job that nobody polls; each poll holds it for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`slots` may be under way at once over all runs, `at_once` in this one; the breaker's `first_pause` in seconds."""

    policy: RetryPolicy
    slots: int
    at_once: int
    first_pause: float


class Endings:
    """Of one run."""

    def __init__(self, limits: Limits, clock: Clock, jitter: random.Random, run: Run) -> None:
        self._limits = limits
        self._clock = clock
        self._jitter = jitter
        self._run = run
        self._at_an_end: list[Recording] = []

    def end(self, slot: Slot, ended: Attempt) -> CallscribeError | None:
        """Ends a claim, then gives its slot back: a slot covers its recording to the end.

        Raises nothing; what could not be written is returned, and the lease brings it back.
        """
        fault = None
        # it may be parked though nobody says so: what is not known to be over keeps its slot, until the lease runs out
        kept = slot if _goes_on(ended) else None
        try:
            kept = self._write(slot, ended)
        except CallscribeError as error:
            fault = error
        try:
            self._give_slot_back(slot, ended, kept)
        except CallscribeError as error:
            fault = error
        if fault:
            logger.error("the end of a transcription was not written", recording_id=ended.recording.id, code=fault.code)
        return fault

    def tell_of(self, recording: Recording) -> None:
        """Remembers it for the next `announce`, if it is at the end of its way."""
        count("RecordingsFailedFinally", int(recording.final))
        if recording.final or recording.status is Status.COMPLETED:
            self._at_an_end.append(recording)

    def announce(self) -> None:
        """Sends the events of what has come to its end since."""
        events.publish(self._at_an_end)
        self._at_an_end.clear()

    def _write(self, slot: Slot, ended: Attempt) -> Slot | None:
        """Where the service works on by itself: the slot that stays held for it."""
        recording, result, now = ended.recording, ended.result, self._clock()
        if isinstance(result, ServiceUnavailable):
            self._run.end(Outcome.FAILED, result.message, result.code)
        kept = None
        if isinstance(result, UnderWay) or _goes_on(ended):
            kept = admission.keep(slot, now, now + PARKED)
            change = transitions.park(recording, kept.holder, now)
        else:
            change = self._change(ended, result, now, probe=slot.outage is not None)
        after = recordings.apply(recording.id, change)
        if after is None:
            logger.warning("transcription came too late: the claim was lost", recording_id=recording.id)
            return None
        self._count(after, result)
        self.tell_of(after)
        return kept

    def _change(
        self, ended: Attempt, result: TranscriptRef | TranscriptionError, now: datetime, *, probe: bool
    ) -> Change:
        claimed, policy, jitter = ended.recording, self._limits.policy, self._jitter
        match result:
            case ServiceUnavailable():
                return transitions.give_back(claimed, result, policy, now, jitter, probe=probe)
            case TranscriptionError():
                return transitions.fail(claimed, result, policy, now, jitter, transcript=ended.partial)
            case _:
                return transitions.complete(claimed, result, now)

    def _count(self, after: Recording, result: Result) -> None:
        what, metric = ENDS[after.status]
        self._run.count(what)
        if after.status is Status.COMPLETED:
            self._run.count("audio_seconds", _seconds(after))
            measure("AudioTranscribed", seconds=_seconds(after))
        count(metric)
        why: dict[str, Any] = {}
        if isinstance(result, TranscriptionError):
            why = {"code": result.code, "reason": result.message}
        log = logger.warning if why else logger.info
        log("transcription ended", recording_id=after.id, ended=what, final=after.final, **why)

    def _give_slot_back(self, slot: Slot, ended: Attempt, kept: Slot | None) -> None:
        if isinstance(ended.result, ServiceUnavailable):
            outage = breaker.after_failure(ended.result, self._clock(), self._limits.first_pause, slot.outage)
            admission.unavailable(slot, outage, kept=kept)
        elif ended.answered:
            admission.answered(slot, kept=kept)
        else:
            admission.free(slot, kept=kept)


def _seconds(completed: Recording) -> int:
    """How long it is, as far as that is known: by the file or, where that does not tell, by its transcript."""
    told = (each.duration for each in (completed.audio, completed.transcript) if each is not None)
    return round(next((duration for duration in told if duration is not None), 0.0))


def _goes_on(ended: Attempt) -> bool:
    """Whether the service works on, whoever asks for it."""
    return isinstance(ended.result, UnderWay) or (
        isinstance(ended.result, ServiceUnavailable) and ended.recording.has_job
    )
