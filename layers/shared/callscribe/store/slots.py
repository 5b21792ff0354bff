"""Slots: at most so many transcriptions are under way at once, over all invocations.

A slot is leased like a claim, so that a dead worker's slot comes back. (Lambda's own reserved concurrency would do
this too, but small accounts cannot set it.)
"""

from datetime import datetime

from callscribe.store.faults import LostRace, translated
from callscribe.store.models import SlotModel


def take(number: int, token: str, now: datetime, lease_expires_at: datetime) -> str | None:
    """Takes one of `number` slots for the holder of `token`; its name, or None when all are in use."""
    free = SlotModel.token.does_not_exist() | (SlotModel.lease_expires_at < now)
    for name in (f"slot-{each}" for each in range(number)):
        try:
            with translated():
                SlotModel(name).update(
                    [SlotModel.token.set(token), SlotModel.lease_expires_at.set(lease_expires_at)], condition=free
                )
            return name
        except LostRace:
            continue
    return None


def free(name: str, token: str) -> None:
    """Gives the slot back, unless its lease ran out and someone else has it."""
    try:
        with translated():
            SlotModel(name).update(
                [SlotModel.token.remove(), SlotModel.lease_expires_at.remove()], condition=SlotModel.token == token
            )
    except LostRace:
        pass
