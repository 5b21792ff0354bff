"""Sums over all recordings as clients see them: for a page that shows how the whole is doing."""

from datetime import datetime

from pydantic import Field

from callscribe.store.failure_groups import FailureGroup
from functions.api.schemas.base import ResponseModel


class ActivityHourResponse(ResponseModel):
    """What the runs of process have done that started within one hour."""

    starts_at: datetime = Field(description="The beginning of a clock hour of UTC.", examples=["2026-11-18T09:00:00Z"])
    transcribed: int = Field(description="Recordings that were completed.", examples=[12])
    failed_attempts: int = Field(description="Whether or not another attempt follows.", examples=[1])
    audio_seconds: int = Field(description="How long the recordings are that were completed.", examples=[3421])


class ActivityResponse(ResponseModel):
    """What was done in the last 24 hours, and how long the queue makes wait."""

    oldest_queued_at: datetime | None = Field(
        description="Since when the recording that has waited longest in the queue is in it; null where none is."
    )
    hours: list[ActivityHourResponse] = Field(
        description="24 of them, the oldest first; the last one is the present hour, of which a part is still to come."
    )
    exact: bool = Field(
        description="False where there were more runs than a request may read: the oldest of the hours are short."
    )


class FailureGroupResponse(ResponseModel):
    """The failed recordings whose last error has this code."""

    code: str = Field(examples=["service_error"])
    http_status: int | None = Field(
        description="As `httpStatus` of a recording's error; that of the latest.", examples=[500]
    )
    count: int = Field(examples=[12])
    final: int = Field(description="So many of them are retried by nobody but a person.", examples=[3])
    message: str = Field(description="That of the latest.", examples=["The service failed (500). Look into its log."])
    first_at: datetime = Field(description="When the first of these recordings failed, the last time that it did.")
    last_at: datetime = Field(description="When the latest of them failed.")


class FailureSummary(ResponseModel):
    """The failed recordings by the error of their last attempt."""

    items: list[FailureGroupResponse] = Field(description="The most frequent first.")
    exact: bool = Field(
        description="False where adding up took longer than a request may: there are at least so many, "
        "and older calls are missing."
    )


def to_failure_group_response(group: FailureGroup) -> FailureGroupResponse:
    """A group of failed recordings as clients see it."""
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
