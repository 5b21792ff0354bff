"""The body of every error response."""

from typing import Any

from pydantic import Field

from functions.api.schemas.base import ResponseModel


class Problem(ResponseModel):
    """An error."""

    code: str = Field(description="For programs: a stable identifier.", examples=["recording_not_found"])
    message: str = Field(
        description="For users: what is wrong and what to do.",
        examples=["There is no recording with this ID."],
    )
    details: list[dict[str, Any]] = Field(
        description="For an invalid request, each `field` with its `message`; for a failed run, the run."
    )
    request_id: str | None = Field(
        description="Identifies this request in the log of the API function.", examples=["WiK5iiN2liAEPRw="]
    )


class ErrorResponse(ResponseModel):
    """Body of all responses with a status of 400 or higher."""

    error: Problem
