"""Settings as typed values, read once from the environment; all faults are named at once, not one a deploy."""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from callscribe.errors import ConfigurationError

LANGUAGE = re.compile("([a-z]{2,3})?")

type Validator = Callable[[Any], str | None]
"""Says in a person's words what is wrong with a value, or None."""


def validated_field(validator: Validator, **options: Any) -> Any:
    """A dataclass field whose value must pass `check`; `options` are those of `dataclasses.field`."""
    return field(metadata={"validator": validator}, **options)


def min_value(minimum: int) -> Validator:
    """A check for whole numbers."""
    return lambda value: None if value >= minimum else f"must be {minimum} or more, not {value}"


def choice(*allowed: int | str) -> Validator:
    """A check for a choice of numbers, or of words."""
    allowed_text = ", ".join(map(str, allowed))
    return lambda value: None if value in allowed else f"must be one of {allowed_text}, not {value}"


def http_url(value: str) -> str | None:
    """A check for the address of an HTTP server."""
    try:
        url = urlsplit(value)
        labels = (url.hostname or "").removesuffix(".").split(".")
        is_valid = url.scheme in ("http", "https") and all(labels) and url.port != 0
        is_valid = is_valid and value.isprintable() and " " not in value  # urlsplit passes over line breaks
    except ValueError:
        is_valid = False
    if not is_valid:
        return "must be an address like http://whisperx.example:9000"
    if url.username or url.password:
        return "must not hold a user or password: the key has a setting of its own"
    if "?" in value or "#" in value:
        return "must be the address alone, without ? or #: the server's routes are put behind it"
    return None


def language(value: str) -> str | None:
    """A check for the code of a language, as the template has it."""
    return None if LANGUAGE.fullmatch(value) else "must be two or three small letters, such as en, or empty"


def time_zone(value: str) -> str | None:
    """A check for the name of a time zone, as the IANA has them."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(value)
    except (ValueError, KeyError, OSError):  # OSError: a folder of them, such as Europe
        return "must be the name of a time zone, such as Europe/Berlin or UTC"
    return None


def query_string(value: str) -> str | None:
    """A check for options as they stand in an address: `device=cpu&compute_type=int8`."""
    try:
        parse_qsl(value, strict_parsing=bool(value))
        is_valid = value.isprintable()
    except ValueError:
        is_valid = False
    return None if is_valid else "must be options like device=cpu&compute_type=int8"


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """The names of the DynamoDB tables, and how many days what lies in them is kept (0: for ever)."""

    recordings_table: str
    control_table: str
    runs_table: str
    retention_days: int = validated_field(min_value(0), default=0)


@dataclass(frozen=True, kw_only=True)
class WhisperXSettings:
    """How the customer's WhisperX server is spoken to. An empty `language` or `model` leaves it to the server.

    `options` are sent besides, as the server names them: `device=cpu&compute_type=int8`.
    """

    whisperx_url: str = validated_field(http_url)
    whisperx_dialect: str = "asr"
    whisperx_language: str = validated_field(language, default="")
    whisperx_diarize: bool = False
    whisperx_model: str = ""
    whisperx_options: str = validated_field(query_string, default="")


def from_env[T](settings_type: type[T], environ: Mapping[str, str]) -> T:
    """Reads the dataclass `kind` from `environ`: the field `max_attempts` from MAX_ATTEMPTS, and so on.

    An empty variable counts as unset. Raises ConfigurationError that names every fault.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for each in fields(settings_type):  # type: ignore[arg-type]  # any dataclass
        label = each.name.replace("_", " ").replace("whisperx", "WhisperX")
        text = environ.get(each.name.upper(), "")
        try:
            if text:
                values[each.name] = _parse_value(each.type, text)
            elif each.default is MISSING:
                problems.append(f"{label} is not set")
                continue
            validator: Validator | None = each.metadata.get("validator")
            problem = validator(values.get(each.name, each.default)) if validator else None
        except ValueError as error:
            problem = str(error)
        if problem:
            problems.append(f"{label} {problem}")
    if problems:
        raise ConfigurationError(f"Wrong settings of the stack: {'; '.join(problems)}. Correct them and deploy again.")
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
