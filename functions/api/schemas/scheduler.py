"""Scheduled tasks, their runs, and requests to the WhisperX server in responses."""

from datetime import datetime
from typing import Any

from pydantic import Field, StrictBool

from callscribe.recordings.run import Module, RunStatus, Task, Trigger
from functions.api.schemas.base import RequestModel, ResponseModel


class IncompleteFileResponse(ResponseModel):
    """A file that is still being written or uploaded."""

    path: str
    size: int = Field(description="Bytes.")
    since: datetime = Field(description="When the file was last modified.")
    reason: str = Field(description="For users: why it is considered incomplete.")


class RunResponse(ResponseModel):
    """One execution of a task."""

    id: str = Field(examples=["2026-11-18T09:35:00.112233Z-4f1c2a9b"])
    task: Task
    trigger: Trigger
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None = None
    duration: float | None = Field(None, description="Seconds; null while it runs.")
    counts: dict[str, int] = Field(
        default_factory=dict,
        description="Number of recordings by result; for the process task also `audio_seconds`, the transcribed audio.",
    )
    waiting: list[IncompleteFileResponse] = Field(
        default_factory=list, description="Incomplete files, up to a maximum."
    )
    error: str | None = Field(None, description="Why it failed or was skipped.")
    error_code: str | None = None
    filter: dict[str, Any] | None = Field(None, description="For a retry: the filter of the recordings.")


class RunList(ResponseModel):
    """A page of runs."""

    items: list[RunResponse]
    next_cursor: str | None


class ScheduledTask(ResponseModel):
    """A scheduled task. It does nothing while it is paused or its module is disabled."""

    command: Task
    module: Module
    schedule: str = Field(description="Description (UTC), or the expression.", examples=["every 5 minutes"])
    schedule_expression: str = Field(examples=["cron(0/5 * * * ? *)"])
    paused: bool
    module_enabled: bool
    next_run_at: datetime | None = Field(
        description="Null while the task is paused or its module is disabled, and for a rate until its first run."
    )
    last_run: RunResponse | None


class TaskList(ResponseModel):
    """The three scheduled tasks."""

    items: list[ScheduledTask]


class TaskUpdateRequest(RequestModel):
    """Pauses or resumes a task."""

    paused: StrictBool


class TranscriptionCall(ResponseModel):
    """One HTTP request to the WhisperX server."""

    recording_id: str
    attempt: int
    method: str
    url: str = Field(description="Without anything that may be secret.")
    started_at: datetime
    duration: float = Field(description="Seconds.")
    status: int | None = Field(description="HTTP status; null if there was no response.")
    bytes_sent: int
    bytes_received: int
    error: str | None = Field(description="Error code; null if the request succeeded.")


class TranscriptionCallList(ResponseModel):
    """A page of requests to the WhisperX server."""

    items: list[TranscriptionCall]
    next_cursor: str | None
