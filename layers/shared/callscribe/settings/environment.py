"""Read settings from environment variables into typed dataclasses. All errors are reported at once."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from callscribe.errors import ConfigurationError
from callscribe.settings.validators import Validator, min_value


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
