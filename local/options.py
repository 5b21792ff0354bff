"""The options of `up` that set parameters of the template, and which option to correct after an error.

Messages of the layer use the setting's name on the admin page; docs/api.md has all of its names.
"""

import re
from collections.abc import Iterable, Mapping

from callscribe.settings.whisperx import Credentials, credential_errors
from local import LocalError

PARAMETERS = {
    "WhisperXUrl": "--whisperx",
    "WhisperXDialect": "--dialect",
    "WhisperXApiKey": "--api-key",
    "WhisperXLanguage": "--language",
    "WhisperXModel": "--model",
    "WhisperXOptions": "--options",
    "Channels": "--channels",
    "PhoneSystem": "--phone-system",
}
"""The option that sets a parameter."""

OPTIONS_BY_ERROR_CODE = {
    "service_unavailable": ("--whisperx",),
    "service_down": ("--whisperx",),
    "invalid_response": ("--whisperx", "--dialect"),
    "authentication_failed": ("--api-key", "--header"),
    "endpoint_not_found": ("--whisperx", "--dialect", "--model"),
    "not_whisperx": ("--whisperx",),
    "wrong_dialect": ("--dialect",),
    "invalid_options": ("--language", "--model", "--options"),
}
"""The options to correct, by error code."""


def parse_headers(texts: Iterable[str], api_key: str) -> dict[str, str]:
    """Parse `NAME=VALUE` or `NAME: VALUE`. Raises: LocalError, without the values, when they cannot be sent."""
    pairs = [re.split(r"\s*[=:]\s*", text.strip(), maxsplit=1) for text in texts]
    headers = {pair[0]: pair[-1] if len(pair) > 1 else "" for pair in pairs}
    errors = credential_errors(Credentials("" if api_key == "none" else api_key, headers))
    if problem := errors.get("headers"):
        raise LocalError(f"--header {problem}")
    return headers


def describe_error(error: Mapping[str, str]) -> str:
    """Return the message of an API error, with the options to correct."""
    options = OPTIONS_BY_ERROR_CODE.get(error["code"])
    return f"{error['message']} (See {', '.join(options)}.)" if options else error["message"]
