"""What a person has set of the modules: an item each, read in one request with what is switched off."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from callscribe.recordings.run import Module, Task
from callscribe.store import control_items, disabled_state
from callscribe.store.disabled_state import DisabledState
from callscribe.store.tables import ControlModel as Item


@dataclass(frozen=True, slots=True)
class SettingsOverrides:
    """The settings of each module that are not the template's, by name.

    `versions` tell them from those of before or after.
    """

    values: Mapping[Module, Mapping[str, Any]]
    versions: Mapping[Module, str | None]
    disabled_state: DisabledState

    @property
    def call_recordings(self) -> Mapping[str, Any]:
        return self.values[Module.CALL_RECORDINGS]

    @property
    def whisperx(self) -> Mapping[str, Any]:
        return self.values[Module.WHISPERX]


def load() -> SettingsOverrides:
    """As they are now. Raises StoreError."""
    items = control_items.read(*disabled_state.ITEM_NAMES)
    return SettingsOverrides(
        {module: _stored_values(items[module]) for module in Module},
        {module: items[module].version for module in Module},
        disabled_state.from_items(items),
    )


def require_enabled(task: Task, overrides: SettingsOverrides | None = None) -> SettingsOverrides:
    """The settings for a run of this task, read unless they are given. Raises Skipped, with a reason to do nothing."""
    overrides = overrides or load()
    if reason := disabled_state.skip_reason(task, overrides.disabled_state):
        raise reason
    return overrides


def save(
    module: Module, previous: SettingsOverrides, values: Mapping[str, Any], *, enabled: bool | None = None
) -> bool:
    """Keeps these in the place of those that were seen, and whether the module is enabled where that is said.

    All in one write; False if somebody else has changed them meanwhile.
    """
    settings: Any = Item.settings
    previous_version, version = previous.versions[module], uuid.uuid4().hex
    condition = Item.version == previous_version if previous_version else Item.version.does_not_exist()
    actions = [settings.set(dict(values)), Item.version.set(version)]
    if enabled is not None:
        actions.append(Item.enabled.set(enabled))
    is_saved = control_items.write(module, actions, condition) is not None
    return (
        is_saved or control_items.read(module)[module].version == version
    )  # the answer to the write may have been lost


def _stored_values(item: Item) -> Mapping[str, Any]:
    values: Mapping[str, Any] = item.settings.as_dict() if item.settings is not None else {}
    return values
