"""Load and cache the settings of the API function."""

import os
from functools import cache

from callscribe.settings.api import ApiSettings, EdgeSettings
from callscribe.settings.call_recordings import CallRecordingsSettings
from callscribe.settings.environment import from_env
from callscribe.settings.whisperx import WhisperXSettings
from callscribe.store import settings_overrides


@cache
def cors_origins() -> str:
    return from_env(EdgeSettings, os.environ).cors_origins


@cache
def settings() -> ApiSettings:
    """Read once per process, when a request first needs it. Raises: ConfigurationError, when one is invalid."""
    return from_env(ApiSettings, os.environ)


@cache
def whisperx_defaults() -> WhisperXSettings:
    """The template's defaults for the module whisperx. Read separately: if one is invalid, all other routes still work.

    Raises: ConfigurationError, when one is invalid.
    """
    return from_env(WhisperXSettings, os.environ)


def effective_call_recordings() -> CallRecordingsSettings:
    """Effective settings of call-recordings: template defaults with user overrides applied. Raises: StoreError."""
    return settings().call_recordings.with_overrides(settings_overrides.load().call_recordings)
