"""Who may send a recording: slots, and the breaker. Both are in one item, so that one conditional write asks for both.

A slot is leased like a claim, so that a dead worker's comes back. (Lambda's own reserved concurrency would limit the
number as well, but small accounts cannot set it.) Slots have no numbers: they are a set of who holds one, so workers
who ask at the same moment do not get into each other's way as long as there is room.
"""

from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from pynamodb.expressions.condition import size

from callscribe.clock import to_iso
from callscribe.recordings.circuit_breaker import Outage
from callscribe.store import control_items
from callscribe.store.tables import ControlModel as Item
from callscribe.store.tables import OutageMap

MAX_ACQUIRE_ATTEMPTS = 5
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
    held_count: int = 1

    @property
    def set_member(self) -> str:
        """What stands in the set: sorts by the lease."""
        return f"{to_iso(self.lease_expires_at)} {self.token}"

    @classmethod
    def from_set_member(cls, set_member: str) -> "Slot":
        """The slot that stands in the set as this."""
        lease, _, token = set_member.partition(" ")
        return cls(token=token, lease_expires_at=datetime.fromisoformat(lease))


def acquire(limit: int, token: str, now: datetime, lease_expires_at: datetime) -> Slot | Outage | None:
    """One of `limit` slots for the holder of `token`, as long as the breaker is closed.

    While it is open: the outage, or when a try is due, a slot for the one probe. None when all slots are in use, or too
    many ask at this moment. Raises StoreError, as all of this module does.
    """
    slot = Slot(token=token, lease_expires_at=lease_expires_at)
    add_member = Item.slots.add({slot.set_member})
    has_room = Item.slots.does_not_exist() | (size(Item.slots) < limit)
    for _ in range(MAX_ACQUIRE_ATTEMPTS):
        if updated := control_items.write(
            control_items.ADMISSION, [add_member], has_room & Item.outage.does_not_exist()
        ):
            return replace(slot, held_count=len(updated.slots or ()))
        current = control_items.read(control_items.ADMISSION)[control_items.ADMISSION]
        members = current.slots or set()
        outage = to_outage(current)
        if slot.set_member in members:  # the answer to the write was lost, and the write repeated
            return replace(slot, outage=outage if current.probe == token else None)
        if expired := {member for member in members if member < to_iso(now)}:
            control_items.write(control_items.ADMISSION, [Item.slots.delete(expired)])
        elif outage is not None and (now < outage.next_try_at or (current.probe and now < current.probe_lease)):
            return outage
        elif len(members) >= limit:
            return None
        elif outage is not None:
            actions = [add_member, Item.probe.set(token), Item.probe_lease.set(lease_expires_at)]
            if control_items.write(
                control_items.ADMISSION, actions, has_room & _unchanged_condition(outage, current.probe)
            ):
                return replace(slot, outage=outage)
    return None


def acquire_probe(slot: Slot, token: str, now: datetime, lease_expires_at: datetime) -> Slot | Outage:
    """Who wants to poll, under `token`, for the job that this slot is held for: the slot as it is, while the breaker is
    closed; as the probe's, when a try is due; or the outage.
    """
    current = control_items.read(control_items.ADMISSION)[control_items.ADMISSION]
    outage = to_outage(current)
    if outage is None:
        return slot
    if now >= outage.next_try_at and not (current.probe and now < current.probe_lease):
        actions = [Item.probe.set(token), Item.probe_lease.set(lease_expires_at)]
        if control_items.write(control_items.ADMISSION, actions, _unchanged_condition(outage, current.probe)):
            return replace(slot, outage=outage, probe=token)
    return outage


def extend_for_job(slot: Slot, now: datetime, lease_expires_at: datetime) -> Slot:
    """Holds the slot for longer, where half of its time is gone. The former lease is to be freed, or runs out."""
    if slot.lease_expires_at - now > (lease_expires_at - now) / 2:
        return slot
    extended = replace(slot, lease_expires_at=lease_expires_at)
    control_items.write(control_items.ADMISSION, [Item.slots.add({extended.set_member})])
    return extended


def extend(slot: Slot, lease_expires_at: datetime) -> Slot:
    """Holds the slot until then, where it would end before: a channel is still to be sent in it."""
    if slot.lease_expires_at >= lease_expires_at:
        return slot
    extended = replace(slot, lease_expires_at=lease_expires_at)
    control_items.write(control_items.ADMISSION, [Item.slots.add({extended.set_member})])
    control_items.write(control_items.ADMISSION, [Item.slots.delete({slot.set_member})])
    return extended


def release(slot: Slot, *, retained: Slot | None = None) -> None:
    """Gives the slot back. Nothing was learned about the service: a probe leaves the next try to another.

    Here and in the next two: `kept` is the slot that stays held, the same one or with a longer lease, for a job that
    is under way.
    """
    _release(slot, retained, [Item.probe.remove(), Item.probe_lease.remove()])


def release_and_close(slot: Slot, *, retained: Slot | None = None) -> None:
    """Gives the slot back; the service was there. Only a probe ends the outage: others were sent before it began."""
    _release(slot, retained, [Item.probe.remove(), Item.probe_lease.remove(), Item.outage.remove()])


def release_and_open(slot: Slot, outage: Outage, *, retained: Slot | None = None) -> None:
    """Gives the slot back and opens the breaker; for a probe, keeps it open. Who is not the first changes nothing."""
    set_outage = Item.outage.set(OutageMap(**asdict(outage)))
    if slot.outage is not None:
        _release(slot, retained, [Item.probe.remove(), Item.probe_lease.remove(), set_outage])
    elif not control_items.write(
        control_items.ADMISSION, [*_release_actions(slot, retained), set_outage], Item.outage.does_not_exist()
    ):
        _release(slot, retained, [])


def reset_backoff(now: datetime) -> None:
    """Ends the breaker's pause, if it is open: a person wants to know."""
    next_try_at: Any = Item.outage.next_try_at
    control_items.write(control_items.ADMISSION, [next_try_at.set(now)], Item.outage.exists())


def to_outage(item: Item) -> Outage | None:
    """The outage that the item of this module tells of."""
    if item.outage is None:
        return None
    return Outage(**{attribute.name: getattr(item.outage, attribute.name) for attribute in fields(Outage)})


def _unchanged_condition(outage: Outage, probe_token: str | None) -> Any:
    """The breaker is as it was seen: no other probe has begun or ended."""
    same_probe = Item.probe == probe_token if probe_token else Item.probe.does_not_exist()
    return same_probe & (Item.outage.next_try_at == outage.next_try_at)


def _release(slot: Slot, retained: Slot | None, probe_actions: list[Any]) -> None:
    """Frees the slot, which is no one else's even after its lease, and as the probe does what `if_probe` says."""
    release_actions = _release_actions(slot, retained)
    was_probe = slot.outage is not None and control_items.write(
        control_items.ADMISSION, release_actions + probe_actions, Item.probe == (slot.probe or slot.token)
    )
    if release_actions and not was_probe:
        control_items.write(control_items.ADMISSION, release_actions)


def _release_actions(slot: Slot, retained: Slot | None) -> list[Any]:
    return (
        []
        if retained is not None and retained.set_member == slot.set_member
        else [Item.slots.delete({slot.set_member})]
    )
