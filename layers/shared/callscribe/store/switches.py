"""What a person has turned off: paused tasks, and disabled modules."""

from collections.abc import Mapping
from dataclasses import dataclass

from callscribe.errors import Skipped
from callscribe.run import MODULE_OF, Module, Task
from callscribe.store import control
from callscribe.store.models import ControlModel as Item

ITEMS = (control.SWITCHES, *Module)
"""That of paused tasks, and those of the modules, which hold their settings too."""


@dataclass(frozen=True, slots=True)
class Switches:
    paused: frozenset[Task]
    disabled: frozenset[Module]


def read() -> Switches:
    """What is turned off now."""
    return of(control.read(*ITEMS))


def of(items: Mapping[str, Item]) -> Switches:
    """What these items tell."""
    return Switches(
        frozenset(task for task in Task if task in (items[control.SWITCHES].paused or ())),
        frozenset(module for module in Module if items[module].enabled is False),
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


def pause(task: Task, *, paused: bool) -> None:
    """Pauses or resumes a task; once more changes nothing. Modules are switched with their settings."""
    value = {task.value}
    control.write(control.SWITCHES, [Item.paused.add(value) if paused else Item.paused.delete(value)])
