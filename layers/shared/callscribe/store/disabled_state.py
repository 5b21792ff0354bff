"""What a person has turned off: paused tasks, and disabled modules."""

from collections.abc import Mapping
from dataclasses import dataclass

from callscribe.errors import RunSkipped
from callscribe.recordings.run import MODULE_BY_TASK, Module, Task
from callscribe.store import control_items
from callscribe.store.tables import ControlModel as Item

ITEM_NAMES = (control_items.PAUSED_TASKS, *Module)
"""That of paused tasks, and those of the modules, which hold their settings too."""


@dataclass(frozen=True, slots=True)
class DisabledState:
    paused_tasks: frozenset[Task]
    disabled_modules: frozenset[Module]


def load_disabled_state() -> DisabledState:
    """What is turned off now."""
    return from_items(control_items.read(*ITEM_NAMES))


def from_items(items: Mapping[str, Item]) -> DisabledState:
    """What these items tell."""
    return DisabledState(
        frozenset(task for task in Task if task in (items[control_items.PAUSED_TASKS].paused or ())),
        frozenset(module for module in Module if items[module].enabled is False),
    )


def skip_reason(task: Task, disabled_state: DisabledState | None = None) -> RunSkipped | None:
    """The reason why this task is to do nothing, if there is one: it is paused, or its module disabled."""
    disabled_state = disabled_state or load_disabled_state()
    if task in disabled_state.paused_tasks:
        return RunSkipped("The task is paused. Resume it: it goes on where it stopped.", code="paused")
    if (module := MODULE_BY_TASK[task]) in disabled_state.disabled_modules:
        return RunSkipped(f"The module {module} is disabled. Enable it: the task goes on.", code="module_disabled")
    return None


def require_task_enabled(task: Task) -> None:
    """Raises Skipped with that reason."""
    if reason := skip_reason(task):
        raise reason


def set_paused(task: Task, *, paused: bool) -> None:
    """Pauses or resumes a task; once more changes nothing. Modules are switched with their settings."""
    value = {task.value}
    control_items.write(control_items.PAUSED_TASKS, [Item.paused.add(value) if paused else Item.paused.delete(value)])
