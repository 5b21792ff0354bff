"""Admission control: concurrency slots and the circuit breaker.

Both are stored in one DynamoDB item, so one conditional write checks both. A slot is leased like a claim, so that the
slot of a dead worker becomes free again. (Lambda's reserved concurrency would limit the number as well, but small
accounts cannot set it.) Slots have no numbers: the item holds a set of the current holders, so workers that acquire a
slot at the same moment do not conflict as long as one is free. Every function here raises StoreError.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from pynamodb.expressions.condition import size

from callscribe.clock import to_iso
from callscribe.errors import StoreError
from callscribe.recordings.circuit_breaker import Outage
from callscribe.store import control_items
from callscribe.store.tables import ControlModel as Item
from callscribe.store.tables import OutageMap

MAX_ACQUIRE_ATTEMPTS = 5
"""How many times to try for a slot while other workers write to the item at the same moment."""

DROP_PROBE = (Item.probe.remove(), Item.probe_lease.remove())
CLOSE_CIRCUIT = (*DROP_PROBE, Item.outage.remove())


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The right to run one transcription. A probe's slot has the `outage` that the probe tests.

    `probe_token` is that of the probe, where it is not the slot's own: a poll uses the slot that is held for its job.
    `held_count` is how many slots were held once this one was acquired: unique among slots acquired at one moment, so
    runs use it to start with different entries.
    """

    token: str
    lease_expires_at: datetime
    outage: Outage | None = None
    probe_token: str = ""
    held_count: int = 1

    @property
    def set_member(self) -> str:
        """How the set stores the slot: sorts by the lease."""
        return f"{to_iso(self.lease_expires_at)} {self.token}"

    @classmethod
    def from_set_member(cls, set_member: str) -> "Slot":
        """Parse a member of the set."""
        lease, _, token = set_member.partition(" ")
        return cls(token=token, lease_expires_at=datetime.fromisoformat(lease))


def acquire(limit: int, token: str, now: datetime, lease_expires_at: datetime) -> Slot | Outage | None:
    """Acquire one of `limit` slots under `token`, while the circuit is closed.

    While it is open: the outage or, when the next try is due, a slot for the only probe. None when all slots are in
    use, or when too many workers compete at this moment.
    """
    slot = Slot(token=token, lease_expires_at=lease_expires_at)
    add_member = Item.slots.add({slot.set_member})
    has_room = Item.slots.does_not_exist() | (size(Item.slots) < limit)
    for _ in range(MAX_ACQUIRE_ATTEMPTS):
        if updated := control_items.write(
            control_items.ADMISSION, [add_member], has_room & Item.outage.does_not_exist()
        ):
            return replace(slot, held_count=len(updated.slots or ()))
        current = control_items.read_one(control_items.ADMISSION)
        members = current.slots or set()
        outage = to_outage(current)
        if slot.set_member in members:  # the response to the write was lost and botocore repeated it
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
    """Return the slot for a poll, under `token`.

    That is `slot`, which is held for the job: unchanged while the circuit is closed, as the probe's when the next try
    is due. Else return the outage.
    """
    current = control_items.read_one(control_items.ADMISSION)
    outage = to_outage(current)
    if outage is None:
        return slot
    if now >= outage.next_try_at and not (current.probe and now < current.probe_lease):
        actions = [Item.probe.set(token), Item.probe_lease.set(lease_expires_at)]
        is_ours = control_items.write(control_items.ADMISSION, actions, _unchanged_condition(outage, current.probe))
        # if the response to the write was lost, botocore repeated it
        if is_ours or control_items.read_one(control_items.ADMISSION).probe == token:
            return replace(slot, outage=outage, probe_token=token)
    return outage


def extend_for_job(slot: Slot, now: datetime, lease_expires_at: datetime) -> Slot:
    """Extend the lease of the slot for a running job, once half of it has passed.

    The previous lease stays in the set until it is released or expires: the recording may still refer to it.
    """
    if slot.lease_expires_at - now > (lease_expires_at - now) / 2:
        return slot
    extended = replace(slot, lease_expires_at=lease_expires_at)
    control_items.write(control_items.ADMISSION, [Item.slots.add({extended.set_member})])
    return extended


def extend(slot: Slot, lease_expires_at: datetime) -> Slot:
    """Extend the lease of the slot to `lease_expires_at`, if it ends before: another channel will be sent in it."""
    if slot.lease_expires_at >= lease_expires_at:
        return slot
    extended = replace(slot, lease_expires_at=lease_expires_at)
    # add before delete: in between, the slot is counted twice, but never free
    control_items.write(control_items.ADMISSION, [Item.slots.add({extended.set_member})])
    with suppress(StoreError):  # the previous lease expires by itself
        control_items.write(control_items.ADMISSION, [Item.slots.delete({slot.set_member})])
    return extended


def release(slot: Slot) -> None:
    """Release the slot. Nothing was learned about the service: a probe leaves the next try to another worker.

    This and the next two functions also release a previous lease of a slot that `extend_for_job` has extended.
    """
    _end(slot, [_remove(slot)], DROP_PROBE)


def release_and_close(slot: Slot) -> None:
    """Release the slot and, if it is the probe's, close the circuit: the service responded.

    Only a probe ends an outage: other recordings were sent before it began.
    """
    _end(slot, [_remove(slot)], CLOSE_CIRCUIT)


def release_and_open(slot: Slot, outage: Outage) -> None:
    """Release the slot and open the circuit; for a probe, keep it open. Only the first to report an outage opens it."""
    _end_unavailable(slot, [_remove(slot)], outage)


def drop_probe(slot: Slot) -> None:
    """As `release`, but the slot stays held for a job that is still running."""
    _end(slot, [], DROP_PROBE)


def close_circuit(slot: Slot) -> None:
    """As `release_and_close`, but the slot stays held for a job that is still running."""
    _end(slot, [], CLOSE_CIRCUIT)


def open_circuit(slot: Slot, outage: Outage) -> None:
    """As `release_and_open`, but the slot stays held for a job that is still running."""
    _end_unavailable(slot, [], outage)


def reset_backoff(now: datetime) -> None:
    """Make the next try due now, if the circuit is open: a user has requested a transcription."""
    next_try_at: Any = Item.outage.next_try_at
    control_items.write(control_items.ADMISSION, [next_try_at.set(now)], Item.outage.exists())


def to_outage(item: Item) -> Outage | None:
    """The outage stored in the admission item, if there is one."""
    if item.outage is None:
        return None
    return Outage(**{attribute.name: getattr(item.outage, attribute.name) for attribute in fields(Outage)})


def _unchanged_condition(outage: Outage, probe_token: str | None) -> Any:
    """The circuit has not changed since it was read: no other probe has started or ended."""
    same_probe = Item.probe == probe_token if probe_token else Item.probe.does_not_exist()
    return same_probe & (Item.outage.next_try_at == outage.next_try_at)


def _remove(slot: Slot) -> Any:
    return Item.slots.delete({slot.set_member})


def _end(slot: Slot, slot_actions: list[Any], probe_actions: Sequence[Any]) -> None:
    """End a claim's use of the slot: always apply `slot_actions`; `probe_actions` only while its probe is current.

    No other worker holds this slot, even after its lease has expired.
    """
    was_probe = slot.outage is not None and control_items.write(
        control_items.ADMISSION, [*slot_actions, *probe_actions], Item.probe == (slot.probe_token or slot.token)
    )
    if slot_actions and not was_probe:
        control_items.write(control_items.ADMISSION, slot_actions)


def _end_unavailable(slot: Slot, slot_actions: list[Any], outage: Outage) -> None:
    set_outage = Item.outage.set(OutageMap(**asdict(outage)))
    if slot.outage is not None:
        _end(slot, slot_actions, [*DROP_PROBE, set_outage])
    elif not control_items.write(control_items.ADMISSION, [*slot_actions, set_outage], Item.outage.does_not_exist()):
        _end(slot, slot_actions, [])
