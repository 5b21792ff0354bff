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

BLAMED = {
    "service_unavailable": ("--whisperx",),
    "service_down": ("--whisperx",),
    "unreadable_answer": ("--whisperx", "--dialect"),
    "key_refused": ("--api-key",),
    "wrong_address": ("--whisperx", "--dialect", "--model"),
    "not_whisperx": ("--whisperx",),
    "wrong_dialect": ("--dialect",),
    "wrong_settings": ("--language", "--model", "--options"),
}
"""The options to correct, by the code of the error."""


def message_of(error: Mapping[str, str]) -> str:
    """The message of an error of the API, and the options that set what it blames."""
    options = BLAMED.get(error["code"])
    return f"{error['message']} (See {', '.join(options)}.)" if options else error["message"]
