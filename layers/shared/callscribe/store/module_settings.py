"""What a person has set of the modules: an item each, read in one request with what is switched off."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from callscribe.run import Module, Task
from callscribe.store import control, switches
from callscribe.store.models import ControlModel as Item
from callscribe.store.switches import Switches


@dataclass(frozen=True, slots=True)
class Kept:
    """The settings of each module that are not the template's, by name.

    `versions` tell them from those of before or after.
    """

    values: Mapping[Module, Mapping[str, Any]]
    versions: Mapping[Module, str | None]
    switches: Switches

    @property
    def call_recordings(self) -> Mapping[str, Any]:
        return self.values[Module.CALL_RECORDINGS]

    @property
    def whisperx(self) -> Mapping[str, Any]:
        return self.values[Module.WHISPERX]


def read() -> Kept:
    """As they are now. Raises StoreError."""
    items = control.read(*switches.ITEMS)
    return Kept(
        {module: _values(items[module]) for module in Module},
        {module: items[module].version for module in Module},
        switches.of(items),
    )


def require(task: Task, kept: Kept | None = None) -> Kept:
    """The settings for a run of this task, read unless they are given. Raises Skipped, with a reason to do nothing."""
    kept = kept or read()
    if reason := switches.why_off(task, kept.switches):
        raise reason
    return kept


def keep(module: Module, seen: Kept, values: Mapping[str, Any], *, enabled: bool | None = None) -> bool:
    """Keeps these in the place of those that were seen, and whether the module is enabled where that is said.

    All in one write; False if somebody else has changed them meanwhile.
    """
    settings: Any = Item.settings
    before, version = seen.versions[module], uuid.uuid4().hex
    condition = Item.version == before if before else Item.version.does_not_exist()
    actions = [settings.set(dict(values)), Item.version.set(version)]
    if enabled is not None:
        actions.append(Item.enabled.set(enabled))
    kept = control.write(module, actions, condition) is not None
    return kept or control.read(module)[module].version == version  # the answer to the write may have been lost


def _values(item: Item) -> Mapping[str, Any]:
    kept: Mapping[str, Any] = item.settings.as_dict() if item.settings is not None else {}
    return kept
