"""Errors as clients see them: one shape for all."""

from typing import Any

from pydantic import Field

from functions.api.schemas.base import ResponseModel


class Problem(ResponseModel):
    """What went wrong."""

    code: str = Field(description="For programs: it stays the same.", examples=["recording_not_found"])
    message: str = Field(
        description="For people: what is wrong, and what to do.",
        examples=["There is no recording of this id. List them first."],
    )
    details: list[dict[str, Any]] = Field(
        description="Of a request that is not valid, each `field` with its `message`; of a run that failed, the run."
    )
    request_id: str | None = Field(
        description="Names this request in the log of the API function.", examples=["WiK5iiN2liAEPRw="]
    )


class ErrorResponse(ResponseModel):
    """Every answer with a status of 400 or more."""

    error: Problem
