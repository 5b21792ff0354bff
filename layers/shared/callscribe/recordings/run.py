"""A run: one execution of one task, with its counts and how it ended."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from callscribe.clock import to_iso
from callscribe.recordings.service_request import ServiceRequest


class Task(StrEnum):
    """The three scheduled commands, and what a person asks for that one request may be too short for."""

    SYNC = "sync_recordings"
    QUEUE = "queue_transcriptions"
    PROCESS = "process_transcription"
    RETRY = "retry_recordings"
    """failed → queued for all that match a filter; runs of the queue function go on with it."""


class Trigger(StrEnum):
    """What started a run. A scheduled event whose input names another trigger is recorded with that name."""

    SCHEDULE = "schedule"
    API = "api"
    UPLOAD = "upload"
    """A file was written to the recordings bucket."""
    TEST = "test"
    """Only a settings test was requested: nothing is recorded."""


SCHEDULED_TASKS = (Task.SYNC, Task.QUEUE, Task.PROCESS)


class Module(StrEnum):
    """The integrations that can be switched off."""

    CALL_RECORDINGS = "call-recordings"
    WHISPERX = "whisperx"


MODULE_BY_TASK: Mapping[Task, Module] = {
    Task.SYNC: Module.CALL_RECORDINGS,
    Task.QUEUE: Module.WHISPERX,
    Task.PROCESS: Module.WHISPERX,
}
"""Which module a task works for: it does nothing while that is disabled."""


class RunStatus(StrEnum):
    """How a run ended, or that it has not."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    """There was a reason to do nothing; the message says which."""
    DIED = "died"
    """It cannot be running any more, and has not said how it ended: stopped from outside, or out of memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteFile:
    """A file that is not complete yet: its `size` in bytes, when it was last written, and `why` in a person's words."""

    path: str
    size: int
    since: datetime
    reason: str


MAX_LISTED = 20
"""Files that a run names of all that wait."""


@dataclass(slots=True, kw_only=True)
class Run:
    """Filled in while the task runs. Times are UTC.

    `counts` says how many recordings went which way; of process also `audio_seconds`, how much was transcribed.

    `ends_by` is when Lambda will have stopped it: one that is still `running` after that has died.
    """

    task: Task
    id: str
    trigger: str
    started_at: datetime
    deadline: datetime
    status: RunStatus = RunStatus.RUNNING
    finished_at: datetime | None = None
    counts: dict[str, int] = field(default_factory=dict)
    service_requests: list[ServiceRequest] = field(default_factory=list)
    """Made to the transcription service, and not stored yet."""
    incomplete_files: list[IncompleteFile] = field(default_factory=list)
    """Files that it found and did not take yet; the first of them."""
    error: str | None = None
    """In a person's words: why it failed or was skipped."""
    error_code: str | None = None
    """The same for programs."""
    filters: Mapping[str, Any] = field(default_factory=dict)
    """Of a retry: which recordings, as `Filters.document` writes it."""
    resume_cursor: str | None = None
    """Of a retry: where it is to go on; None at the beginning."""

    @property
    def duration(self) -> float | None:
        """Seconds; None while it runs."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None

    def increment(self, name: str, amount: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + amount

    def add_incomplete(self, file: IncompleteFile, count_name: str) -> None:
        """Counts a file that is not complete yet, and names the first ones."""
        self.increment(count_name)
        if len(self.incomplete_files) < MAX_LISTED:
            self.incomplete_files.append(file)

    def end(self, outcome: RunStatus, error: str | None = None, code: str | None = None) -> None:
        self.status, self.error, self.error_code = outcome, error, code

    def with_died_status(self, now: datetime) -> "Run":
        """As it is to be shown: nobody can write into the record of a run that died. A retry is gone on with."""
        if self.status is not RunStatus.RUNNING or now <= self.deadline or self.task is Task.RETRY:
            return self
        message = "It ended without a word: stopped from outside, or out of memory. Look into the function's log."
        return replace(self, status=RunStatus.DIED, error=message, error_code="run_died")

    def to_api(self) -> dict[str, Any]:
        """As the functions answer with it."""
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
