"""What a user has changed: settings of the modules, disabled modules and paused tasks. Read in one request.

Every function here raises StoreError.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from callscribe.errors import RunSkipped
from callscribe.recordings.run import MODULE_BY_TASK, Module, Task
from callscribe.store import control_items
from callscribe.store.tables import ControlModel as Item


@dataclass(frozen=True, slots=True)
class DisabledState:
    """The tasks and modules that are switched off."""

    paused_tasks: frozenset[Task]
    disabled_modules: frozenset[Module]


@dataclass(frozen=True, slots=True)
class SettingsOverrides:
    """The settings of each module, by name, that override the template's.

    `write_tokens` change with each update, for conditional writes.
    """

    values: Mapping[Module, Mapping[str, Any]]
    write_tokens: Mapping[Module, str | None]
    disabled_state: DisabledState

    @property
    def call_recordings(self) -> Mapping[str, Any]:
        return self.values[Module.CALL_RECORDINGS]

    @property
    def whisperx(self) -> Mapping[str, Any]:
        return self.values[Module.WHISPERX]


def load() -> SettingsOverrides:
    """Read the current overrides."""
    items = control_items.read(control_items.PAUSED_TASKS, *Module)
    paused = items[control_items.PAUSED_TASKS].paused or ()
    return SettingsOverrides(
        {module: _stored_values(items[module]) for module in Module},
        {module: items[module].write_token for module in Module},
        DisabledState(
            frozenset(task for task in Task if task in paused),
            frozenset(module for module in Module if items[module].enabled is False),
        ),
    )


def load_if_enabled(task: Task, overrides: SettingsOverrides | None = None) -> SettingsOverrides:
    """Return the overrides for a run of this task, read unless they are given.

    Raises: RunSkipped, when the task is paused or its module disabled.
    """
    overrides = overrides or load()
    if reason := skip_reason(task, overrides.disabled_state):
        raise reason
    return overrides


def skip_reason(task: Task, disabled_state: DisabledState | None = None) -> RunSkipped | None:
    """Why a run of this task must do nothing: the task is paused or its module disabled. None if it may run."""
    disabled_state = disabled_state or load().disabled_state
    if task in disabled_state.paused_tasks:
        return RunSkipped("The task is paused. Resume it to continue where it stopped.", code="paused")
    if (module := MODULE_BY_TASK[task]) in disabled_state.disabled_modules:
        return RunSkipped(f"The module {module} is disabled. Enable it to continue.", code="module_disabled")
    return None


def set_paused(task: Task, *, paused: bool) -> None:
    """Pause or resume a task; idempotent."""
    value = {task.value}
    control_items.write(control_items.PAUSED_TASKS, [Item.paused.add(value) if paused else Item.paused.delete(value)])


def save(
    module: Module, previous: SettingsOverrides, values: Mapping[str, Any], *, enabled: bool | None = None
) -> bool:
    """Replace the module's overrides and, unless `enabled` is None, enable or disable it: one conditional write.

    Return False if the overrides have changed since `previous` was read.
    """
    settings: Any = Item.settings
    previous_token, token = previous.write_tokens[module], uuid.uuid4().hex
    condition = Item.write_token == previous_token if previous_token else Item.write_token.does_not_exist()
    actions = [settings.set(dict(values)), Item.write_token.set(token)]
    if enabled is not None:
        actions.append(Item.enabled.set(enabled))
    if control_items.write(module, actions, condition) is not None:
        return True
    # the response to a first write may have been lost: botocore then repeats the write, and the condition fails
    return control_items.read_one(module).write_token == token


def _stored_values(item: Item) -> Mapping[str, Any]:
    values: Mapping[str, Any] = item.settings.as_dict() if item.settings is not None else {}
    return values
