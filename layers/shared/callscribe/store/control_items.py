"""The control table: a few named items that all runs share. The items of the modules are named by their slugs.

Every function here raises StoreError.
"""

from typing import Any

from callscribe.aws import ConditionFailed, map_dynamodb_errors
from callscribe.store.tables import ControlModel

ADMISSION = "admission"
PAUSED_TASKS = "paused-tasks"
COMPLETED_COUNT = "completed"
SCAN = "scan"


def read(*names: str) -> dict[str, ControlModel]:
    """Read these items in one consistent request; an item that was never written has no attributes."""
    items = {name: ControlModel(name) for name in names}
    with map_dynamodb_errors():
        items.update((item.name, item) for item in ControlModel.batch_get(names, consistent_read=True))
    return items


def read_one(name: str) -> ControlModel:
    """Read one item, as `read` does."""
    return read(name)[name]


def write(name: str, actions: list[Any], condition: Any = None) -> ControlModel | None:
    """Write once, if `condition` holds. Return the updated item, or None if it does not."""
    item = ControlModel(name)
    try:
        with map_dynamodb_errors():
            item.update(actions, condition=condition)
    except ConditionFailed:
        return None
    return item
