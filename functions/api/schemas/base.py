"""What all that goes over the wire has in common: camelCase, and the kinds of values that clients send."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

from callscribe.call_metadata.phone_numbers import digits_only, parse_phone_number


class ApiModel(BaseModel):
    """Base of all bodies: camelCase names in JSON."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        from_attributes=True,
        defer_build=True,  # most requests need one or two of them
    )


class ResponseModel(ApiModel):
    """A response body."""


class RequestModel(ApiModel):
    """A request body. Unknown members are rejected, and each member has one name: camelCase."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)


def patch_model_config(*examples: dict[str, Any]) -> ConfigDict:
    """How the specification shows a Change."""
    return ConfigDict(json_schema_extra={"examples": list(examples), "minProperties": 1})


class PatchModel(RequestModel):
    """What is sent to change something: only what is in it is changed."""

    @model_validator(mode="after")
    def _require_any_field(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("nothing is to be changed: name what, and its new value")
        return self


class ModulePatchModel(PatchModel):
    """Of a module: whether it is enabled."""

    enabled: StrictBool = Field(default=True, description="While it is not, its tasks do nothing.")

    @property
    def requested_enabled(self) -> bool | None:
        """None where nothing is said of it."""
        return self.enabled if "enabled" in self.model_fields_set else None


UNESCAPED_PLUS = re.compile(r" (?=[0-9]{2}:?[0-9]{2}$)")
"""Of `+01:00` in a query, a client that does not escape it leaves a space."""

TIME_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}")


def _require_rfc3339(value: Any) -> Any:
    """A time as RFC 3339 writes it. Pydantic takes numbers as well, and nobody knows what they were meant to be."""
    if not isinstance(value, str) or not TIME_PATTERN.match(value):
        raise ValueError("must be a time like 2026-11-18T09:30:00Z")
    return UNESCAPED_PLUS.sub("+", value)


def _to_utc(timestamp: datetime) -> datetime:
    try:
        return timestamp.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


UtcDateTime = Annotated[AwareDatetime, BeforeValidator(_require_rfc3339), AfterValidator(_to_utc)]
"""A time with its zone, as UTC."""

ZoneOptionalDateTime = Annotated[datetime, BeforeValidator(_require_rfc3339)]
"""A time with or without its zone, as it was written."""


def _to_digits(text: str) -> str:
    if parse_phone_number(text) is None:
        raise ValueError("must be a phone number, its last digits (four or more) or an extension")
    return digits_only(text)


PhoneDigits = Annotated[str, Field(max_length=40), AfterValidator(_to_digits)]
"""A phone number as people write it, as nothing but its digits."""


def _require_non_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty: leave it out")
    return text


Absent = SkipJsonSchema[None]
"""What a parameter or a body that was left out is: nobody sends null instead, so the schema does not offer it."""

Text = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_require_non_blank)]

Code = Annotated[str, Field(pattern="^[a-z_]{1,64}$")]
"""The code of an error, such as `service_error`."""
