"""The settings of the module whisperx: the template's defaults, and the overrides set over the API.

The API key is not one of them: it is stored in Secrets Manager, with the server that it was set for.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from callscribe.settings import environment
from callscribe.settings.environment import validated_field

DIALECTS = ("asr", "tasks", "openai")
"""The HTTP contracts of WhisperX servers: each is a Python module in `callscribe.whisperx.dialects`."""

ENV_FIELD: Mapping[str, str] = {
    "base_url": "whisperx_url",
    "dialect": "whisperx_dialect",
    "language": "whisperx_language",
    "diarize": "whisperx_diarize",
    "model": "whisperx_model",
    "options": "whisperx_options",
}
"""The field of WhisperXSettings, which is also the environment variable, for each name of the API."""

MODEL_NAME = re.compile("[A-Za-z0-9._/:-]*")

HEADER_SAFE = re.compile("[!-~]*")
"""An API key that can be sent in a header: printable ASCII without spaces."""


@dataclass(frozen=True, kw_only=True)
class WhisperXSettings:
    """How to reach the customer's WhisperX server. With an empty `language` or `model`, the server decides.

    `options` are further request options, named as the server names them: `device=cpu&compute_type=int8`.
    """

    whisperx_url: str = validated_field(environment.http_url)
    whisperx_dialect: str = "asr"
    whisperx_language: str = validated_field(environment.language, default="")
    whisperx_diarize: bool = False
    whisperx_model: str = ""
    whisperx_options: str = validated_field(environment.query_string, default="")

    @property
    def extra_options(self) -> list[tuple[str, str]]:
        """The parsed `whisperx_options`; a name may occur several times. One with an empty value is not to be sent."""
        return parse_qsl(self.whisperx_options, keep_blank_values=True)

    def effective_settings(self, overrides: Mapping[str, Any]) -> Self:
        """The effective settings: template defaults with user overrides applied."""
        return replace(self, **{ENV_FIELD[name]: value for name, value in overrides.items()})


def server_origin(url: str) -> str:
    """The scheme, host and port of a URL: an API key that was set for one path may be sent to another."""
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
"""By the name of the setting."""
