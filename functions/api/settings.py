"""The settings of the API function, and updates of the modules' settings."""

import os
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic.alias_generators import to_camel

from callscribe.recordings.run import Module
from callscribe.settings.api import ApiSettings, EdgeSettings
from callscribe.settings.call_recordings import CallRecordingsSettings
from callscribe.settings.environment import Validator, from_env, validation_errors
from callscribe.settings.whisperx import WhisperXSettings
from callscribe.store import settings_overrides, tables
from callscribe.store.settings_overrides import DisabledState, SettingsOverrides
from functions.api.errors import ApiError


@cache
def configure_tables() -> None:
    """Configure the tables from the environment, once per OS process.

    Raises: ConfigurationError, when a name is missing.
    """
    tables.configure(os.environ)


@cache
def cors_origins() -> str:
    return from_env(EdgeSettings, os.environ).cors_origins


@cache
def settings() -> ApiSettings:
    """Read the environment, once per OS process and when a request first needs it.

    Raises: ConfigurationError, when a setting is invalid.
    """
    return from_env(ApiSettings, os.environ)


@cache
def whisperx_defaults() -> WhisperXSettings:
    """The template's defaults for the module whisperx. Read separately: if one is invalid, all other routes still work.

    Raises: ConfigurationError, when one is invalid.
    """
    return from_env(WhisperXSettings, os.environ)


def effective_call_recordings() -> CallRecordingsSettings:
    """Effective settings of call-recordings: template defaults with user overrides applied. Raises: StoreError."""
    return settings().effective_settings(settings_overrides.load().call_recordings)


NO_ERRORS: Mapping[str, str] = {}


def validate_overrides(
    overrides: Mapping[str, Any],
    new_values: Mapping[str, Any],
    validators: Mapping[str, Validator],
    known_errors: Mapping[str, str] = NO_ERRORS,
) -> dict[str, Any]:
    """Merge new values into the overrides, where None removes an override, and validate the result as a whole.

    `known_errors`: errors that the caller has found already, by setting.

    Raises: ApiError 400, which lists every error.
    """
    values = {name: value for name, value in {**overrides, **new_values}.items() if value is not None}
    if errors_by_name := {**validation_errors(values, validators), **known_errors}:
        raise settings_error(errors_by_name)
    return values


def settings_error(errors_by_name: Mapping[str, str]) -> ApiError:
    """Build the 400 for invalid settings, from an error message by setting name."""
    details = [{"field": to_camel(name), "message": error} for name, error in errors_by_name.items()]
    message = "; ".join(f"{detail['field']}: {detail['message']}" for detail in details)
    return ApiError(HTTPStatus.BAD_REQUEST, "invalid_settings", f"Nothing was changed. {message}", details=details)


def save_overrides(
    module: Module, previous_overrides: SettingsOverrides, values: Mapping[str, Any], enabled: bool | None
) -> DisabledState:
    """Store validated overrides, and enable or disable the module unless `enabled` is None; all in one write.

    Returns what is paused or disabled afterwards.

    Raises: ApiError 409, when the settings were changed concurrently.
    """
    was_enabled = module not in previous_overrides.disabled_state.disabled_modules
    changed = values != previous_overrides.values[module] or enabled not in (None, was_enabled)
    if changed and not settings_overrides.save(module, previous_overrides, values, enabled=enabled):
        message = "The settings were changed by another request at the same time. Reload them and try again."
        raise ApiError(HTTPStatus.CONFLICT, "conflict", message)
    is_enabled = was_enabled if enabled is None else enabled
    disabled = (
        previous_overrides.disabled_state.disabled_modules - {module}
        if is_enabled
        else previous_overrides.disabled_state.disabled_modules | {module}
    )
    return DisabledState(previous_overrides.disabled_state.paused_tasks, disabled)
