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
    runs use it to start with different entries. `server_stopped_at`: when the server was last seen to have stopped, and
    with it all jobs that it was running.
    """

    token: str
    lease_expires_at: datetime
    outage: Outage | None = None
    probe_token: str = ""
    held_count: int = 1
    server_stopped_at: datetime | None = None

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
            return replace(slot, held_count=len(updated.slots or ()), server_stopped_at=updated.server_stopped_at)
        current = control_items.read_one(control_items.ADMISSION)
        slot = replace(slot, server_stopped_at=current.server_stopped_at)
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
    slot = replace(slot, server_stopped_at=current.server_stopped_at)
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


def release_lost_job(slot: Slot, until: datetime, limit: int, now: datetime) -> Slot | None:
    """Release the slot of a job that the server has presumably lost, but remember the job `until` it is given up.

    Return what now identifies the job in place of the slot. None if `limit` such jobs are remembered already: then this
    one keeps its slot, so that never more than twice as many run as allowed if they are all alive.
    """
    lost = replace(slot, lease_expires_at=until)
    actions = [Item.slots.delete({slot.set_member}), Item.lost_job_slots.add({lost.set_member})]
    has_room = Item.lost_job_slots.does_not_exist() | (size(Item.lost_job_slots) < limit)
    if control_items.write(control_items.ADMISSION, actions, has_room):
        return lost
    members = control_items.read_one(control_items.ADMISSION).lost_job_slots or set()
    if expired := {member for member in members if member < to_iso(now)}:
        control_items.write(control_items.ADMISSION, [Item.lost_job_slots.delete(expired)])
        return lost if control_items.write(control_items.ADMISSION, actions, has_room) else None
    return None


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

    This and the next functions also release a previous lease of a slot that `extend_for_job` has extended, and what
    `release_lost_job` remembers.
    """
    _end(slot, _remove(slot), DROP_PROBE)


def release_and_close(slot: Slot, *, is_success: bool = False) -> None:
    """Release the slot and, if it is the probe's, close the circuit: the service responded.

    Only a probe ends an outage: other recordings were sent before it began. A success ends a series of refusals.
    """
    _end(slot, [*_remove(slot), *([Item.refusals.remove()] if is_success else [])], CLOSE_CIRCUIT)


def release_and_count(slot: Slot, refusal: str, recording_id: str) -> set[str]:
    """As `release_and_close`, and count the refusal. Return the IDs of all recordings refused in the same way.

    The count is a set of recordings, so one that is refused again counts once, and concurrent writes do not conflict.
    """
    updated = _end(slot, [*_remove(slot), Item.refusals.add({f"{refusal} {recording_id}"})], CLOSE_CIRCUIT)
    members = (member.rpartition(" ") for member in (updated and updated.refusals) or ())
    return {id_ for key, _, id_ in members if key == refusal}


def release_and_open(slot: Slot, outage: Outage, server_stopped_at: datetime | None = None) -> None:
    """Release the slot and open the circuit; for a probe, keep it open. Only the first to report an outage opens it.

    `server_stopped_at`: the server was seen to have stopped at that time.
    """
    _end_unavailable(slot, [*_remove(slot), *_stopped(server_stopped_at)], outage)


def drop_probe(slot: Slot) -> None:
    """As `release`, but the slot stays held for a job that is still running."""
    _end(slot, [], DROP_PROBE)


def close_circuit(slot: Slot) -> None:
    """As `release_and_close`, but the slot stays held for a job that is still running."""
    _end(slot, [], CLOSE_CIRCUIT)


def open_circuit(slot: Slot, outage: Outage, server_stopped_at: datetime | None = None) -> None:
    """As `release_and_open`, but the slot stays held for a job that is still running."""
    _end_unavailable(slot, _stopped(server_stopped_at), outage)


def pause(outage: Outage) -> None:
    """Open the circuit, if it is closed, after refusals: they are counted from the start again."""
    actions = [Item.outage.set(OutageMap(**asdict(outage))), Item.refusals.remove()]
    control_items.write(control_items.ADMISSION, actions, Item.outage.does_not_exist())


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


def lost_jobs_until(item: Item) -> list[datetime]:
    """Until when each of the jobs that the server has presumably lost is waited for, the latest last."""
    return sorted(Slot.from_set_member(member).lease_expires_at for member in item.lost_job_slots or ())


def _remove(slot: Slot) -> list[Any]:
    return [Item.slots.delete({slot.set_member}), Item.lost_job_slots.delete({slot.set_member})]


def _stopped(server_stopped_at: datetime | None) -> list[Any]:
    return [Item.server_stopped_at.set(server_stopped_at)] if server_stopped_at else []


def _end(slot: Slot, slot_actions: list[Any], probe_actions: Sequence[Any]) -> Item | None:
    """End a claim's use of the slot: always apply `slot_actions`; `probe_actions` only while its probe is current.

    No other worker holds this slot, even after its lease has expired. Return the updated item, if it was updated.
    """
    is_current_probe = Item.probe == (slot.probe_token or slot.token)
    updated = None
    if slot.outage is not None:
        updated = control_items.write(control_items.ADMISSION, [*slot_actions, *probe_actions], is_current_probe)
    if slot_actions and not updated:
        updated = control_items.write(control_items.ADMISSION, slot_actions)
    return updated


def _end_unavailable(slot: Slot, slot_actions: list[Any], outage: Outage) -> None:
    set_outage = Item.outage.set(OutageMap(**asdict(outage)))
    if slot.outage is not None:
        _end(slot, slot_actions, [*DROP_PROBE, set_outage])
    elif not control_items.write(control_items.ADMISSION, [*slot_actions, set_outage], Item.outage.does_not_exist()):
        _end(slot, slot_actions, [])
