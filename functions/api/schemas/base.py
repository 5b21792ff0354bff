"""Base classes of all request and response bodies, and the types of values that clients send."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
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
        defer_build=True,  # most requests need only one or two of the models
    )


class ResponseModel(ApiModel):
    """A response body."""


class RequestModel(ApiModel):
    """A request body. Unknown members are rejected, and each member has one name: camelCase."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)


def update_model_config(*examples: dict[str, Any]) -> ConfigDict:
    """Describe the body of a PUT: only the submitted members change, and `http_request` rejects an empty one."""
    return ConfigDict(json_schema_extra={"examples": list(examples), "minProperties": 1})


class ModuleUpdateModel(RequestModel):
    """An update of a module: its switch."""

    enabled: StrictBool = Field(default=True, description="While the module is disabled, its tasks do nothing.")

    @property
    def requested_enabled(self) -> bool | None:
        """None if the request does not contain it."""
        return self.enabled if "enabled" in self.model_fields_set else None


UNESCAPED_PLUS = re.compile(r" (?=[0-9]{2}:?[0-9]{2}$)")
"""A client that does not escape the plus of `+01:00` in a query sends a space."""

TIME_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}")


def _require_rfc3339(value: Any) -> Any:
    """Require a time in RFC 3339 format. Pydantic also accepts numbers, whose unit would be a guess."""
    if not isinstance(value, str) or not TIME_PATTERN.match(value):
        raise ValueError("must be a time like 2026-11-18T09:30:00Z")
    return UNESCAPED_PLUS.sub("+", value)


def _to_utc(timestamp: datetime) -> datetime:
    try:
        return timestamp.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


UtcDateTime = Annotated[AwareDatetime, BeforeValidator(_require_rfc3339), AfterValidator(_to_utc)]
"""A time with a zone, converted to UTC."""

ZoneOptionalDateTime = Annotated[datetime, BeforeValidator(_require_rfc3339)]
"""A time with or without a zone, as sent."""


def _to_digits(text: str) -> str:
    if parse_phone_number(text) is None:
        raise ValueError("must be a phone number, its last digits (four or more) or an extension")
    return digits_only(text)


PhoneDigits = Annotated[str, Field(max_length=40), AfterValidator(_to_digits)]
"""A phone number in any notation, reduced to its digits."""


def _require_non_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty: omit it")
    return text


Absent = SkipJsonSchema[None]
"""The value of an omitted parameter or body. Clients cannot send null for it, so the schema does not contain it."""

Text = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_require_non_blank)]

Code = Annotated[str, Field(pattern="^[a-z_]{1,64}$")]
"""An error code, such as `service_error`."""
