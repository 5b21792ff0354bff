"""The control table: a few items that all runs share, each with a name. Those of the modules have their slugs."""

from typing import Any

from callscribe.store.faults import LostRace, translated
from callscribe.store.models import ControlModel

ADMISSION = "admission"
SWITCHES = "switches"
COMPLETED = "completed"
SWEEP = "sweep"


def read(*names: str) -> dict[str, ControlModel]:
    """These items as they are, in one request; one that was never written comes without attributes."""
    found = {name: ControlModel(name) for name in names}
    with translated():
        found.update((item.name, item) for item in ControlModel.batch_get(names, consistent_read=True))
    return found


def write(name: str, actions: list[Any], condition: Any = None) -> ControlModel | None:
    """One conditional write; the item as it is afterwards, or None if the condition does not hold."""
    item = ControlModel(name)
    try:
        with translated():
            item.update(actions, condition=condition)
    except LostRace:
        return None
    return item
