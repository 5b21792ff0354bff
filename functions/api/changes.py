"""Settings of a module as a person changes them: checked as a whole, kept all together or not at all."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic.alias_generators import to_camel

from callscribe.module_settings import faults
from callscribe.run import Module
from callscribe.settings import Check
from callscribe.store import module_settings
from callscribe.store.module_settings import Kept
from callscribe.store.switches import Switches
from functions.api.errors import ApiError

NO_FAULTS: Mapping[str, str] = {}


def checked(
    kept: Mapping[str, Any],
    given: Mapping[str, Any],
    checks: Mapping[str, Check],
    others: Mapping[str, str] = NO_FAULTS,
) -> dict[str, Any]:
    """What is to be kept once this is given; null keeps nothing. Raises ApiError 400 that names every fault.

    `others` are faults that were found already.
    """
    values = {name: value for name, value in {**kept, **given}.items() if value is not None}
    if found := {**faults(values, checks), **others}:
        raise refused(found)
    return values


def refused(found: Mapping[str, str]) -> ApiError:
    """The answer to settings of which these, by name, are at fault."""
    details = [{"field": to_camel(name), "message": fault} for name, fault in found.items()]
    message = "; ".join(f"{each['field']}: {each['message']}" for each in details)
    return ApiError(HTTPStatus.BAD_REQUEST, "invalid_settings", f"Nothing was changed. {message}", details=details)


def keep(module: Module, seen: Kept, values: Mapping[str, Any], enabled: bool | None) -> Switches:
    """Keeps what was checked, and switches the module where `enabled` says so; what is off then. Raises ApiError."""
    was = module not in seen.switches.disabled
    changed = values != seen.values[module] or enabled not in (None, was)
    if changed and not module_settings.keep(module, seen, values, enabled=enabled):
        message = "Somebody else changed the settings at this moment. Look, and try again."
        raise ApiError(HTTPStatus.CONFLICT, "changed_meanwhile", message)
    is_enabled = was if enabled is None else enabled
    disabled = seen.switches.disabled - {module} if is_enabled else seen.switches.disabled | {module}
    return Switches(seen.switches.paused, disabled)
