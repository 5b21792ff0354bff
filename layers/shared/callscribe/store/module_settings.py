"""What a person has set of the module call-recordings: one item, read in one request with what is switched off."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from callscribe.run import Task
from callscribe.store import control, switches
from callscribe.store.models import ControlModel as Item
from callscribe.store.switches import Switches


@dataclass(frozen=True, slots=True)
class Kept:
    """The settings that are not the template's, by name; `version` tells them from those of before or after."""

    values: Mapping[str, Any]
    version: str | None
    switches: Switches


def read() -> Kept:
    """As they are now. Raises StoreError."""
    items = control.read(control.SWITCHES, control.CALL_RECORDINGS)
    item = items[control.CALL_RECORDINGS]
    values = item.settings.as_dict() if item.settings is not None else {}
    return Kept(values, item.version, switches.of(items[control.SWITCHES]))


def require(task: Task, kept: Kept | None = None) -> Mapping[str, Any]:
    """The settings for a run of this task, read unless they are given. Raises Skipped, with a reason to do nothing."""
    kept = kept or read()
    if reason := switches.why_off(task, kept.switches):
        raise reason
    return kept.values


def keep(seen: Kept, values: Mapping[str, Any]) -> bool:
    """Keeps these in the place of those that were seen; False if somebody else has changed them meanwhile."""
    settings: Any = Item.settings
    condition = Item.version == seen.version if seen.version else Item.version.does_not_exist()
    actions = [settings.set(dict(values)), Item.version.set(uuid.uuid4().hex)]
    return control.write(control.CALL_RECORDINGS, actions, condition) is not None
