"""Tasks, their runs, and the calls to the service, as clients see them."""

from datetime import datetime
from typing import Any

from pydantic import Field, StrictBool

from callscribe.recordings.run import Module, RunStatus, Task
from functions.api.schemas.base import RequestModel, ResponseModel


class IncompleteFileResponse(ResponseModel):
    """A file that is not complete yet."""

    path: str
    size: int = Field(description="Bytes.")
    since: datetime = Field(description="When it was last written.")
    reason: str = Field(description="In a person's words.")


class RunResponse(ResponseModel):
    """One execution of a task."""

    id: str = Field(examples=["2026-11-18T09:35:00.112233Z-4f1c2a9b"])
    task: Task
    trigger: str = Field(description="What began it: schedule, api or upload.", examples=["api"])
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None = None
    duration: float | None = Field(None, description="Seconds; null while it runs.")
    counts: dict[str, int] = Field(
        default_factory=dict,
        description="How many recordings went which way; of process also `audio_seconds`, how much was transcribed.",
    )
    waiting: list[IncompleteFileResponse] = Field(
        default_factory=list, description="The first of the files that are not complete yet."
    )
    error: str | None = Field(None, description="Why it failed or was skipped.")
    error_code: str | None = None
    filter: dict[str, Any] | None = Field(None, description="Of a retry: which recordings.")


class RunList(ResponseModel):
    """A page of runs."""

    items: list[RunResponse]
    next_cursor: str | None


class ScheduledTask(ResponseModel):
    """A scheduled command; it does nothing while it is paused, or its module disabled."""

    command: Task
    module: Module
    schedule: str = Field(description="In words (UTC), or as the expression.", examples=["every 5 minutes"])
    schedule_expression: str = Field(examples=["cron(0/5 * * * ? *)"])
    paused: bool
    next_run_at: datetime | None = Field(description="Null while it is paused, or its module disabled.")
    last_run: RunResponse | None


class TaskList(ResponseModel):
    """The three tasks."""

    items: list[ScheduledTask]


class TaskUpdateRequest(RequestModel):
    """Whether the task is to do nothing from now on."""

    paused: StrictBool


class TranscriptionCall(ResponseModel):
    """One HTTP exchange with the transcription service."""

    recording_id: str
    attempt: int
    method: str
    url: str = Field(description="Without what may be secret.")
    started_at: datetime
    duration: float = Field(description="Seconds.")
    status: int | None = Field(description="Of HTTP; null where no answer came.")
    bytes_sent: int
    bytes_received: int
    error: str | None = Field(description="The code of the error; null where it succeeded.")


class TranscriptionCallList(ResponseModel):
    """A page of calls."""

    items: list[TranscriptionCall]
    next_cursor: str | None
