"""What a person has turned off: paused tasks, and disabled modules."""

from dataclasses import dataclass
from typing import Any

from callscribe.errors import Skipped
from callscribe.run import MODULE_OF, Module, Task
from callscribe.store import control
from callscribe.store.models import ControlModel as Item


@dataclass(frozen=True, slots=True)
class Switches:
    paused: frozenset[Task]
    disabled: frozenset[Module]


def read() -> Switches:
    """What is turned off now."""
    return of(control.read(control.SWITCHES)[control.SWITCHES])


def of(item: Item) -> Switches:
    """What the item of this module tells."""
    return Switches(
        frozenset(task for task in Task if task in (item.paused or ())),
        frozenset(module for module in Module if module in (item.disabled or ())),
    )


def why_off(task: Task, switches: Switches | None = None) -> Skipped | None:
    """The reason why this task is to do nothing, if there is one: it is paused, or its module disabled."""
    switches = switches or read()
    if task in switches.paused:
        return Skipped("The task is paused. Resume it: it goes on where it stopped.", code="paused")
    if (module := MODULE_OF[task]) in switches.disabled:
        return Skipped(f"The module {module} is disabled. Enable it: the task goes on.", code="module_disabled")
    return None


def require(task: Task) -> None:
    """Raises Skipped with that reason."""
    if reason := why_off(task):
        raise reason


def pause(task: Task, *, paused: bool) -> Switches:
    """Pauses or resumes a task; once more changes nothing. What is turned off now."""
    return _write(Item.paused.add({task.value}) if paused else Item.paused.delete({task.value}))


def enable(module: Module, *, enabled: bool) -> Switches:
    """Enables or disables a module; once more changes nothing. What is turned off now."""
    value = {module.value}
    return _write(Item.disabled.delete(value) if enabled else Item.disabled.add(value))


def _write(action: Any) -> Switches:
    item = control.write(control.SWITCHES, [action])
    return of(item) if item else read()
