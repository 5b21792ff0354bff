"""Who may send a recording: slots, and the breaker. Both are in one item, so that one conditional write asks for both.

A slot is leased like a claim, so that a dead worker's comes back. (Lambda's own reserved concurrency would limit the
number as well, but small accounts cannot set it.) Slots have no numbers: they are a set of who holds one, so workers
who ask at the same moment do not get into each other's way as long as there is room.
"""

from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from pynamodb.expressions.condition import size

from callscribe.breaker import Outage
from callscribe.clock import iso
from callscribe.store import control
from callscribe.store.models import ControlModel as Item
from callscribe.store.models import OutageMap

TRIES = 5
"""So often a slot is asked for while others write to the item at the same moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The right to have one transcription under way. A probe's has the `outage` whose end it is to find out, and the
    token that it does this under: `probe`, or its own.

    `number` is how many were held when this one was taken: no two who took one at the same moment have the same.
    """

    token: str
    lease_expires_at: datetime
    outage: Outage | None = None
    probe: str = ""
    number: int = 1

    @property
    def holder(self) -> str:
        """What stands in the set: sorts by the lease."""
        return f"{iso(self.lease_expires_at)} {self.token}"

    @classmethod
    def held_by(cls, holder: str) -> "Slot":
        """The slot that stands in the set as this."""
        lease, _, token = holder.partition(" ")
        return cls(token=token, lease_expires_at=datetime.fromisoformat(lease))


def take(limit: int, token: str, now: datetime, lease_expires_at: datetime) -> Slot | Outage | None:
    """One of `limit` slots for the holder of `token`, as long as the breaker is closed.

    While it is open: the outage, or when a try is due, a slot for the one probe. None when all slots are in use, or too
    many ask at this moment. Raises StoreError, as all of this module does.
    """
    slot = Slot(token=token, lease_expires_at=lease_expires_at)
    add = Item.slots.add({slot.holder})
    room = Item.slots.does_not_exist() | (size(Item.slots) < limit)
    for _ in range(TRIES):
        if taken := control.write(control.ADMISSION, [add], room & Item.outage.does_not_exist()):
            return replace(slot, number=len(taken.slots or ()))
        seen = control.read(control.ADMISSION)[control.ADMISSION]
        holders = seen.slots or set()
        outage = outage_of(seen)
        if slot.holder in holders:  # the answer to the write was lost, and the write repeated
            return replace(slot, outage=outage if seen.probe == token else None)
        if dead := {holder for holder in holders if holder < iso(now)}:
            control.write(control.ADMISSION, [Item.slots.delete(dead)])
        elif outage is not None and (now < outage.next_try_at or (seen.probe and now < seen.probe_lease)):
            return outage
        elif len(holders) >= limit:
            return None
        elif outage is not None:
            actions = [add, Item.probe.set(token), Item.probe_lease.set(lease_expires_at)]
            if control.write(control.ADMISSION, actions, room & _still(outage, seen.probe)):
                return replace(slot, outage=outage)
    return None


def probe(slot: Slot, token: str, now: datetime, lease_expires_at: datetime) -> Slot | Outage:
    """Who wants to poll, under `token`, for the job that this slot is held for: the slot as it is, while the breaker is
    closed; as the probe's, when a try is due; or the outage.
    """
    seen = control.read(control.ADMISSION)[control.ADMISSION]
    outage = outage_of(seen)
    if outage is None:
        return slot
    if now >= outage.next_try_at and not (seen.probe and now < seen.probe_lease):
        actions = [Item.probe.set(token), Item.probe_lease.set(lease_expires_at)]
        if control.write(control.ADMISSION, actions, _still(outage, seen.probe)):
            return replace(slot, outage=outage, probe=token)
    return outage


def keep(slot: Slot, now: datetime, lease_expires_at: datetime) -> Slot:
    """Holds the slot for longer, where half of its time is gone. The former lease is to be freed, or runs out."""
    if slot.lease_expires_at - now > (lease_expires_at - now) / 2:
        return slot
    longer = replace(slot, lease_expires_at=lease_expires_at)
    control.write(control.ADMISSION, [Item.slots.add({longer.holder})])
    return longer


def renew(slot: Slot, lease_expires_at: datetime) -> Slot:
    """Holds the slot until then, where it would end before: a channel is still to be sent in it."""
    if slot.lease_expires_at >= lease_expires_at:
        return slot
    longer = replace(slot, lease_expires_at=lease_expires_at)
    control.write(control.ADMISSION, [Item.slots.add({longer.holder})])
    control.write(control.ADMISSION, [Item.slots.delete({slot.holder})])
    return longer


def free(slot: Slot, *, kept: Slot | None = None) -> None:
    """Gives the slot back. Nothing was learned about the service: a probe leaves the next try to another.

    Here and in the next two: `kept` is the slot that stays held, the same one or with a longer lease, for a job that
    is under way.
    """
    _give_back(slot, kept, [Item.probe.remove(), Item.probe_lease.remove()])


def answered(slot: Slot, *, kept: Slot | None = None) -> None:
    """Gives the slot back; the service was there. Only a probe ends the outage: others were sent before it began."""
    _give_back(slot, kept, [Item.probe.remove(), Item.probe_lease.remove(), Item.outage.remove()])


def unavailable(slot: Slot, outage: Outage, *, kept: Slot | None = None) -> None:
    """Gives the slot back and opens the breaker; for a probe, keeps it open. Who is not the first changes nothing."""
    opened = Item.outage.set(OutageMap(**asdict(outage)))
    if slot.outage is not None:
        _give_back(slot, kept, [Item.probe.remove(), Item.probe_lease.remove(), opened])
    elif not control.write(control.ADMISSION, [*_freed(slot, kept), opened], Item.outage.does_not_exist()):
        _give_back(slot, kept, [])


def try_now(now: datetime) -> None:
    """Ends the breaker's pause, if it is open: a person wants to know."""
    next_try_at: Any = Item.outage.next_try_at
    control.write(control.ADMISSION, [next_try_at.set(now)], Item.outage.exists())


def outage_of(item: Item) -> Outage | None:
    """The outage that the item of this module tells of."""
    if item.outage is None:
        return None
    return Outage(**{each.name: getattr(item.outage, each.name) for each in fields(Outage)})


def _still(outage: Outage, probe: str | None) -> Any:
    """The breaker is as it was seen: no other probe has begun or ended."""
    same = Item.probe == probe if probe else Item.probe.does_not_exist()
    return same & (Item.outage.next_try_at == outage.next_try_at)


def _give_back(slot: Slot, kept: Slot | None, if_probe: list[Any]) -> None:
    """Frees the slot, which is no one else's even after its lease, and as the probe does what `if_probe` says."""
    freed = _freed(slot, kept)
    was_probe = slot.outage is not None and control.write(
        control.ADMISSION, freed + if_probe, Item.probe == (slot.probe or slot.token)
    )
    if freed and not was_probe:
        control.write(control.ADMISSION, freed)


def _freed(slot: Slot, kept: Slot | None) -> list[Any]:
    return [] if kept is not None and kept.holder == slot.holder else [Item.slots.delete({slot.holder})]
