"""Settings from environment variables as typed dataclasses, and the validators of settings.

A validator returns what is wrong with a value, in words for a user, or None.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from callscribe.errors import ConfigurationError

LANGUAGE = re.compile("([a-z]{2,3})?")

type Validator = Callable[[Any], str | None]
"""Returns the end of a sentence that begins with the name of the setting: "must be 1 or more, not 0"."""


def min_value(minimum: int) -> Validator:
    """A validator for whole numbers of at least `minimum`."""
    return lambda value: None if value >= minimum else f"must be {minimum} or more, not {value}"


def choice(*allowed: int | str) -> Validator:
    """A validator for one of several numbers or strings."""
    allowed_text = ", ".join(map(str, allowed))
    return lambda value: None if value in allowed else f"must be one of {allowed_text}, not {value}"


def validated_field(validator: Validator, **options: Any) -> Any:
    """A dataclass field that `from_env` validates; `options` are those of `dataclasses.field`."""
    return field(metadata={"validator": validator}, **options)


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """The names of the DynamoDB tables, and how many days their items are kept (0: forever)."""

    recordings_table: str
    control_table: str
    runs_table: str
    retention_days: int = validated_field(min_value(0), default=0)


def from_env[T](settings_type: type[T], environ: Mapping[str, str]) -> T:
    """Read the dataclass `settings_type` from `environ`: the field `max_attempts` from MAX_ATTEMPTS, and so on.

    An empty variable counts as unset.

    Raises: ConfigurationError, which names every setting that is missing or invalid.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in fields(settings_type):  # type: ignore[arg-type]  # any dataclass
        label = setting.name.replace("_", " ").replace("whisperx", "WhisperX")
        text = environ.get(setting.name.upper(), "")
        try:
            if text:
                values[setting.name] = _parse_value(setting.type, text)
            elif setting.default is MISSING:
                problems.append(f"{label} is not set")
                continue
            validator: Validator | None = setting.metadata.get("validator")
            problem = validator(values.get(setting.name, setting.default)) if validator else None
        except ValueError as error:
            problem = str(error)
        if problem:
            problems.append(f"{label} {problem}")
    if problems:
        raise ConfigurationError(f"Invalid stack settings: {'; '.join(problems)}. Correct them and deploy again.")
    return settings_type(**values)


def _parse_value(value_type: Any, text: str) -> Any:
    match value_type.__name__:
        case "str":
            return text
        case "int":
            try:
                return int(text)
            except ValueError:
                raise ValueError(f"must be a whole number, not '{text}'") from None
        case "bool":
            if text.lower() not in ("true", "false"):
                raise ValueError(f"must be true or false, not '{text}'")
            return text.lower() == "true"
        case other:
            raise TypeError(f"a setting cannot be of type {other}")


def validation_errors(values: Mapping[str, Any], validators: Mapping[str, Validator]) -> dict[str, str]:
    """What is wrong with the settings that a user submits, by the name of the setting; empty if all are valid."""
    results = {name: validators[name](value) for name, value in values.items()}
    return {name: problem for name, problem in results.items() if problem}


def http_url(value: str) -> str | None:
    """Validate the base URL of an HTTP server."""
    try:
        url = urlsplit(value)
        labels = (url.hostname or "").removesuffix(".").split(".")
        is_valid = url.scheme in ("http", "https") and all(labels) and url.port != 0
        is_valid = is_valid and value.isprintable() and " " not in value  # urlsplit ignores line breaks
    except ValueError:
        is_valid = False
    if not is_valid:
        return "must be a URL like http://whisperx.example:9000"
    if url.username or url.password:
        return "must not contain a user name or password: API keys and headers have their own settings"
    if "?" in value or "#" in value:
        return "must not contain ? or #: request options have their own setting"
    return None


def language(value: str) -> str | None:
    """Validate a language code with the same pattern as the template."""
    return None if LANGUAGE.fullmatch(value) else "must be two or three lowercase letters, such as en, or empty"


def time_zone(value: str) -> str | None:
    """Validate the name of an IANA time zone."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(value)
    except (ValueError, KeyError, OSError):  # OSError: a folder of time zones, such as Europe
        return "must be the name of a time zone, such as Europe/Berlin or UTC"
    return None


def query_string(value: str) -> str | None:
    """Validate request options in the form of a URL query: `device=cpu&compute_type=int8`."""
    try:
        parse_qsl(value, strict_parsing=bool(value))
        is_valid = value.isprintable()
    except ValueError:
        is_valid = False
    return None if is_valid else "must be options like device=cpu&compute_type=int8"
