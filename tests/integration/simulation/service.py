"""The transcription service as the simulation has it: it takes audio and answers, or fails, as it is told."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from callscribe.errors import PermanentError, RetryableError, ServiceUnavailable
from callscribe.recording import Recording
from callscribe.sources import Audio
from callscribe.transcript import Segment, Transcript
from callscribe.whisperx import Timeouts
from tests.integration.simulation.actors import Actor, Call, Go, current


class Mode(Enum):
    """What the service does with audio."""

    ANSWERS = auto()
    FAILS = auto()
    REFUSES = auto()
    """The audio is at fault: a permanent error."""
    AWAY = auto()
    AWAY_FOR_A_WHILE = auto()
    """With a Retry-After."""
    NEVER_ANSWERS = auto()
    """It dies after it has taken the audio."""


RETRY_AFTER = 200.0


@dataclass(eq=False, slots=True)
class Sent:
    """One recording at the service. The client gives up `until` then; a dead one no more than the service notices."""

    actor: Actor
    claimed: Recording
    until: datetime
    ended: bool = False

    def under_way(self, now: datetime) -> bool:
        """Whether a living run waits for it."""
        return not self.ended and self.actor.alive and now < self.until


class SimulatedService:
    """Follows the protocol `Service`. `begun` is told of each recording that comes, in the actor's thread."""

    def __init__(self, moment: Callable[[], datetime], begun: Callable[[Sent], None]) -> None:
        self.mode = Mode.ANSWERS
        self._moment, self._begun = moment, begun

    def send(self, audio: Audio, name: str, timeouts: Timeouts, **_again: bool) -> Transcript:
        actor = current()
        assert actor is not None
        until = self._moment() + timedelta(seconds=timeouts.total)
        if actor.stand(Call("service connect", changes=True)) is Go.REQUEST_LOST:
            raise ServiceUnavailable("nobody there")
        if self._moment() >= until:
            raise RetryableError("no time left", code="timeout")
        audio.read()
        mode = self.mode
        sent = Sent(actor, actor.claimed, until)
        assert name.startswith(sent.claimed.id)
        self._begun(sent)
        try:
            if mode in (Mode.AWAY, Mode.AWAY_FOR_A_WHILE):
                retry_after = RETRY_AFTER if mode is Mode.AWAY_FOR_A_WHILE else None
                raise ServiceUnavailable("nobody there", retry_after=retry_after)
            return self._answer(sent, mode)
        finally:
            sent.ended = not actor.killed

    def _answer(self, sent: Sent, mode: Mode) -> Transcript:
        def ready() -> bool:
            return mode is not Mode.NEVER_ANSWERS or self._moment() >= sent.until

        how = sent.actor.stand(Call("service answer", ready, changes=True))
        if self._moment() >= sent.until:
            raise RetryableError("no answer in time", code="timeout")
        if how is Go.DIE_AFTER:
            sent.actor.die()
        if how in (Go.REQUEST_LOST, Go.ANSWER_LOST):
            raise RetryableError("the connection broke", code="broken")
        if mode is Mode.FAILS:
            raise RetryableError("500", code="service_error")
        if mode is Mode.REFUSES:
            raise PermanentError("415", code="refused")
        return Transcript(segments=(Segment(start=0.0, end=1.0, text="hello there"),), language="en")
