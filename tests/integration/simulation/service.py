"""The transcription service as the simulation has it: it takes audio and answers, or fails, as it is told.

One with jobs takes audio as a job, which goes on whatever becomes of who sent it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from callscribe.errors import JobFailed, PermanentError, RetryableError, ServiceUnavailable
from callscribe.recordings.recording import Recording
from callscribe.sources import Audio
from callscribe.transcripts.transcript import Segment, Transcript
from callscribe.whisperx import Job, Timeouts
from callscribe.whisperx.dialects.tasks import LIST_TIMEOUT_SECONDS
from tests.integration.simulation.actors import Actor, Call, Go, current


class Mode(Enum):
    """What the service does with audio, or when it is asked for a job."""

    ANSWERS = auto()
    FAILS = auto()
    REFUSES = auto()
    """The audio is at fault: a permanent error, and the end of a job."""
    AWAY = auto()
    AWAY_FOR_A_WHILE = auto()
    """With a Retry-After."""
    NEVER_ANSWERS = auto()
    """It dies after it has taken the audio."""
    GARBLES = auto()
    """It does what it is asked for, and its answer cannot be read."""


RETRY_AFTER = 200.0
FOR_EVER = 1e9
"""Seconds that a job lasts which hangs."""

LOOKING = timedelta(seconds=LIST_TIMEOUT_SECONDS)

SPOKEN = Transcript(segments=(Segment(start=0.0, end=1.0, text="hello there"),), language="en")


@dataclass(eq=False, slots=True)
class SimulatedJob:
    """What a service has made of audio that came under the file name `name`, with the claim `claimed`.

    `asked`: whether the service could say, when it was sent, what it has under that name.
    """

    id: str
    name: str
    claimed: Recording
    began_at: datetime
    ends_at: datetime
    asked: bool
    failed: bool = False
    forgotten: bool = False
    excused: bool = False
    """Another may be under way beside it."""

    def alive(self) -> bool:
        """Whether something may still come of it."""
        return not self.failed and not self.forgotten

    def under_way(self, now: datetime) -> bool:
        return self.alive() and now < self.ends_at


@dataclass(eq=False, slots=True)
class Sent:
    """One recording at the service. The client gives up `until` then; a dead one no more than the service notices."""

    actor: Actor
    claimed: Recording
    until: datetime
    job: SimulatedJob | None = None
    ended: bool = False

    def under_way(self, now: datetime) -> bool:
        """Whether a living run waits for it."""
        return not self.ended and self.actor.alive and now < self.until


@dataclass
class SimulatedService:
    """Follows the protocol `Service`, with jobs or without.

    `begun` is told of each recording that comes, in the actor's thread, and `met` of what else has happened.
    """

    with_jobs: bool
    moment: Callable[[], datetime]
    begun: Callable[[Sent], None]
    met: Callable[[str], None]
    mode: Mode = Mode.ANSWERS
    lasts: float = 0.0
    """So many seconds do jobs take from now on."""
    jobs: dict[str, SimulatedJob] = field(default_factory=dict)

    def restart(self) -> None:
        """It has forgotten all jobs, and does them no more."""
        for job in self.jobs.values():
            job.forgotten = True

    def send(self, audio: Audio, name: str, timeouts: Timeouts, *, is_resend: bool = False) -> Transcript | Job:
        actor = current()
        assert actor is not None
        until = self.moment() + timedelta(seconds=timeouts.total)
        asked = True
        if self.with_jobs and is_resend:
            try:
                if known := self._known(name, min(until, self.moment() + LOOKING)):
                    self.met("found again")
                    return Job(known.id)
            except RetryableError as error:
                if error.code in ("timeout", "connection_lost"):
                    raise ServiceUnavailable("too busy to tell") from error
                asked = False  # as by a server that has no list
        if actor.stand(Call("service connect", changes=True)) is Go.REQUEST_LOST:
            raise ServiceUnavailable("nobody there")
        if self.moment() >= until:
            raise RetryableError("no time left", code="timeout")
        audio.read()
        mode = self.mode
        sent = Sent(actor, actor.claimed, until)
        assert name.startswith(sent.claimed.id)
        if self.with_jobs and mode in (Mode.ANSWERS, Mode.NEVER_ANSWERS, Mode.GARBLES):
            ends_at = self.moment() + timedelta(seconds=self.lasts)
            job = SimulatedJob(f"job-{len(self.jobs) + 1}", name, sent.claimed, self.moment(), ends_at, asked)
            self.jobs[job.id] = sent.job = job
        self.begun(sent)
        try:
            self._let_answer(actor, mode, until)
            return Job(sent.job.id) if sent.job else SPOKEN
        finally:
            sent.ended = not actor.killed

    def poll(self, job: Job, timeouts: Timeouts) -> Transcript | None:
        actor = current()
        assert actor is not None
        until = self.moment() + timedelta(seconds=timeouts.total)
        known = self.jobs[job.id]
        assert known.claimed.id == actor.claimed.id, "another recording's job"
        mode = self._asked(actor, "service poll", until)
        if mode is Mode.REFUSES and known.under_way(self.moment()):
            known.failed = True
        if known.forgotten:
            self.met("jobs lost")
            raise JobFailed("404", code="job_lost")
        if known.failed:
            self.met("jobs failed")
            raise JobFailed("failed")
        self.met("polled")
        return None if known.under_way(self.moment()) else SPOKEN

    def _known(self, name: str, until: datetime) -> SimulatedJob | None:
        """The newest of this name that is not in vain. Raises RetryableError, ServiceUnavailable."""
        actor = current()
        assert actor is not None
        self._asked(actor, "service list", until)
        alive = [job for job in self.jobs.values() if job.name == name and job.alive()]
        return alive[-1] if alive else None

    def _asked(self, actor: Actor, what: str, until: datetime) -> Mode:
        """Answers a question. Raises RetryableError, ServiceUnavailable."""

        def ready() -> bool:
            return self.mode is not Mode.NEVER_ANSWERS or self.moment() >= until

        how = actor.stand(Call(what, ready, changes=True))
        mode = self.mode
        if how is Go.DIE_AFTER:
            actor.die()
        if how is Go.REQUEST_LOST:
            raise ServiceUnavailable("nobody there")
        if how is Go.ANSWER_LOST:
            raise RetryableError("the connection broke", code="connection_lost")
        self._fail(mode, until)
        return mode

    def _let_answer(self, actor: Actor, mode: Mode, until: datetime) -> None:
        """The answer to audio that has come, which was decided upon then. Raises TranscriptionError."""
        if mode in (Mode.AWAY, Mode.AWAY_FOR_A_WHILE):
            self._fail(mode, until)

        def ready() -> bool:
            return mode is not Mode.NEVER_ANSWERS or self.moment() >= until

        how = actor.stand(Call("service answer", ready, changes=True))
        if self.moment() >= until:
            raise RetryableError("no answer in time", code="timeout")
        if how is Go.DIE_AFTER:
            actor.die()
        if how in (Go.REQUEST_LOST, Go.ANSWER_LOST):
            raise RetryableError("the connection broke", code="connection_lost")
        if mode is Mode.REFUSES:
            raise PermanentError("415", code="refused")
        self._fail(mode, until)

    def _fail(self, mode: Mode, until: datetime) -> None:
        if mode in (Mode.AWAY, Mode.AWAY_FOR_A_WHILE):
            raise ServiceUnavailable("nobody there", retry_after=RETRY_AFTER if mode is Mode.AWAY_FOR_A_WHILE else None)
        if mode is Mode.NEVER_ANSWERS or self.moment() >= until:
            raise RetryableError("no answer in time", code="timeout")
        if mode is Mode.FAILS:
            raise RetryableError("500", code="service_error")
        if mode is Mode.GARBLES:
            raise RetryableError("cut", code="invalid_response")
