"""A run: one execution of a task, with its counts and its result."""

from bisect import insort
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from callscribe.clock import to_iso
from callscribe.recordings.service_request import ServiceRequest


class Task(StrEnum):
    """The three scheduled commands, and the retry that a user requests, which may take longer than one invocation."""

    SYNC = "sync_recordings"
    QUEUE = "queue_transcriptions"
    PROCESS = "process_transcription"
    RETRY = "retry_recordings"
    """failed → queued for all recordings that match a filter; later runs of the queue function continue it."""


class Trigger(StrEnum):
    """What started a run: a schedule, unless the event says otherwise."""

    SCHEDULE = "schedule"
    API = "api"
    UPLOAD = "upload"
    """A file was written to the recordings bucket."""

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """The trigger that an event names: the schedule if it names none, the API if it names an unknown one."""
        name = event.get("trigger", cls.SCHEDULE)
        return cls(name) if name in cls else cls.API


TEST_TRIGGER = "test"
"""The trigger of an event that only requests a settings test: it is not a run, and nothing is recorded."""

SCHEDULED_TASKS = (Task.SYNC, Task.QUEUE, Task.PROCESS)


class Module(StrEnum):
    """The integrations that can be disabled."""

    CALL_RECORDINGS = "call-recordings"
    WHISPERX = "whisperx"


MODULE_BY_TASK: Mapping[Task, Module] = {
    Task.SYNC: Module.CALL_RECORDINGS,
    Task.QUEUE: Module.WHISPERX,
    Task.PROCESS: Module.WHISPERX,
}
"""The module of each scheduled task, which does nothing while its module is disabled."""


class RunStatus(StrEnum):
    """The result of a run, or that it is still running."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    """There was a reason to do nothing, given in the message."""
    DIED = "died"
    """Its time is over and it has no result: it was stopped from outside, or ran out of memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteFile:
    """A file that is not complete yet: `size` in bytes, last written at `since`, and the `reason` for the user."""

    path: str
    size: int
    since: datetime
    reason: str


MAX_LISTED = 20
"""How many incomplete files a run lists."""


@dataclass(slots=True, kw_only=True)
class Run:
    """One execution of a task, updated while it runs. Times are UTC.

    `counts`: how many recordings had which result; for the process task also `audio_seconds`, the transcribed audio.
    `deadline`: when Lambda will have stopped it; a run that is still `running` after that has died. A retry, which
    several invocations work on, is leased until its deadline.
    """

    task: Task
    id: str
    trigger: Trigger
    started_at: datetime
    deadline: datetime
    status: RunStatus = RunStatus.RUNNING
    finished_at: datetime | None = None
    counts: dict[str, int] = field(default_factory=dict)
    service_requests: list[ServiceRequest] = field(default_factory=list)
    """Requests to the transcription service that are not stored yet."""
    incomplete_files: list[IncompleteFile] = field(default_factory=list)
    """The largest files that it found and did not ingest yet, the largest first."""
    error: str | None = None
    """Why it failed or was skipped, for the user."""
    error_code: str | None = None
    """The same for programs."""
    filters: Mapping[str, Any] = field(default_factory=dict)
    """The filters of a retry, as `RecordingFilter.to_api` returns them."""
    resume_cursor: str | None = None
    """Where a retry continues, as JSON; None at the beginning."""

    @property
    def duration(self) -> float | None:
        """Seconds; None while it runs."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None

    def increment(self, name: str, amount: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + amount

    def add_incomplete(self, file: IncompleteFile, count_name: str) -> None:
        """Count a file that is not complete yet, and list it if it is among the largest: empty ones matter least."""
        self.increment(count_name)
        insort(self.incomplete_files, file, key=lambda each: -each.size)
        del self.incomplete_files[MAX_LISTED:]

    def end(self, status: RunStatus, error: str | None = None, code: str | None = None) -> None:
        self.status, self.error, self.error_code = status, error, code

    def with_died_status(self, now: datetime) -> "Run":
        """The run as the API shows it: a dead run cannot record that it died. A retry does not die, it is continued."""
        if self.status is not RunStatus.RUNNING or now <= self.deadline or self.task is Task.RETRY:
            return self
        message = "The run ended without a result: it was stopped or ran out of memory. See the function's log."
        return replace(self, status=RunStatus.DIED, error=message, error_code="run_died")

    def to_api(self) -> dict[str, Any]:
        """The run as the functions return it and the API shows it."""
        return {
            "id": self.id,
            "task": self.task,
            "trigger": self.trigger,
            "status": self.status,
            "startedAt": to_iso(self.started_at),
            "finishedAt": to_iso(self.finished_at) if self.finished_at else None,
            "duration": self.duration,
            "counts": self.counts,
            "waiting": [{**asdict(file), "since": to_iso(file.since)} for file in self.incomplete_files],
            "error": self.error,
            "errorCode": self.error_code,
            "filter": dict(self.filters) or None,
        }
