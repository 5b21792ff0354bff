"""The settings of the module whisperx: the template's, and over them what a person has set over the API.

The key is not among them: it is in Secrets Manager, with the server that it was set for.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from callscribe.settings import environment
from callscribe.settings.environment import WhisperXSettings
from callscribe.whisperx import DIALECTS

ENV_FIELD: Mapping[str, str] = {
    "base_url": "whisperx_url",
    "dialect": "whisperx_dialect",
    "language": "whisperx_language",
    "diarize": "whisperx_diarize",
    "model": "whisperx_model",
    "options": "whisperx_options",
}
"""The name of each setting, and of the field of WhisperXSettings that it is."""

MODEL_NAME = re.compile("[A-Za-z0-9._/:-]*")

HEADER_SAFE = re.compile("[!-~]*")
"""A key that can stand in a header: printable ASCII without spaces."""


def with_overrides[T: WhisperXSettings](defaults: T, overrides: Mapping[str, Any]) -> T:
    """The template's settings, with what a person has set in their place."""
    return replace(defaults, **{ENV_FIELD[name]: value for name, value in overrides.items()})


def server_origin(url: str) -> str:
    """Which server an address leads to, whatever its path: where a key may be sent that was given for it."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{(parts.hostname or '').removesuffix('.')}:{port}"


def _validate_model(value: str) -> str | None:
    return None if MODEL_NAME.fullmatch(value) else "must be the name of a model, such as large-v3, or empty"


VALIDATORS: Mapping[str, environment.Validator] = {
    "base_url": environment.http_url,
    "dialect": environment.choice(*DIALECTS),
    "language": environment.language,
    "diarize": lambda _value: None,
    "model": _validate_model,
    "options": environment.query_string,
}
