"""Validators: each returns what is wrong with the value of a setting, in words for a user, or None."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

LANGUAGE = re.compile("([a-z]{2,3})?")

type Validator = Callable[[Any], str | None]
"""Returns the end of a sentence that begins with the name of the setting: "must be 1 or more, not 0"."""


def validation_errors(values: Mapping[str, Any], validators: Mapping[str, Validator]) -> dict[str, str]:
    """What is wrong with the settings that a user submits, by the name of the setting; empty if all are valid."""
    results = {name: validators[name](value) for name, value in values.items()}
    return {name: problem for name, problem in results.items() if problem}


def min_value(minimum: int) -> Validator:
    """A validator for whole numbers."""
    return lambda value: None if value >= minimum else f"must be {minimum} or more, not {value}"


def choice(*allowed: int | str) -> Validator:
    """A validator for one of several numbers or strings."""
    allowed_text = ", ".join(map(str, allowed))
    return lambda value: None if value in allowed else f"must be one of {allowed_text}, not {value}"


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
        return "must not contain a user name or password: the API key has its own setting"
    if "?" in value or "#" in value:
        return "must not contain ? or #: the paths of the server's routes are appended to it"
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
