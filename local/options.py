"""The options of `up` that set what the template's parameters set, and what an error blames.

Messages of the layer call a setting by its name on the admin page. docs/api.md has its name everywhere else.
"""

from collections.abc import Mapping

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
"""The option that gives a parameter its value."""

OPTIONS_BY_ERROR_CODE = {
    "service_unavailable": ("--whisperx",),
    "service_down": ("--whisperx",),
    "invalid_response": ("--whisperx", "--dialect"),
    "authentication_failed": ("--api-key",),
    "endpoint_not_found": ("--whisperx", "--dialect", "--model"),
    "not_whisperx": ("--whisperx",),
    "wrong_dialect": ("--dialect",),
    "invalid_options": ("--language", "--model", "--options"),
}
"""The options to correct, by the code of the error."""


def describe_error(error: Mapping[str, str]) -> str:
    """The message of an error of the API, and the options that set what it blames."""
    options = OPTIONS_BY_ERROR_CODE.get(error["code"])
    return f"{error['message']} (See {', '.join(options)}.)" if options else error["message"]
