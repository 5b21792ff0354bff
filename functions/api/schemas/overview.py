"""Statistics of all recordings in responses: for a dashboard."""

from datetime import datetime

from pydantic import Field

from callscribe.store.statistics import FailureGroup
from functions.api.schemas.base import ResponseModel


class ActivityHourResponse(ResponseModel):
    """What the runs of the process task that started within one hour have done."""

    starts_at: datetime = Field(description="Start of the clock hour, in UTC.", examples=["2026-11-18T09:00:00Z"])
    transcribed: int = Field(description="Completed recordings.", examples=[12])
    failed_attempts: int = Field(description="Including those that are retried.", examples=[1])
    audio_seconds: int = Field(description="Total duration of the completed recordings.", examples=[3421])


class ActivityResponse(ResponseModel):
    """Activity of the last 24 hours, and the age of the queue."""

    oldest_queued_at: datetime | None = Field(
        description="When the oldest recording in the queue was queued; null if the queue is empty."
    )
    hours: list[ActivityHourResponse] = Field(
        description="The last 24 hours, oldest first. The last one is the current, incomplete hour."
    )
    exact: bool = Field(
        description="False if there were more runs than one request can read; the oldest hours are then incomplete."
    )


class FailureGroupResponse(ResponseModel):
    """Failed recordings whose last error has the same code."""

    code: str = Field(examples=["service_error"])
    http_status: int | None = Field(description="`httpStatus` of the latest recording's error.", examples=[500])
    count: int = Field(examples=[12])
    final: int = Field(description="Recordings that are not retried automatically.", examples=[3])
    message: str = Field(
        description="Message of the latest.", examples=["The WhisperX server failed (500). See its log."]
    )
    first_at: datetime = Field(description="Earliest of the recordings' last failures.")
    last_at: datetime = Field(description="Latest of the recordings' last failures.")


class FailureSummary(ResponseModel):
    """Failed recordings grouped by the error of their last attempt."""

    items: list[FailureGroupResponse] = Field(description="Most frequent first.")
    exact: bool = Field(
        description="False if counting took longer than one request may; the counts are then minimums, "
        "and older calls are missing."
    )


def to_failure_group_response(group: FailureGroup) -> FailureGroupResponse:
    """Convert a group of failed recordings to its response."""
    latest = group.latest
    return FailureGroupResponse(
        code=latest.code,
        http_status=latest.status,
        count=group.count,
        final=group.terminal_count,
        message=latest.message,
        first_at=group.first_at,
        last_at=latest.at,
    )
