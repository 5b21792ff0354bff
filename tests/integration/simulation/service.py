"""A simulated WhisperX server: it accepts audio, and responds or fails as its mode says.

With jobs, it accepts audio as a job, which continues whatever happens to the client that sent it.
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
from tests.integration.simulation.actors import Actor, Fault, PausePoint, current_actor


class Mode(Enum):
    """How the service responds to audio, and to requests about a job."""

    RESPONDS = auto()
    FAILS = auto()
    REJECTS = auto()
    """A permanent error because of the audio; a job fails."""
    UNAVAILABLE = auto()
    UNAVAILABLE_FOR_A_WHILE = auto()
    """With a Retry-After."""
    NEVER_RESPONDS = auto()
    """It hangs after it has received the audio."""
    GARBLES = auto()
    """It does the work, but its response is invalid."""


RETRY_AFTER_SECONDS = 200.0
ENDLESS_SECONDS = 1e9
"""Duration of a job that hangs."""

LIST_TIMEOUT = timedelta(seconds=LIST_TIMEOUT_SECONDS)

TRANSCRIPT = Transcript(segments=(Segment(start=0.0, end=1.0, text="hello there"),), language="en")


@dataclass(eq=False, slots=True)
class SimulatedJob:
    """A job for audio that was uploaded with the file name `name`, under the claim in `claimed`.

    `was_listed`: whether the client could list the jobs with that name before it uploaded.
    """

    id: str
    name: str
    claimed: Recording
    began_at: datetime
    ends_at: datetime
    was_listed: bool
    has_failed: bool = False
    is_forgotten: bool = False
    may_overlap: bool = False
    """Whether another job for the same recording may run at the same time."""

    def is_alive(self) -> bool:
        """Whether it can still have a result."""
        return not self.has_failed and not self.is_forgotten

    def is_in_progress(self, now: datetime) -> bool:
        return self.is_alive() and now < self.ends_at


@dataclass(eq=False, slots=True)
class Upload:
    """An upload of one recording. A living client gives up at `until`; the service does not notice a dead one."""

    actor: Actor
    claimed: Recording
    until: datetime
    job: SimulatedJob | None = None
    has_ended: bool = False

    def is_in_progress(self, now: datetime) -> bool:
        """Whether a living run waits for the response."""
        return not self.has_ended and self.actor.is_process_alive and now < self.until


@dataclass
class SimulatedService:
    """Implements the protocol `Service`, with jobs or without.

    `on_upload` is called with each upload, in the actor's thread; `on_event` with the name of other events.
    """

    with_jobs: bool
    get_time: Callable[[], datetime]
    on_upload: Callable[[Upload], None]
    on_event: Callable[[str], None]
    mode: Mode = Mode.RESPONDS
    job_seconds: float = 0.0
    """Duration of jobs that are created from now on."""
    jobs: dict[str, SimulatedJob] = field(default_factory=dict)

    def restart(self) -> None:
        """Forget all jobs and stop working on them."""
        for job in self.jobs.values():
            job.is_forgotten = True

    def send(self, audio: Audio, name: str, timeouts: Timeouts, *, is_resend: bool = False) -> Transcript | Job:
        actor = current_actor()
        assert actor is not None
        until = self.get_time() + timedelta(seconds=timeouts.total)
        was_listed = True
        if self.with_jobs and is_resend:
            try:
                if known := self._find_job(name, min(until, self.get_time() + LIST_TIMEOUT)):
                    self.on_event("jobs found by name")
                    return Job(known.id)
            except RetryableError as error:
                if error.code in ("timeout", "connection_lost"):
                    raise ServiceUnavailable("the service is too busy to list jobs") from error
                was_listed = False  # like a server without a list of jobs
        if actor.pause(PausePoint("service connect", is_write=True)) is Fault.REQUEST_LOST:
            raise ServiceUnavailable("no connection")
        if self.get_time() >= until:
            raise RetryableError("no time left", code="timeout")
        audio.read()
        mode = self.mode
        upload = Upload(actor, actor.claimed, until)
        assert name.startswith(upload.claimed.id)
        if self.with_jobs and mode in (Mode.RESPONDS, Mode.NEVER_RESPONDS, Mode.GARBLES):
            ends_at = self.get_time() + timedelta(seconds=self.job_seconds)
            job = SimulatedJob(f"job-{len(self.jobs) + 1}", name, upload.claimed, self.get_time(), ends_at, was_listed)
            self.jobs[job.id] = upload.job = job
        self.on_upload(upload)
        try:
            self._respond_to_upload(actor, mode, until)
            return Job(upload.job.id) if upload.job else TRANSCRIPT
        finally:
            upload.has_ended = not actor.is_killed

    def poll(self, job: Job, timeouts: Timeouts) -> Transcript | None:
        actor = current_actor()
        assert actor is not None
        until = self.get_time() + timedelta(seconds=timeouts.total)
        known = self.jobs[job.id]
        assert known.claimed.id == actor.claimed.id, "another recording's job"
        mode = self._respond_to_query(actor, "service poll", until)
        if mode is Mode.REJECTS and known.is_in_progress(self.get_time()):
            known.has_failed = True
        if known.is_forgotten:
            self.on_event("jobs lost")
            raise JobFailed("404", code="job_lost")
        if known.has_failed:
            self.on_event("jobs failed")
            raise JobFailed("failed")
        self.on_event("polled")
        return None if known.is_in_progress(self.get_time()) else TRANSCRIPT

    def _find_job(self, name: str, until: datetime) -> SimulatedJob | None:
        """Return the newest job with this name that is alive, or None.

        Raises: RetryableError, ServiceUnavailable, when the list cannot be read.
        """
        actor = current_actor()
        assert actor is not None
        self._respond_to_query(actor, "service list", until)
        alive = [job for job in self.jobs.values() if job.name == name and job.is_alive()]
        return alive[-1] if alive else None

    def _respond_to_query(self, actor: Actor, name: str, until: datetime) -> Mode:
        """Respond to a request without audio, and return the mode at that time.

        Raises: RetryableError, ServiceUnavailable, when the mode or the fault says so.
        """

        def ready() -> bool:
            return self.mode is not Mode.NEVER_RESPONDS or self.get_time() >= until

        fault = actor.pause(PausePoint(name, ready, is_write=True))
        mode = self.mode
        if fault is Fault.CRASH_AFTER:
            actor.crash()
        if fault is Fault.REQUEST_LOST:
            raise ServiceUnavailable("no connection")
        if fault is Fault.RESPONSE_LOST:
            raise RetryableError("the connection broke", code="connection_lost")
        self._raise_for_mode(mode, until)
        return mode

    def _respond_to_upload(self, actor: Actor, mode: Mode, until: datetime) -> None:
        """Respond to an upload, in the mode at the time when it arrived.

        Raises: TranscriptionError, when the mode or the fault says so.
        """
        if mode in (Mode.UNAVAILABLE, Mode.UNAVAILABLE_FOR_A_WHILE):
            self._raise_for_mode(mode, until)

        def ready() -> bool:
            return mode is not Mode.NEVER_RESPONDS or self.get_time() >= until

        fault = actor.pause(PausePoint("service response", ready, is_write=True))
        if self.get_time() >= until:
            raise RetryableError("no response in time", code="timeout")
        if fault is Fault.CRASH_AFTER:
            actor.crash()
        if fault in (Fault.REQUEST_LOST, Fault.RESPONSE_LOST):
            raise RetryableError("the connection broke", code="connection_lost")
        if mode is Mode.REJECTS:
            raise PermanentError("415", code="refused")
        self._raise_for_mode(mode, until)

    def _raise_for_mode(self, mode: Mode, until: datetime) -> None:
        if mode in (Mode.UNAVAILABLE, Mode.UNAVAILABLE_FOR_A_WHILE):
            raise ServiceUnavailable(
                "no connection", retry_after=RETRY_AFTER_SECONDS if mode is Mode.UNAVAILABLE_FOR_A_WHILE else None
            )
        if mode is Mode.NEVER_RESPONDS or self.get_time() >= until:
            raise RetryableError("no response in time", code="timeout")
        if mode is Mode.FAILS:
            raise RetryableError("500", code="service_error")
        if mode is Mode.GARBLES:
            raise RetryableError("cut", code="invalid_response")
