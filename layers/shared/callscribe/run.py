"""A run: one execution of one task, with its counts and how it ended."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from callscribe.clock import iso


class Task(StrEnum):
    """The three scheduled commands."""

    SYNC = "sync_recordings"
    QUEUE = "queue_transcriptions"
    PROCESS = "process_transcription"


class Outcome(StrEnum):
    """How a run ended, or that it has not."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    """There was a reason to do nothing; the message says which."""


@dataclass(slots=True, kw_only=True)
class Run:
    """Filled in while the task runs. `counts` says how many recordings went which way. Times are UTC."""

    task: Task
    id: str
    trigger: str
    started_at: datetime
    outcome: Outcome = Outcome.RUNNING
    finished_at: datetime | None = None
    counts: dict[str, int] = field(default_factory=dict)
    error: str | None = None
    """In a person's words: why it failed or was skipped."""
    error_code: str | None = None
    """The same for programs, where it failed."""

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number

    def document(self) -> dict[str, Any]:
        """As the API and the functions' answers show it."""
        return {
            "id": self.id,
            "task": self.task,
            "trigger": self.trigger,
            "status": self.outcome,
            "startedAt": iso(self.started_at),
            "finishedAt": iso(self.finished_at) if self.finished_at else None,
            "counts": self.counts,
            "error": self.error,
            "errorCode": self.error_code,
        }
