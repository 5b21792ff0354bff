"""The settings of the module whisperx: the template's, and over them what a person has set over the API.

The key is not among them: it is in Secrets Manager, with the server that it was set for.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from callscribe import settings
from callscribe.settings import WhisperXSettings
from callscribe.whisperx import DIALECTS

FIELDS: Mapping[str, str] = {
    "base_url": "whisperx_url",
    "dialect": "whisperx_dialect",
    "language": "whisperx_language",
    "diarize": "whisperx_diarize",
    "model": "whisperx_model",
    "options": "whisperx_options",
}
"""The name of each setting, and of the field of WhisperXSettings that it is."""

MODEL = re.compile("[A-Za-z0-9._/:-]*")

SENDABLE = re.compile("[!-~]*")
"""A key that can stand in a header: printable ASCII without spaces."""


def with_kept[T: WhisperXSettings](own: T, kept: Mapping[str, Any]) -> T:
    """The template's settings, with what a person has set in their place."""
    return replace(own, **{FIELDS[name]: value for name, value in kept.items()})


def server_of(url: str) -> str:
    """Which server an address leads to, whatever its path: where a key may be sent that was given for it."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{(parts.hostname or '').removesuffix('.')}:{port}"


def _model(value: str) -> str | None:
    return None if MODEL.fullmatch(value) else "must be the name of a model, such as large-v3, or empty"


CHECKS: Mapping[str, settings.Check] = {
    "base_url": settings.http_url,
    "dialect": settings.one_of(*DIALECTS),
    "language": settings.language,
    "diarize": lambda _value: None,
    "model": _model,
    "options": settings.query,
}
